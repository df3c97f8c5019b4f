// The command line as users meet it: exit codes, usage errors, streams.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tools/table.h"

namespace plumbline::cli_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(CliTest, WithoutSubcommandShowsHelpAndFails) {
  const BinaryResult result = RunPlumbline({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("generate"));
  EXPECT_THAT(result.out, IsEmpty());
}

TEST(CliTest, HelpTeaches) {
  const BinaryResult all = RunPlumbline({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  for (const char* word :
       {"generate", "inspect", "tokenize", "synth", "formulas", "scale", "Exit codes"}) {
    EXPECT_THAT(all.out, HasSubstr(word));
  }
  for (const char* subcommand : {"generate", "inspect", "tokenize", "synth", "formulas", "scale"}) {
    const BinaryResult one = RunPlumbline({subcommand, "--help"});
    EXPECT_EQ(one.exit_code, 0) << subcommand;
    EXPECT_THAT(one.out, HasSubstr("Example")) << subcommand;
  }
}

TEST(CliTest, BadUsageIsTwo) {
  const std::vector<std::vector<std::string>> uses = {
      {"no-such-subcommand"},
      {"generate"},
      {"generate", "-p", "a", "--no-such-flag"},
      {"generate", "-p", "a", "-n", "0"},
      {"generate", "-p", "a", "-n", "-3"},
      {"generate", "-p", "a", "--preempt", "never"},
      {"generate", "-p", "a", "--preempt", "swap", "--swap-blocks", "0"},
      {"generate", "-p", "a", "--preempt", "swap", "--swap-blocks", "2147483648"},
      {"generate", "-p", "a", "--swap-blocks", "4"},
      {"generate", "-p", "a", "--preempt-victim", "oldest"},
      {"generate", "-p", "a", "-N", "0"},
      {"generate", "-p", "a", "-N", "1025"},
      {"generate", "-p", "a", "-n", "many"},
      {"generate", "-p", "a", "-n", "99999999999999999999"},
      {"generate", "-p", "a", "--threads", "0"},
      {"generate", "-p", "a", "--threads", "257"},
      {"generate", "-p", "a", "--block-tokens", "0"},
      {"generate", "-p", "a", "--block-tokens", "65537"},
      {"generate", "-p", "a", "--chunk-tokens", "0"},
      {"generate", "-p", "a", "--cache-mib", "0"},
      {"generate", "-p", "a", "--cache-mib", "9223372036854775807"},
      {"generate", "-p", "a", "--cache-blocks", "0"},
      {"generate", "-p", "a", "--cache-blocks", "4", "--cache-mib", "4"},
      {"generate", "-p", "a", "--temperature", "nan"},
      {"generate", "-p", "a", "--temperature", "-1"},
      {"generate", "-p", "a", "--top-p", "0"},
      {"generate", "-p", "a", "--top-p", "1.5"},
      {"generate", "-p", "a", "--min-p", "-0.1"},
      {"generate", "-p", "a", "--top-k", "-1"},
      {"generate", "-p", "a", "--repeat-penalty", "0"},
      {"generate", "-p", "a", "--seed", "-1"},
      {"generate", "-p", "a", "--stop", ""},
      {"generate", "-p", "a", "--weights", "int3"},
      {"generate", "-p", "a", "--kv-dtype", "q8"},
      {"generate", "-p", "a", "--logprobs", "-1"},
      {"generate", "-p", "a", "-m", ""},
      {"generate", "-p", "a", "--log-level", "loud"},
      {"tokenize", "--decode", "--json"},
      {"synth", "-o", "somewhere.gguf"},
      {"synth", "-m", "synthetic:llama-160m"},
      {"formulas", "--audit", "A1_PAIRS"},
      {"formulas", "--audit", "--table", "T1"},
      {"formulas", "--table", "T1", "A1_PAIRS"},
      {"formulas", "--table"},
      {"formulas", "--external"},
  };
  for (const std::vector<std::string>& use : uses) {
    const BinaryResult result = RunPlumbline(use);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(use) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, Not(IsEmpty()));
  }
}

TEST(CliTest, ErrorsAreOneSentenceAndExitOne) {
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"generate", "-p", "a", "-m", "no/such/model.gguf"}, "no/such/model.gguf"},
      {{"generate", "-p", "a", "-m", "synthetic:no-such-shape"}, "llama-160m"},
      {{"generate", "-f", "no/such/prompts.txt"}, "no/such/prompts.txt"},
      {{"generate", "-p", "", "-m", "synthetic:llama-160m,layers=1,vocab=256"},
       "prompt 1 is empty"},
      {{"generate", "-p", std::string(5000, 'x')}, "context of 512"},
      {{"generate", "-p", "To be", "-p", std::string(5000, 'x'), "--json"}, "prompt 2"},
      {{"generate", "-p", "To be or not to be", "--cache-blocks", "1", "--block-tokens", "1"},
       "--cache-blocks"},
      {{"generate", "-p", "a", "--cache-mib", "8796093022207"}, "--cache-mib"},
      {{"generate", "-p", "a", "-m", "synthetic:13b,layers=4000"}, "the weights need"},
      {{"inspect", "no/such/model.gguf"}, "no/such/model.gguf"},
      {{"tokenize", "-m", "no/such/model.gguf"}, "no/such/model.gguf"},
      {{"synth", "-m", "model.gguf", "-o", "other.gguf"}, "synthetic"},
  };
  for (const Case& test : cases) {
    // Without the notice that a CPU without bf16 products gives beside.
    std::vector<std::string> arguments = {"--log-level", "error"};
    arguments.insert(arguments.end(), test.arguments.begin(), test.arguments.end());
    const BinaryResult result = RunPlumbline(arguments);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(test.arguments) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, HasSubstr(test.says));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
}

