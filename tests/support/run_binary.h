// Runs the real binary, as a user would, and looks at what it leaves.
#ifndef PLUMBLINE_TESTS_SUPPORT_RUN_BINARY_H_
#define PLUMBLINE_TESTS_SUPPORT_RUN_BINARY_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace plumbline {

struct BinaryResult {
  int exit_code = -1;  // 128 + signal for a program that a signal ended
  std::string out;
  std::string err;
};

struct BinaryRun {
  std::vector<std::string> arguments;
  std::string input;            // standard input
  std::string output_path;      // where standard output goes; empty: kept in memory
  std::string interrupt_after;  // SIGINT is sent once standard error holds this text
  std::string binary;           // empty: the one that this build made
};

// Waits for the program to end. Fails the current test where it cannot be run.
BinaryResult RunBinary(const BinaryRun& run);
BinaryResult RunPlumbline(const std::vector<std::string>& arguments);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_RUN_BINARY_H_
