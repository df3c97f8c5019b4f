// What `plumbline generate` shares between prompts and between samples, and what it does where they
// outgrow the cache, through the real binary.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/generate_runs.h"
#include "tests/support/run_binary.h"

namespace plumbline::generate_sharing_test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

// The cache holds one prompt and no second one beside it, but for what they have in common: the
// later ones find the first 20 bytes.
TEST(GenerateSharing, EqualBeginningsAreComputedOnceUnlessToldOtherwise) {
  std::vector<std::string> arguments = {"-m", kSmallSynthetic,  "-n", "4", "--block-tokens",
                                        "4",  "--cache-blocks", "11"};
  for (const char* end : {"one", "two", "three"}) {
    arguments.emplace_back("-p");
    arguments.push_back(std::string("the same beginning: ") + end);
  }
  const Json shared = Generate(arguments);
  EXPECT_EQ(shared.at("prefix").at("hit_tokens"), 40);
  std::vector<std::string> plain_arguments = arguments;
  plain_arguments.emplace_back("--no-prefix-sharing");
  const Json plain = Generate(plain_arguments);
  EXPECT_EQ(plain.at("prefix").at("hit_tokens"), 0);
  for (size_t i = 0; i < 3; ++i) {
    const Json& request = shared.at("requests")[i];
    CheckRequest(request);
    CheckRequest(plain.at("requests")[i]);
    EXPECT_EQ(request.at("prefix_hit_tokens"), i == 0 ? 0 : 20);
    EXPECT_EQ(request.at("cache").at("shared_blocks"), i == 0 ? 0 : 5);
    EXPECT_EQ(request.at("output_token_ids"), plain.at("requests")[i].at("output_token_ids"));
  }
  arguments.insert(arguments.begin(), "generate");
  const BinaryResult report = RunPlumbline(arguments);
  EXPECT_THAT(report.out, HasSubstr("shared: 10 of these blocks"));
  EXPECT_THAT(report.out, HasSubstr("counts equal their formulas"));
}

TEST(GenerateSharing, SamplesHaveSeedsThatCountUpAndShareThePrompt) {
  const std::vector<std::string> base = {"-m",  kSmallSynthetic,  "-n", "6", "--temperature",
                                         "1.2", "--block-tokens", "4"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return Generate(more);
  };
  const Json samples =
      with({"-p", "a prompt of text", "-p", "b", "-N", "3", "--seed", "5"}).at("requests");
  ASSERT_EQ(samples.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    const Json& sample = samples[i];
    CheckRequest(sample);
    EXPECT_EQ(sample.at("sample"), i % 3);
    const Json alone =
        with({"-p", i < 3 ? "a prompt of text" : "b", "--seed", std::to_string(5 + i % 3)});
    EXPECT_EQ(sample.at("prompt_token_ids"), alone.at("prompt_token_ids"));
    EXPECT_EQ(sample.at("output_token_ids"), alone.at("output_token_ids"));
    const size_t prompt = sample.at("prompt_token_ids").size();
    EXPECT_EQ(sample.at("prefix_hit_tokens"), i % 3 == 0 ? 0 : prompt - 1);
  }
  const BinaryResult report =
      RunPlumbline({"generate", "-m", kSmallSynthetic, "-p", "text", "-N", "2", "-n", "3"});
  EXPECT_THAT(report.out, HasSubstr("--- request 2: text"));
  EXPECT_THAT(report.out, HasSubstr("counts equal their formulas"));
}

// Two prompts that outgrow the cache together: whoever makes room gets the same tokens, whatever
// becomes of its blocks.
TEST(GenerateSharing, PreemptionBySwapChangesNoToken) {
  const std::vector<std::string> tight = {
      "-m", kSmallSynthetic,  "-p", "one prompt",     "-p", "another one",        "-n",
      "24", "--block-tokens", "4",  "--cache-blocks", "13", "--no-prefix-sharing"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), tight.begin(), tight.end());
    return Generate(more);
  };
  const Json recomputed = with({});
  const Json swapped = with({"--preempt", "swap", "--preempt-victim", "largest"});
  const Json in_file = with({"--preempt", "swap", "--swap-dir", testing::TempDir()});
  const Json small = with({"--preempt", "swap", "--swap-blocks", "1"});
  EXPECT_GT(recomputed.at("preemption").at("recomputed"), 0);
  EXPECT_EQ(recomputed.at("preemption").at("swapped"), 0);
  EXPECT_GT(small.at("preemption").at("recomputed"), 0);
  for (const Json* run : {&swapped, &in_file}) {
    EXPECT_GT(run->at("preemption").at("swapped"), 0);
    EXPECT_EQ(run->at("preemption").at("recomputed"), 0);
    int64_t blocks = 0;
    for (size_t i = 0; i < 2; ++i) {
      const Json& request = run->at("requests")[i];
      CheckRequest(request);
      EXPECT_EQ(request.at("output_token_ids"),
                recomputed.at("requests")[i].at("output_token_ids"));
      for (const Json& eviction : request.at("evictions")) {
        blocks += eviction.at("swapped_out_blocks").get<int64_t>();
        EXPECT_GT(eviction.at("rescheduled_seconds"), eviction.at("evicted_seconds"));
      }
    }
    EXPECT_EQ(run->at("preemption").at("swapped_out_blocks"), blocks);
  }
  std::vector<std::string> arguments = tight;
  arguments.insert(arguments.begin(), "generate");
  for (const char* more : {"--preempt", "swap"}) arguments.emplace_back(more);
  EXPECT_THAT(RunPlumbline(arguments).out, HasSubstr("0 were computed again, 1 swapped"));
  arguments.insert(arguments.end(), {"--swap-dir", "/nonexistent/directory"});
  const BinaryResult nowhere = RunPlumbline(arguments);
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("/nonexistent/directory"));
}

}  // namespace
}  // namespace plumbline::generate_sharing_test