TEST(CliTest, OutputThatCannotBeWrittenIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  const std::vector<std::vector<std::string>> uses = {
      {"generate", "-p", "To be", "-n", "3"},
      {"generate", "-p", "To be", "-p", "Or not", "-n", "3"},
      {"generate", "-p", "To be", "-n", "3", "--json"},
      {"inspect"},
      {"inspect", "--json"},
      {"tokenize"},
      {"--help"},
  };
  for (const std::vector<std::string>& use : uses) {
    BinaryRun run;
    run.arguments = use;
    run.input = "some text";
    run.output_path = "/dev/full";
    const BinaryResult result = RunBinary(run);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(use);
    EXPECT_THAT(result.err, HasSubstr("writ")) << testing::PrintToString(use);
  }
}

TEST(CliTest, TokenizeGoesBothWays) {
  BinaryRun encode;
  encode.arguments = {"tokenize", "--json"};
  encode.input = "ROMEO:";
  const BinaryResult ids = RunBinary(encode);
  ASSERT_EQ(ids.exit_code, 0) << ids.err;
  const auto json = nlohmann::json::parse(ids.out);
  BinaryRun decode;
  decode.arguments = {"tokenize", "--decode"};
  for (const int id : json.at("token_ids")) decode.input += std::to_string(id) + "\n";
  const BinaryResult text = RunBinary(decode);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, "ROMEO:");
}

TEST(CliTest, SynthWritesAModelThatRuns) {
  const std::string path = testing::TempDir() + "/plumbline-cli-synth.gguf";
  const BinaryResult written = RunPlumbline(
      {"synth", "synthetic:llama-160m,width=64,heads=4,kv_heads=2,layers=1,ffn=64,vocab=300", "-o",
       path});
  ASSERT_EQ(written.exit_code, 0) << written.err;
  const BinaryResult run = RunPlumbline({"generate", "-m", path, "-p", "abc", "-n", "3"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  std::filesystem::remove(path);
}

TEST(CliTest, InspectFitsATerminalAndParses) {
  for (const std::string model : {"", "synthetic:13b", "synthetic:gpt2-small,context=1024"}) {
    std::vector<std::string> use = {"inspect"};
    if (!model.empty()) use.push_back(model);
    const BinaryResult text = RunPlumbline(use);
    ASSERT_EQ(text.exit_code, 0) << text.err;
    std::istringstream lines(text.out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
    }
    use.emplace_back("--json");
    const BinaryResult result = RunPlumbline(use);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out);
    int64_t parameters = 0;
    for (const auto& of : json.at("weights")) parameters += of.at("parameters").get<int64_t>();
    EXPECT_EQ(parameters, json.at("parameters").get<int64_t>());
    const auto& shape = json.at("shape");
    const int64_t elements = 2 * shape.at("layers").get<int64_t>() *
                             shape.at("kv_heads").get<int64_t>() *
                             shape.at("head_dim").get<int64_t>();
    EXPECT_EQ(json.at("cache_token_bytes").at("f32").get<int64_t>(), 4 * elements);
    EXPECT_EQ(json.at("cache_token_bytes").at("bf16").get<int64_t>(), 2 * elements);
    EXPECT_LE(json.at("largest_context_tokens"), shape.at("context"));
  }
}

// The binary in an installed tree takes the toy model that was installed with it.
TEST(CliTest, InstalledTreeHasItsOwnToy) {
  namespace fs = std::filesystem;
  const fs::path prefix = fs::path(testing::TempDir()) / "plumbline-cli-install";
  fs::create_directories(prefix / "bin");
  fs::create_directories(prefix / "share" / "plumbline");
  BinaryRun run;
  run.binary = (prefix / "bin" / "plumbline").string();
  run.arguments = {"inspect", "--json"};
  const auto overwrite = fs::copy_options::overwrite_existing;
  fs::copy_file(PLUMBLINE_BINARY, run.binary, overwrite);
  const fs::path toy = prefix / "share" / "plumbline" / "toy-shakespeare.gguf";
  fs::copy_file(std::string(PLUMBLINE_SOURCE_DIR) + "/tools/toy/toy-shakespeare.gguf", toy,
                overwrite);
  const BinaryResult result = RunBinary(run);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(
      fs::equivalent(nlohmann::json::parse(result.out).at("model").get<std::string>(), toy));
  fs::remove_all(prefix);
}

}  // namespace
}  // namespace plumbline::cli_test
