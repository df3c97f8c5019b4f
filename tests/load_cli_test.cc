// The command line of `plumbline load`.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/run_binary.h"
#include "tools/table.h"

namespace plumbline::load_cli_test {
namespace {

using testing::HasSubstr;

TEST(LoadCli, HelpTeachesAndBadUsageIsTwo) {
  const BinaryResult help = RunPlumbline({"load", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("Examples:"));
  EXPECT_THAT(help.out, HasSubstr("--find-max-rate"));
  const std::string examples = help.out.substr(help.out.find("Examples:"));
  for (const absl::string_view line : absl::StrSplit(examples, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  for (const std::vector<std::string>& use :
       std::vector<std::vector<std::string>>{{"load", "--requests", "0"},
                                             {"load", "--requests", "9999999999"},
                                             {"load", "--duration", "0"},
                                             {"load", "--duration", "nan"},
                                             {"load", "--repetitions", "0"},
                                             {"load", "--think", "-1"},
                                             {"load", "--replicas", "2"},
                                             {"load", "--route", "random", "--simulate"},
                                             {"load", "--route", "least-loaded"},
                                             {"load", "--salt", "3", "--no-salt"},
                                             {"load", "--salt", "-3"},
                                             {"load", "--warm-up", "soon"},
                                             {"load", "--warm-up", "nan"},
                                             {"load", "--find-max-rate"},
                                             {"load", "--cache-mib", "4", "--cache-blocks", "4"},
                                             {"load", "--step-times", "x"},
                                             {"load", "--itl-target", "0"},
                                             {"load", "--itl-target", "1", "--no-predict"},
                                             {"load", "--order", "last-come"},
                                             {"load", "--priority-levels", "101"},
                                             {"load", "--swap-blocks", "4"},
                                             {"load", "--simulate", "--preempt", "swap"},
                                             {"load", "--from", "run.json", "--requests", "3"},
                                             {"load", "--from", "run.json", "-m", "x"},
                                             {"load", "--from", "run.json", "--simulate"},
                                             {"load", "--from", ""},
                                             {"load", "--output", ""},
                                             {"load", "--arrivals", ""}}) {
    const BinaryResult result = RunPlumbline(use);
    EXPECT_EQ(result.exit_code, 2) << testing::PrintToString(use);
    EXPECT_EQ(result.out, "") << testing::PrintToString(use);
  }
  const BinaryResult bad = RunPlumbline({"load", "--arrivals", "poisson:-1"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("a rate lies from"));
}

TEST(LoadCli, OutputIsAFileOrAFolderByItsName) {
  const std::string folder = testing::TempDir() + "load_cli_output";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::vector<std::string> arguments = {"load",      "--requests",
                                              "2",         "--prompt-tokens",
                                              "4",         "--output-tokens",
                                              "2",         "--no-predict",
                                              "--warm-up", "0",
                                              "-o",        folder + "/alone.json"};
  BinaryResult result = RunPlumbline(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::is_regular_file(folder + "/alone.json"));
  EXPECT_FALSE(std::filesystem::exists(folder + "/run-steps.csv"));
  result = RunPlumbline({"load", "--from", folder + "/alone.json", "--output", folder + "/all"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::is_regular_file(folder + "/all/run.json"));
  EXPECT_TRUE(std::filesystem::is_regular_file(folder + "/all/run-steps.csv"));
  std::filesystem::remove_all(folder);
}

TEST(LoadCli, InterruptDrainsAndReports) {
  BinaryRun run;
  run.arguments = {"load", "--arrivals",  "constant:1", "--requests",
                   "1000", "--log-level", "debug",      "--no-predict"};
  run.interrupt_after = "load: sending";
  const BinaryResult result = RunBinary(run);
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.out, HasSubstr("Interrupted: what was in flight drained"));
}

}  // namespace
}  // namespace plumbline::load_cli_test
