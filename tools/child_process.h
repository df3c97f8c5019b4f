// Runs another program, with text in and text out, for a limited time.
#ifndef PLUMBLINE_TOOLS_CHILD_PROCESS_H_
#define PLUMBLINE_TOOLS_CHILD_PROCESS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace plumbline {

struct ChildRun {
  std::string program;  // looked up on PATH unless it holds a slash; no shell is involved
  std::vector<std::string> arguments;  // without the program's own name
  std::string input;                   // its standard input, then the end of file
  absl::Duration time_limit = absl::Seconds(30);
  size_t max_output_bytes = size_t{256} << 20;  // of standard output and of standard error
};

struct ChildResult {
  int exit_code = -1;  // 128 + signal for a program that a signal ended
  std::string out;
  std::string err;
};

// Returns once the program ended and both its outputs are at their end. The program runs in a
// process group of its own, so that whatever it started ends with it: the group is killed when the
// time is over (DeadlineExceeded) or an output grows too long (ResourceExhausted). NotFound: no
// such program. PermissionDenied: it may not be run. Unknown: what the system says. A program that
// closes its input early is no error, and never raises SIGPIPE here. Thread-safe.
absl::StatusOr<ChildResult> RunChild(const ChildRun& run);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHILD_PROCESS_H_
