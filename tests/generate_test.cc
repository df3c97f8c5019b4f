// `plumbline generate` on the toy model and on small synthetic ones, through the real binary.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/generate_runs.h"
#include "tests/support/run_binary.h"
#include "tools/table.h"

namespace plumbline::generate_test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kToyContext = 512;
constexpr const char* kSmall = kSmallSynthetic;

TEST(GenerateTest, OnePromptIsAnObject) {
  const Json json = Generate({"-p", "ROMEO:", "-n", "20", "--chunk-tokens", "1"});
  CheckRequest(json);
  EXPECT_EQ(json.at("output_token_ids").size(), 20u);
  EXPECT_EQ(json.at("finish_reason"), "length");
  EXPECT_FALSE(json.at("text").get<std::string>().empty());
  EXPECT_EQ(json.count("top_logprobs"), 0u);
}

TEST(GenerateTest, SeveralPromptsKeepTheirOrderAndTheirTokens) {
  const std::vector<std::string> prompts = {"ROMEO:", "To be, or not to be: that is the question",
                                            "[a,b]", "{}"};
  std::vector<std::string> arguments = {"-n", "12", "--temperature", "0.9", "--seed", "5"};
  for (const std::string& prompt : prompts) arguments.insert(arguments.end(), {"-p", prompt});
  const Json together = Generate(arguments);
  ASSERT_EQ(together.at("requests").size(), prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const Json& request = together.at("requests")[i];
    CheckRequest(request);
    const Json alone =
        Generate({"-n", "12", "--temperature", "0.9", "--seed", "5", "-p", prompts[i]});
    EXPECT_EQ(request.at("prompt_token_ids"), alone.at("prompt_token_ids")) << prompts[i];
    if (!together.at("same_bits").get<bool>()) continue;
    EXPECT_EQ(request.at("output_token_ids"), alone.at("output_token_ids")) << prompts[i];
  }
}

TEST(GenerateTest, PromptsOfAFileFollowTheOthers) {
  const std::string path = testing::TempDir() + "/plumbline-generate-prompts.txt";
  std::ofstream(path, std::ios::binary) << "JULIET:\r\n\n   \nNURSE:";
  const Json json = Generate({"-p", "ROMEO:", "-f", path, "-n", "2"});
  ASSERT_EQ(std::remove(path.c_str()), 0);
  ASSERT_EQ(json.at("requests").size(), 3u);
  const Json juliet = Generate({"-p", "JULIET:", "-n", "2"});
  EXPECT_EQ(json.at("requests")[1].at("prompt_token_ids"), juliet.at("prompt_token_ids"));
}

TEST(GenerateTest, TokensAreClampedToTheContext) {
  const Json json = Generate({"-p", "ROMEO:", "-n", "2147483647"});
  CheckRequest(json);
  const auto prompt = json.at("prompt_token_ids").size();
  // The last token is never fed back, so it needs no position.
  if (json.at("finish_reason") == "length") {
    EXPECT_EQ(prompt + json.at("output_token_ids").size() - 1, size_t{kToyContext});
  } else {
    EXPECT_EQ(json.at("finish_reason"), "stop");
  }
}

TEST(GenerateTest, StopStringEndsTheTextBeforeIt) {
  const std::string whole = Generate({"-p", "ROMEO:", "-n", "30"}).at("text");
  ASSERT_GT(whole.size(), 12u);
  const std::string stop = whole.substr(8, 3);
  const Json json =
      Generate({"-p", "ROMEO:", "-n", "30", "--stop", "no such text", "--stop", stop});
  CheckRequest(json);
  EXPECT_EQ(json.at("finish_reason"), "stop");
  EXPECT_EQ(json.at("text"), whole.substr(0, whole.find(stop)));
}

TEST(GenerateTest, LogprobsHaveNineDigitsAndPrintEqualForEqualBits) {
  BinaryRun run;
  run.arguments = {"generate", "-p", "ROMEO:", "-n", "8", "--logprobs", "3", "--json"};
  const BinaryResult first = RunBinary(run);
  const Json json = Json::parse(first.out);
  const Json& rows = json.at("top_logprobs");
  ASSERT_EQ(rows.size(), json.at("output_token_ids").size());
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].size(), 3u);
    EXPECT_EQ(rows[i][0][0], json.at("output_token_ids")[i]);
    for (const Json& candidate : rows[i]) {
      const auto logprob = candidate[1].get<double>();
      EXPECT_LE(logprob, 0);
      // The printed digits are those of the float.
      EXPECT_EQ(logprob, std::stod(absl::StrFormat("%.9g", static_cast<float>(logprob))));
    }
    EXPECT_GE(rows[i][0][1].get<double>(), rows[i][2][1].get<double>());
  }
  const std::string second = RunBinary(run).out;
  EXPECT_EQ(first.out.substr(first.out.find("top_logprobs")),
            second.substr(second.find("top_logprobs")));
}

