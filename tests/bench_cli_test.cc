// `plumbline bench` as users meet it.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tests/support/tensor_sources.h"
#include "tools/table.h"

namespace plumbline::bench_cli_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(BenchCliTest, BadUsageIsTwo) {
  const std::vector<std::vector<std::string>> uses = {
      {"bench", "-p", "512,x"}, {"bench", "-pg", "512"},        {"bench", "-b", "0"},
      {"bench", "-r", "0"},     {"bench", "--weights", "f31"},  {"bench", "-o", "sql"},
      {"bench", "-t", "1,"},    {"bench", "--json", "-o", "md"}};
  for (const std::vector<std::string>& use : uses) {
    const BinaryResult result = RunPlumbline(use);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(use) << result.err;
    EXPECT_THAT(result.err, Not(IsEmpty()));
  }
}

TEST(BenchCliTest, HelpTeachesWithinTheTerminal) {
  const BinaryResult result = RunPlumbline({"bench", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("Examples"));
  for (const absl::string_view line : absl::StrSplit(result.out, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
}

// The whole way, with lists and the real limits; ended by Ctrl-C.
TEST(BenchCliTest, AnInterruptPrintsWhatThereIs) {
  BinaryRun run;
  run.arguments = {"bench", "-m",  kTinyLlama, "-p",          "4",         "-n",  "0",
                   "-pg",   "2,2", "-t",       "1",           "--weights", "f32", "-r",
                   "10000", "-o",  "json",     "--log-level", "debug"};
  run.interrupt_after = "benchmarking pp4";
  const BinaryResult result = RunBinary(run);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << result.out;
  EXPECT_EQ(json.at("interrupted"), true);
  EXPECT_LE(json.at("results").size(), 1u);
}

}  // namespace
}  // namespace plumbline::bench_cli_test
