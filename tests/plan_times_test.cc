// Predicted times of `plumbline plan`: of requests from steps, and of whole plans from a profile
// made by hand.
#include "tools/plan_times.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/bf16_unit.h"
#include "engine/cost_model.h"
#include "engine/machine.h"
#include "engine/step_time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/made_profile.h"
#include "tools/machine_file.h"
#include "tools/plan.h"
#include "tools/table.h"

namespace plumbline::plan_times_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kLong[] =
    "synthetic:llama-160m,width=64,heads=8,kv_heads=2,layers=2,ffn=96,vocab=300,context=4194304";

// A step of these many tokens takes these many seconds, and a row of logits a thousand.
double CountTokens(absl::Span<const SpanShape> spans) {
  double seconds = 0;
  for (const SpanShape& span : spans) {
    seconds += static_cast<double>(span.count + 1000 * span.logit_rows);
  }
  return seconds;
}

TEST(PlanTimesTest, TtftIsItsChunks) {
  EXPECT_EQ(PredictTtft(1, 512, CountTokens), 1001);
  EXPECT_EQ(PredictTtft(1300, 512, CountTokens), 2300);
  std::vector<int64_t> firsts;
  PredictTtft(1024, 512, [&](absl::Span<const SpanShape> spans) {
    EXPECT_EQ(spans.size(), 1u);
    firsts.push_back(spans[0].first);
    return 0.0;
  });
  EXPECT_THAT(firsts, ElementsAre(0, 512));
}

TEST(PlanTimesTest, DecodeStepFeedsOneTokenOfEach) {
  PredictDecodeStep(100, 3, [](absl::Span<const SpanShape> spans) {
    EXPECT_EQ(spans.size(), 3u);
    for (const SpanShape& span : spans) {
      EXPECT_EQ(span.first, 99);
      EXPECT_EQ(span.count, 1);
      EXPECT_EQ(span.logit_rows, 1);
    }
    return 0.0;
  });
}

TEST(PlanTimesTest, LengthsAscend) {
  EXPECT_THAT(PlanLengths(32768, 0), ElementsAre(128, 512, 2048, 8192, 32768));
  EXPECT_THAT(PlanLengths(512, 300), ElementsAre(128, 300, 512));
  EXPECT_THAT(PlanLengths(1, 5), ElementsAre(1));
}

// The file of a profile made by hand, for this machine.
std::string ProfileFile(MachineProfile profile) {
  profile.cpu_model = DetectMachine().cpu_model;
  profile.bf16_unit = UsedBf16Unit();
  const std::string path = testing::TempDir() + "/plan_times_test_machine.json";
  const absl::Status saved = SaveMachineProfile(profile, path);
  EXPECT_TRUE(saved.ok()) << saved;
  return path;
}

PlanOptions LongOptions(const MachineProfile& profile) {
  PlanOptions options;
  options.model = kLong;
  options.weights = "f32";
  options.threads = profile.threads;
  options.machine_file = ProfileFile(profile);
  return options;
}

const PlanTime& TimeOf(const std::vector<PlanTime>& times, int64_t tokens, int64_t batch) {
  const auto found = std::find_if(times.begin(), times.end(), [&](const PlanTime& time) {
    return time.tokens == tokens && time.batch == batch;
  });
  EXPECT_NE(found, times.end()) << tokens << " tokens, batch " << batch;
  return found == times.end() ? times.front() : *found;
}

// PredictStep itself is held against paper in step_time_test.
TEST(PlannedTimesTest, AreThoseOfTheStepsOfEachShape) {
  MachineProfile profile = MadeProfile(1e11, 3e10, 3e5);
  profile.bf16_unit = UsedBf16Unit();
  PlanOptions options = LongOptions(profile);
  options.context = 1000;
  options.requests = 3;
  options.prompt = 700;
  const auto plan = MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->times_missing, "");
  for (const HeadsPlan& heads : plan->heads) {
    ModelConfig config = plan->config;
    config.kv_heads = heads.kv_heads;
    for (size_t i = 0; i < kPlanDtypes.size(); ++i) {
      SCOPED_TRACE(absl::StrCat(heads.name, " ", KvDtypeName(kPlanDtypes[i])));
      const CostShape shape = CostShape::From(config, WeightDtype::kF32, kPlanDtypes[i], 16);
      const auto seconds = [&](const std::vector<SpanShape>& spans) {
        return PredictStep(profile, shape, spans).seconds();
      };
      EXPECT_DOUBLE_EQ(TimeOf(heads.ttft, 700, 1).seconds[i],
                       seconds({{0, 512, 0}}) + seconds({{512, 188, 1}}));
      EXPECT_DOUBLE_EQ(TimeOf(heads.decode, 1000, 1).seconds[i], seconds({{999, 1, 1}}));
      EXPECT_DOUBLE_EQ(TimeOf(heads.decode, 1000, 3).seconds[i],
                       seconds({{999, 1, 1}, {999, 1, 1}, {999, 1, 1}}));
    }
  }
  // Every step costs more with more KV heads, and the three differ.
  const auto slowest = [&](size_t h) { return plan->heads[h].decode.back().seconds[0]; };
  EXPECT_GT(slowest(0), slowest(1));
  EXPECT_GT(slowest(1), slowest(2));
}

TEST(PlannedTimesTest, SayWhereTheyEnd) {
  PlanOptions options = LongOptions(MadeProfile(1e11, 3e10, 3e5));
  options.chunk_tokens = 16;
  options.prompt = 4000000;
  const auto plan = MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->longest_prompt, 65536);
  EXPECT_EQ(plan->longest_decode, 1048576);
  EXPECT_EQ(plan->own().ttft.back().tokens, 65536);
  EXPECT_EQ(plan->own().decode.back().tokens, 1048576);
  const std::string report = PlanReport(*plan);
  for (const absl::string_view line : absl::StrSplit(report, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  EXPECT_THAT(report, HasSubstr("No times beyond 1,048,576 tokens"));
  EXPECT_THAT(report, HasSubstr("No times to first token beyond 65,536 tokens"));
  EXPECT_THAT(report, HasSubstr("none for the prompt of 4,000,000 tokens"));
  const auto json = nlohmann::json::parse(PlanJson(*plan));
  EXPECT_EQ(json.at("longest_predicted_prompt_tokens"), 65536);
  EXPECT_EQ(json.at("longest_predicted_context_tokens"), 1048576);

  options.context = 2048;
  options.prompt = 0;
  EXPECT_THAT(PlanReport(MakePlan(options).value()), Not(HasSubstr("No times")));
}

}  // namespace
}  // namespace plumbline::plan_times_test
