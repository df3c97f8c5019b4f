// `plumbline perplexity` as users meet it.
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tools/perplexity.h"
#include "tools/table.h"

namespace plumbline::perplexity_cli_test {
namespace {

using testing::HasSubstr;

constexpr char kVerse[] =
    "MILLER:\nThe wheel has turned since Candlemas, good sir,\nAnd ground the corn of seven "
    "villages.\n\nSTEWARD:\nThen let it rest a day; the stream is low,\nAnd we have flour enough "
    "to see the spring.\n\n";

std::string Verses(int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += kVerse;
  return text;
}

BinaryResult Perplexity(std::vector<std::string> arguments, const std::string& text) {
  BinaryRun run;
  run.arguments = {"--log-level", "error", "perplexity", "-f", "-"};
  run.arguments.insert(run.arguments.end(), arguments.begin(), arguments.end());
  run.input = text;
  return RunBinary(run);
}

TEST(PerplexityCliTest, EveryDtypeThatRunsIsInTheTable) {
  const BinaryResult text = Perplexity({"--context", "64"}, Verses(2));
  ASSERT_EQ(text.exit_code, 0) << text.err;
  std::istringstream lines(text.out);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  EXPECT_THAT(text.out, HasSubstr("reference"));
  EXPECT_THAT(text.out, HasSubstr("the last window has"));
  EXPECT_THAT(text.out, HasSubstr("counts equal their formulas"));

  const BinaryResult result = Perplexity({"--context", "64", "--json"}, Verses(2));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  const size_t weights = kWeightDtypes.size() - json.at("left_out").size();
  EXPECT_EQ(json.at("rows").size(), weights * kKvDtypes.size() - 1);
  EXPECT_EQ(json.at("reference").at("weights"), "f32");
  EXPECT_EQ(json.at("reference").at("kl_max"), 0);
  EXPECT_EQ(json.at("counts").at("compared"), json.at("counts").at("equal"));
  EXPECT_EQ(json.at("windows").at("stride"), 32);
  EXPECT_FALSE(json.at("interrupted").get<bool>());
  for (const auto& row : json.at("rows")) {
    EXPECT_EQ(row.at("tokens"), json.at("windows").at("tokens"));
    EXPECT_GT(row.at("kl_mean"), 0) << row;
    EXPECT_LE(row.at("kl_mean"), row.at("kl_max")) << row;
    EXPECT_LE(row.at("kl_p99"), row.at("kl_max")) << row;
    EXPECT_LE(row.at("equal_top"), 1) << row;
  }
}

TEST(PerplexityCliTest, ListsChooseAndTheReferenceIsRunOnce) {
  const BinaryResult result = Perplexity({"--context", "32", "--json", "--weights", "f32",
                                          "--kv-dtype", "bf16,f32", "--against", "f32/bf16"},
                                         Verses(1));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("reference").at("kv_dtype"), "bf16");
  ASSERT_EQ(json.at("rows").size(), 1U);
  EXPECT_EQ(json.at("rows")[0].at("kv_dtype"), "f32");
}

TEST(PerplexityCliTest, WrongUseAndErrors) {
  for (const std::vector<std::string>& use :
       std::vector<std::vector<std::string>>{{"--weights", "q3"},
                                             {"--kv-dtype", "f32,"},
                                             {"--against", "f32/q8"},
                                             {"--context", "1"},
                                             {"--stride", "0"},
                                             {"--threads", "0"}}) {
    EXPECT_EQ(Perplexity(use, Verses(1)).exit_code, 2) << testing::PrintToString(use);
  }
  EXPECT_EQ(RunPlumbline({"perplexity"}).exit_code, 2);
  EXPECT_EQ(RunPlumbline({"perplexity", "--help"}).exit_code, 0);
  struct Case {
    std::vector<std::string> arguments;
    std::string text;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{}, "too short", "at least 257"},
      {{}, "", "0 tokens"},
      {{"--context", "513"}, Verses(1), "context of 512"},
      {{"--context", "8", "--stride", "8"}, Verses(1), "from 1 to 7"},
      {{"-f", "no/such/text.txt"}, "", "no/such/text.txt"},
      {{"-f", "/"}, "", "read"},
      {{"-m", "synthetic:13b,layers=4000", "--context", "16"}, Verses(1), "--chunk-tokens"},
  };
  for (const Case& test : cases) {
    std::vector<std::string> arguments = {"--log-level", "error", "perplexity"};
    arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
    BinaryRun run;
    if (test.arguments.empty() || test.arguments[0] != "-f") {
      arguments.insert(arguments.end(), {"-f", "-"});
    }
    run.arguments = arguments;
    run.input = test.text;
    const BinaryResult result = RunBinary(run);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(arguments) << result.err;
    EXPECT_THAT(result.err, HasSubstr(test.says));
    EXPECT_EQ(result.out, "");
  }
}

TEST(PerplexityCliTest, InterruptedPrintsWhatThereIs) {
  BinaryRun run;
  run.arguments = {"--log-level", "debug", "perplexity", "-f",          "-",
                   "--context",   "16",    "--stride",   "1",           "--json",
                   "--weights",   "f32",   "--kv-dtype", "f32,f16,bf16"};
  run.input = Verses(200);
  run.interrupt_after = "scoring";
  const BinaryResult result = RunBinary(run);
  ASSERT_EQ(result.exit_code, 130) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_TRUE(json.at("interrupted").get<bool>());
  EXPECT_LT(json.at("reference").at("windows"), json.at("windows").at("count"));
}

// Without a run: what a row without a window looks like.
TEST(PerplexityReportTest, RowsWithoutAWindowSaySo) {
  PerplexityResult result;
  result.name = "made";
  result.layout = {100, 0, 10, 5};
  result.rows.push_back({{WeightDtype::kBf16, KvDtype::kF16}, {}});
  result.left_out = {"one thing or another"};
  result.interrupted = true;
  result.agreement = {10, 1};
  const std::string report = PerplexityReport(result);
  EXPECT_THAT(report, HasSubstr("interrupted"));
  EXPECT_THAT(report, HasSubstr("one thing or another"));
  EXPECT_THAT(report, HasSubstr("!= 1 of 10 counts differ"));
  const auto json = nlohmann::json::parse(PerplexityJson(result));
  EXPECT_EQ(json.at("rows")[0].at("windows"), 0);
  EXPECT_FALSE(json.at("rows")[0].contains("kl_mean"));
}

}  // namespace
}  // namespace plumbline::perplexity_cli_test
