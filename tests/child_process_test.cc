#include "tools/child_process.h"

#include <csignal>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/gnuplot.h"

namespace plumbline::child_process_test {
namespace {

using testing::HasSubstr;

ChildRun Shell(const std::string& command) {
  ChildRun run;
  run.program = "sh";
  run.arguments = {"-c", command};
  return run;
}

TEST(ChildProcessTest, PassesInputAndTakesBothOutputs) {
  ChildRun run = Shell("cat; echo complaint >&2; exit 3");
  run.input = "line 1\nline 2\n";
  const absl::StatusOr<ChildResult> result = RunChild(run);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "line 1\nline 2\n");
  EXPECT_EQ(result->err, "complaint\n");
  EXPECT_EQ(result->exit_code, 3);
}

TEST(ChildProcessTest, TextLongerThanAnyPipeGoesBothWays) {
  ChildRun run;
  run.program = "cat";
  run.input.assign(size_t{3} << 20, 'x');
  const absl::StatusOr<ChildResult> result = RunChild(run);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, run.input);
}

TEST(ChildProcessTest, ArgumentsAreNotReadByAShell) {
  ChildRun run;
  run.program = "echo";
  run.arguments = {"$HOME", "`date`", "a  b", "*"};
  const absl::StatusOr<ChildResult> result = RunChild(run);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "$HOME `date` a  b *\n");
}

TEST(ChildProcessTest, SurvivesAProgramThatDoesNotRead) {
  ChildRun run = Shell("exec <&-; echo done");
  run.input.assign(size_t{3} << 20, 'x');
  const absl::StatusOr<ChildResult> result = RunChild(run);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->out, "done\n");
}

TEST(ChildProcessTest, TellsTheSignalThatEndedIt) {
  const absl::StatusOr<ChildResult> result = RunChild(Shell("kill -TERM $$"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 128 + SIGTERM);
}

TEST(ChildProcessTest, MissingAndForbiddenProgramsAreErrors) {
  ChildRun run;
  run.program = "plumbline-has-no-such-program";
  EXPECT_EQ(RunChild(run).status().code(), absl::StatusCode::kNotFound);
  run.program = testing::TempDir();
  EXPECT_EQ(RunChild(run).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(ChildProcessTest, StopsWhatRunsTooLong) {
  // Closing both outputs must not hide that it still runs.
  for (const char* command : {"sleep 600", "exec >&- 2>&-; sleep 600", "trap '' TERM; sleep 600"}) {
    ChildRun run = Shell(command);
    run.time_limit = absl::Milliseconds(150);
    const absl::StatusOr<ChildResult> result = RunChild(run);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << command;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("150ms"));
  }
}

TEST(ChildProcessTest, WhatItStartedEndsWithIt) {
  const FakeProgram pid_file("");
  ChildRun run = Shell(absl::StrCat("sleep 600 & echo $! > ", pid_file.path(), "; wait"));
  run.time_limit = absl::Milliseconds(300);
  EXPECT_EQ(RunChild(run).status().code(), absl::StatusCode::kDeadlineExceeded);
  // Gone, or a zombie that its new parent has yet to collect.
  const absl::StatusOr<ChildResult> gone = RunChild(Shell(
      absl::StrCat("pid=$(cat ", pid_file.path(), "); test -n \"$pid\" || exit 2; ",
                   "for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $pid 2>/dev/null || exit 0; ",
                   "grep -q '^State:.Z' /proc/$pid/status && exit 0; sleep 0.1; done; exit 1")));
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_EQ(gone->exit_code, 0);
}

TEST(ChildProcessTest, StopsWhatWritesTooMuch) {
  ChildRun run = Shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
  run.max_output_bytes = 1000;
  EXPECT_EQ(RunChild(run).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace plumbline::child_process_test