TEST(GenerateTest, InvalidBytesBecomeReplacementCharacters) {
  const Json json = Generate({"-m", kSmall, "-p", "x\xFF", "-n", "40", "--temperature", "2"});
  CheckRequest(json);
  EXPECT_EQ(json.at("prompt_token_ids"), Json({'x', 0xFF}));
  EXPECT_THAT(json.at("text").get<std::string>(), HasSubstr("\xEF\xBF\xBD"));
}

TEST(GenerateTest, EveryDtypeRuns) {
  for (const char* kv : {"f32", "f16", "bf16"}) {
    const Json json = Generate({"-m", kSmall, "-p", "some text", "-n", "4", "--weights", "f32",
                                "--kv-dtype", kv, "--block-tokens", "3", "--threads", "1"});
    CheckRequest(json);
    EXPECT_EQ(json.at("kv_dtype"), kv);
  }
}

TEST(GenerateTest, ASmallCacheStillServesAll) {
  const Json json = Generate({"-m", kSmall, "-p", "first text", "-p", "other text", "-n", "10",
                              "--cache-blocks", "6", "--block-tokens", "4"});
  for (const Json& request : json.at("requests")) {
    EXPECT_EQ(request.at("output_token_ids").size(), 10u);
    EXPECT_EQ(request.at("finish_reason"), "length");
  }
}

TEST(GenerateTest, TheReportFitsATerminal) {
  const std::vector<std::vector<std::string>> uses = {
      {"generate", "-p", "ROMEO:", "-n", "5"},
      {"generate", "-p", "ROMEO:", "-n", "1"},
      {"generate", "-p", "a", "-p", "b", "-n", "3"},
      {"generate", "-m", "synthetic:llama-160m,layers=2", "-p", "abc", "-n", "3"},
  };
  for (const std::vector<std::string>& use : uses) {
    const BinaryResult result = RunPlumbline(use);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    // The texts are the model's own; the report starts with the table of requests.
    std::istringstream lines(result.out.substr(result.out.find("\nRequest ")));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
    }
    for (const char* word : {"measured", "formula", "article", "first token", "waste:"}) {
      EXPECT_THAT(result.out, HasSubstr(word));
    }
    EXPECT_THAT(result.out, testing::Not(HasSubstr("!=")));
  }
}

TEST(GenerateTest, TheTextStreamsBeforeTheReport) {
  const std::string text = Generate({"-p", "ROMEO:", "-n", "10"}).at("text");
  const BinaryResult result = RunPlumbline({"generate", "-p", "ROMEO:", "-n", "10"});
  EXPECT_EQ(result.out.substr(0, text.size()), text);
}

// An interrupt ends the run long before its end, and what there is comes out whole.
TEST(GenerateTest, InterruptPrintsWhatThereIs) {
  BinaryRun run;
  run.arguments = {"--log-level", "debug",     "generate", "-m",   "synthetic:llama-160m,layers=4",
                   "-p",          "some text", "-p",       "more", "-n",
                   "32000",       "--json"};
  run.interrupt_after = "running";
  const BinaryResult result = RunBinary(run);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  const Json json = Json::parse(result.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << result.out;
  ASSERT_EQ(json.at("requests").size(), 2u);
  for (const Json& request : json.at("requests")) {
    EXPECT_EQ(request.at("finish_reason"), "cancelled");
    EXPECT_LT(request.at("output_token_ids").size(), 32000u);
  }
}

TEST(GenerateTest, InterruptedTextStillEndsWithItsTable) {
  BinaryRun run;
  run.arguments = {"--log-level", "debug",     "generate", "-m",   "synthetic:llama-160m,layers=4",
                   "-p",          "some text", "-n",       "32000"};
  run.interrupt_after = "running";
  const BinaryResult result = RunBinary(run);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_THAT(result.out, HasSubstr("cancelled"));
}

TEST(GenerateTest, JsonLeavesStandardErrorEmptyToo) {
  const BinaryResult result =
      RunPlumbline({"generate", "-p", "a", "-n", "2", "--json", "--weights", "f32"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
}

}  // namespace
}  // namespace plumbline::generate_test
