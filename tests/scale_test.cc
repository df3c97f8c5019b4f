// `plumbline scale` from end to end, on a model of next to nothing.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tools/scale_measure.h"
#include "tools/table.h"

namespace plumbline::scale_test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::json;

constexpr char kTiny[] =
    "synthetic:llama-160m,layers=2,width=64,heads=4,ffn=64,vocab=256,context=64";

std::vector<std::string> Scale(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"scale", "-m",          kTiny,  "--threads",
                                        "1",     "--log-level", "error"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class ScaleTest : public testing::Test {
 protected:
  ScaleTest() : folder_(absl::StrCat(testing::TempDir(), "/plumbline-scale-", Name())) {
    std::filesystem::remove_all(folder_);
  }
  ~ScaleTest() override { std::filesystem::remove_all(folder_); }

  static std::string Name() {
    return testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  std::string File(const std::string& name) const {
    std::ifstream in(folder_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  const std::string folder_;
};

TEST_F(ScaleTest, MeasuresEverySweepAndSaysThatCountsAgree) {
  const BinaryResult result = RunPlumbline(Scale({"--repetitions", "2", "-o", folder_}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("samples equal their formulas, to the unit."));
  EXPECT_THAT(result.out, Not(HasSubstr("differ from")));
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  const Json json = Json::parse(File("samples.json"));
  std::vector<std::string> sweeps;
  std::vector<int> samples(json.at("points").size());
  for (const Json& sample : json.at("samples")) ++samples[sample.at("point").get<size_t>()];
  for (size_t i = 0; i < samples.size(); ++i) {
    sweeps.push_back(json.at("points")[i].at("sweep"));
    EXPECT_EQ(samples[i], 2) << json.at("points")[i];
  }
  for (const char* sweep :
       {"prefill", "decode", "batch", "layers", "heads", "kv_heads", "block", "chunk", "no_cache",
        "stored_full", "stored_causal", "tiled", "fused_softmax", "unfused_softmax", "fused_ffn",
        "unfused_ffn", "paged", "contiguous"}) {
    EXPECT_THAT(sweeps, Contains(sweep));
  }
  const Json findings = Json::parse(File("findings.json"));
  EXPECT_EQ(findings.at("models").at(0).at("model"), kTiny);
  const std::string csv = File("samples.csv");
  EXPECT_EQ(static_cast<size_t>(std::count(csv.begin(), csv.end(), '\n')),
            json.at("samples").size() + 1);
}

TEST_F(ScaleTest, WritesNothingUnlessAsked) {
  const BinaryResult result =
      RunPlumbline(Scale({"--repetitions", "1", "--sweeps", "prefill,decode", "--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json.at("samples").size(), json.at("points").size());
  const Json& found = json.at("findings").at("models").at(0);
  EXPECT_EQ(found.at("exactness").at("equal"), found.at("exactness").at("compared"));
  EXPECT_GT(found.at("exactness").at("compared"), 0);
  EXPECT_FALSE(found.at("prefill").empty());
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(ScaleTest, AFinishedStudyIsOnlyShownAgain) {
  const std::vector<std::string> use = {"--repetitions", "2", "--sweeps", "prefill,no_cache"};
  std::vector<std::string> first = use, second = use, other = use;
  first.insert(first.end(), {"-o", folder_});
  second.insert(second.end(), {"--resume", folder_});
  other.insert(other.end(), {"--resume", folder_, "--max", "32"});
  ASSERT_EQ(RunPlumbline(Scale(first)).exit_code, 0);
  const std::string samples = File("samples.json");
  ASSERT_EQ(RunPlumbline(Scale(second)).exit_code, 0);
  EXPECT_EQ(File("samples.json"), samples);
  const BinaryResult refused = RunPlumbline(Scale(other));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("longest_prompt"), HasSubstr("32")));
  EXPECT_EQ(File("samples.json"), samples);
}

TEST_F(ScaleTest, AfterCtrlCTheFilesAreWholeAndTheStudyGoesOn) {
  // Far more repetitions than there is time for before the signal.
  const std::vector<std::string> use = {
      "scale",          "-m",          kTiny,  "--threads",     "1",   "--sweeps",
      "prefill,decode", "--precision", "0.01", "--repetitions", "3000"};
  BinaryRun run;
  run.arguments = use;
  run.arguments.insert(run.arguments.end(), {"--log-level", "debug", "-o", folder_});
  run.interrupt_after = "measuring";
  const BinaryResult interrupted = RunBinary(run);
  EXPECT_EQ(interrupted.exit_code, 130) << interrupted.err;
  const Json before = Json::parse(File("samples.json"));
  EXPECT_THAT(before.at("finished_runs"), IsEmpty());

  run.arguments = use;
  run.arguments.insert(run.arguments.end(),
                       {"--log-level", "error", "--resume", folder_, "--minutes", "0.003"});
  run.interrupt_after.clear();
  const BinaryResult resumed = RunBinary(run);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  const Json after = Json::parse(File("samples.json"));
  EXPECT_EQ(after.at("finished_runs").size(), 1U);
  ASSERT_GE(after.at("samples").size(), before.at("samples").size());
  for (size_t i = 0; i < before.at("samples").size(); ++i) {
    EXPECT_EQ(after.at("samples")[i], before.at("samples")[i]);
  }
}

TEST_F(ScaleTest, BadUseIsRefused) {
  const std::vector<std::vector<std::string>> usages = {{"--sweeps", "sideways"},
                                                        {"--sweeps", ""},
                                                        {"--sweeps", "prefill,,decode"},
                                                        {"--max", "0"},
                                                        {"--max", "1048577"},
                                                        {"--minutes", "0"},
                                                        {"--minutes", "nan"},
                                                        {"--precision", "-1"},
                                                        {"--repetitions", "0"},
                                                        {"-m", ""},
                                                        {"--chunk-tokens", "0"},
                                                        {"--weights", "int3"}};
  for (const std::vector<std::string>& use : usages) {
    const BinaryResult result = RunPlumbline(Scale(use));
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(use) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
  }
  const std::vector<std::vector<std::string>> errors = {
      {"-m", "no/such.gguf"}, {"-m", "synthetic:nothing"}, {"--resume", "no/such/folder"}};
  for (const std::vector<std::string>& use : errors) {
    const BinaryResult result = RunPlumbline(Scale(use));
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(use) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
  }
}

TEST(RunWeightsTest, AddUpToOneAndFollowCost) {
  ScalePlan plan;
  plan.runs.resize(3);
  for (size_t i = 0; i < 2; ++i) {
    ScalePoint point;
    point.shape = CostShape{2, 64, 4, 2, 16, 128, 3, 300};
    point.tokens = i == 0 ? 64 : 1024;
    point.chunk = point.tokens;
    plan.runs[i].points.push_back(point);
  }
  plan.runs[2].counter = "ffn";
  const std::vector<double> weights = RunWeights(plan);
  ASSERT_EQ(weights.size(), 3U);
  EXPECT_NEAR(weights[0] + weights[1] + weights[2], 1, 1e-12);
  EXPECT_GT(weights[1], weights[0]);
  EXPECT_GT(weights[0], weights[2]);
  EXPECT_GT(weights[2], 0);
}

}  // namespace
}  // namespace plumbline::scale_test
