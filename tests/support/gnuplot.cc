#include "tests/support/gnuplot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tools/child_process.h"

namespace plumbline {

bool HasGnuplot() {
  ChildRun run;
  run.program = "gnuplot";
  run.arguments = {"--version"};
  const absl::StatusOr<ChildResult> result = RunChild(run);
  return result.ok() && result->exit_code == 0;
}

FakeProgram::FakeProgram(absl::string_view lines)
    : path_(testing::TempDir() + "/plumbline-fake-" + std::string(6, 'X')) {
  const int file = mkstemp(path_.data());
  const std::string text = absl::StrCat("#!/bin/sh\n", lines);
  const bool written =
      file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) close(file);
  if (!written || chmod(path_.c_str(), 0700) != 0) ADD_FAILURE() << "no place for " << path_;
}

FakeProgram::~FakeProgram() { unlink(path_.c_str()); }

}  // namespace plumbline
