#include "tests/support/bad_gguf.h"

#include "gmock/gmock.h"
#include "tests/support/gguf_bytes.h"

namespace plumbline {

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

void ExpectRefused(const BadFile& bad) {
  const ParsedGguf parsed = ParseGguf(bad.bytes());
  ASSERT_EQ(parsed.file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.file.status().message()), ::testing::HasSubstr(bad.expected));
  EXPECT_TRUE(IsOneSentence(parsed.file.status(), "test.gguf"));
}

::testing::AssertionResult IsOneSentence(const absl::Status& status, const std::string& file) {
  const std::string message(status.message());
  const size_t needs = message.find(" needs ");
  const size_t has = message.find(" but has ");
  const size_t fix = message.rfind("; ");
  if (message.rfind(file + ": ", 0) == 0 && needs != std::string::npos &&
      has != std::string::npos && fix != std::string::npos && needs < has && has < fix &&
      message.find('\n') == std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "not of the form \"" << file << ": FIELD needs X but has Y; FIX\": " << message;
}

}  // namespace plumbline
