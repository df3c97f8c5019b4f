// A bad GGUF file and what the parser must say of it.
#ifndef PLUMBLINE_TESTS_SUPPORT_BAD_GGUF_H_
#define PLUMBLINE_TESTS_SUPPORT_BAD_GGUF_H_

#include <functional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"

namespace plumbline {

struct BadFile {
  std::string name;
  std::function<std::string()> bytes;
  std::string expected;  // part of the message
};
void PrintTo(const BadFile& bad, std::ostream* out);

inline std::string BadFileName(const ::testing::TestParamInfo<BadFile>& info) {
  return info.param.name;
}

// Parses the file and expects InvalidArgument, one sentence, with `expected` in it.
void ExpectRefused(const BadFile& bad);

// Whether the message is "FILE: FIELD needs X but has Y; FIX", on one line.
::testing::AssertionResult IsOneSentence(const absl::Status& status, const std::string& file);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_BAD_GGUF_H_
