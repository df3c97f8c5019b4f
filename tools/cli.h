// The command line of `plumbline`.
#ifndef PLUMBLINE_TOOLS_CLI_H_
#define PLUMBLINE_TOOLS_CLI_H_

#include <istream>
#include <ostream>

namespace plumbline {

enum ExitCode : int { kExitOk = 0, kExitError = 1, kExitUsage = 2, kExitInterrupted = 130 };

// The streams of a program.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
};

// Runs the command that the arguments name and returns the exit code. Results go to `out`; errors
// to `err`, as one sentence; diagnostics to standard error, as --log-level says. Throws nothing.
int RunCli(int argc, const char* const* argv, const Streams& streams);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CLI_H_
