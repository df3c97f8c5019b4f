// The report and the JSON of runs made by hand: differences, extremes, requests that never ran.
#include "tools/generate_report.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/generate_json.h"
#include "tools/table.h"

namespace plumbline::generate_report_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// Three steps of useful and executed operations and of bytes, by class, and of softmax pairs; two
// sizes of the cache.
constexpr int kFigures = 3 * (3 * kNumWorkClasses + 1) + 2;

RequestStep Step(double end_seconds, int new_tokens, int context_tokens, int64_t figure) {
  RequestStep step;
  step.end_seconds = end_seconds;
  step.seconds = 0.5;
  step.new_tokens = new_tokens;
  step.context_tokens = context_tokens;
  step.measured_macs.useful.fill(figure);
  step.measured_macs.executed.fill(figure);
  step.measured_bytes.fill(figure);
  step.formula_macs = step.measured_macs;
  step.formula_bytes = step.measured_bytes;
  return step;
}

// Two prompt tokens, three new ones.
GeneratedRequest Finished(int64_t figure) {
  GeneratedRequest request;
  request.prompt = "ab";
  request.text = "cd";
  RequestResult& result = request.result;
  result.prompt = {1, 2};
  result.output = {3, 4, 5};
  result.first_scheduled_seconds = 1;
  result.first_token_seconds = 2;
  result.finish_seconds = 4;
  result.steps = {Step(2, 2, 2, figure), Step(3, 1, 3, figure), Step(4, 1, 4, figure)};
  return request;
}

GenerateRun RunOf(std::vector<GeneratedRequest> requests) {
  GenerateRun run;
  run.config.name = "a name\033[2J of a file";
  run.config.architecture = "llama";
  run.shape.L = run.shape.d = 4;
  run.requests = std::move(requests);
  return run;
}

void ExpectFits(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
}

TEST(GenerateReportTest, AgreementIsSaid) {
  const GenerateRun run = RunOf({Finished(7)});
  const CountAgreement agreement = CompareWithFormulas(run);
  EXPECT_EQ(agreement.figures, kFigures);
  EXPECT_EQ(agreement.differences, 0);
  const std::string report = GenerateReport(run);
  EXPECT_THAT(report, HasSubstr("equal their formulas"));
  EXPECT_THAT(report, Not(HasSubstr("!=")));
  EXPECT_THAT(report, Not(HasSubstr("\033")));
}

TEST(GenerateReportTest, EveryKindOfDifferenceIsFlagged) {
  const std::vector<void (*)(RequestResult&)> faults = {
      [](RequestResult& r) { ++r.steps[0].measured_macs.useful[1]; },
      [](RequestResult& r) { --r.steps[2].measured_macs.executed[2]; },
      [](RequestResult& r) { ++r.steps[2].measured_bytes[5]; },
      [](RequestResult& r) { ++r.cache.used_bytes_measured; },
      [](RequestResult& r) { ++r.steps[2].measured_softmax_pairs; },
      [](RequestResult& r) { --r.cache.allocated_bytes_measured; },
  };
  for (const auto& fault : faults) {
    GenerateRun run = RunOf({Finished(7)});
    fault(run.requests[0].result);
    EXPECT_EQ(CompareWithFormulas(run).differences, 1);
    const std::string report = GenerateReport(run);
    EXPECT_THAT(report, HasSubstr("  !=\n"));
    EXPECT_THAT(report, HasSubstr(absl::StrCat("!= 1 of ", kFigures, " counts differ")));
  }
}

TEST(GenerateReportTest, ExtremeNumbersFit) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max() / 64;
  for (const size_t count : {1, 3}) {
    GenerateRun run = RunOf(std::vector<GeneratedRequest>(count, Finished(kHuge)));
    run.shape.L = run.shape.d = 1 << 20;
    run.config.name = std::string(300, 'x');
    run.same_bits_exception = std::string(60, 'y') + " " + std::string(60, 'z');
    for (GeneratedRequest& request : run.requests) {
      request.prompt = std::string(300, 'p');
      request.result.arrival_seconds = -1e12;
      request.result.cache.used_bytes_measured = kHuge;
      request.result.cache.waste_tokens = kHuge / 1024;
      request.result.cache.blocks = kHuge / 1024;
      request.result.cache.block_tokens = 1;
    }
    ExpectFits(GenerateReport(run));
  }
}

// Cancelled before its first step: no time to the first token, no figures, no blame for the cache.
TEST(GenerateReportTest, ARequestThatNeverRan) {
  GeneratedRequest request;
  request.result.prompt = {1, 2};
  request.result.reason = FinishReason::kCancelled;
  request.result.cache.used_bytes_formula = 64;
  const GenerateRun run = RunOf({request});
  EXPECT_EQ(CompareWithFormulas(run).differences, 0);
  ExpectFits(GenerateReport(run));
  EXPECT_THAT(GenerateReport(run), HasSubstr("cut off"));
  EXPECT_THAT(GenerateReport(run), Not(HasSubstr("!=")));
  const auto json = nlohmann::json::parse(GenerateJson(run));
  EXPECT_TRUE(json.at("ttft_seconds").is_null());
  EXPECT_TRUE(json.at("steps").empty());
  EXPECT_EQ(json.at("finish_reason"), "cancelled");
}

TEST(GenerateJsonTest, LogprobsHaveNineDigits) {
  GeneratedRequest request = Finished(1);
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  request.result.logprobs = {{{3, -0.1f}, {4, kNone}}, {{4, -1e-10f}, {9, -12345.678f}}, {}};
  GenerateRun run = RunOf({request});
  run.logprobs = 2;
  EXPECT_THAT(GenerateJson(run), HasSubstr("\"top_logprobs\":[[[3,-0.100000001],[4,null]],"
                                           "[[4,-1.00000001e-10],[9,-12345.6777]],[]]}"));
}

TEST(GenerateJsonTest, SeveralRequestsAreAList) {
  GenerateRun run = RunOf({Finished(1), Finished(2)});
  run.requests[1].result.status = absl::InternalError("a \"reason\"");
  run.requests[1].result.reason = FinishReason::kError;
  run.requests[0].text = "cut \xF0\x9F";
  const auto json = nlohmann::json::parse(GenerateJson(run));
  ASSERT_EQ(json.at("requests").size(), 2u);
  EXPECT_THAT(json.at("requests")[0].at("text").get<std::string>(), HasSubstr("\xEF\xBF\xBD"));
  EXPECT_EQ(json.at("requests")[1].at("error"), "a \"reason\"");
  EXPECT_EQ(json.at("requests")[1].at("steps")[0].at("macs").at("formula"), 2 * kNumWorkClasses);
}

}  // namespace
}  // namespace plumbline::generate_report_test
