#include "tools/tokenize.h"

#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "engine/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/vocab_fixture.h"

namespace plumbline::tokenize_test {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::string> Tokenize(const Tokenizer& tokenizer, const TokenizeOptions& options,
                                     const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out;
  const absl::Status status = RunTokenize(tokenizer, options, in, out);
  if (!status.ok()) return status;
  return out.str();
}

TEST(TokenizeTest, IdsOnALine) {
  const auto tokenizer = MakeByteTokenizer(256);
  EXPECT_EQ(*Tokenize(*tokenizer, {}, std::string("a\0\xFF\r\n", 5)), "97 0 255 13 10\n");
  EXPECT_EQ(*Tokenize(*tokenizer, {}, ""), "\n");
}

TEST(TokenizeTest, Json) {
  const auto tokenizer = MakeByteTokenizer(256);
  EXPECT_EQ(*Tokenize(*tokenizer, {.model = "", .json = true}, "ab"),
            "{\"token_ids\": [97, 98]}\n");
  EXPECT_EQ(*Tokenize(*tokenizer, {.model = "", .json = true}, ""), "{\"token_ids\": []}\n");
}

TEST(TokenizeTest, BosAndSpecial) {
  const auto tokenizer = SentencePieceFixture().Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(*Tokenize(**tokenizer, {}, "a"), "1 259 260\n");
  EXPECT_EQ(*Tokenize(**tokenizer, {.model = "", .add_bos = false}, "a"), "259 260\n");
  EXPECT_EQ(*Tokenize(**tokenizer, {.model = "", .add_bos = false, .parse_special = true}, "</s>"),
            "2\n");
}

TEST(TokenizeTest, DecodeWritesExactBytes) {
  const auto tokenizer = MakeByteTokenizer(256);
  EXPECT_EQ(*Tokenize(*tokenizer, {.model = "", .decode = true}, " 97\n0\t255\r\n10 "),
            std::string("a\0\xFF\n", 4));
  EXPECT_EQ(*Tokenize(*tokenizer, {.model = "", .decode = true}, ""), "");
  const auto spm = SentencePieceFixture().Load();
  ASSERT_TRUE(spm.ok()) << spm.status();
  EXPECT_EQ(*Tokenize(**spm, {.model = "", .decode = true}, "1 259 260 259"), "a ");
}

TEST(TokenizeTest, BadIdsAreNamedWithTheirPlace) {
  const auto tokenizer = MakeByteTokenizer(256);
  for (const char* word : {"x", "-1", "256", "1.5", "99999999999999999999", "0x10"}) {
    SCOPED_TRACE(word);
    const absl::Status status =
        Tokenize(*tokenizer, {.model = "", .decode = true}, std::string("97 98 ") + word + " 99")
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string("\"") + word + "\""));
    EXPECT_THAT(std::string(status.message()), HasSubstr("word 3"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("0 to 255"));
  }
}

TEST(TokenizeTest, JsonWithDecodeIsRefused) {
  EXPECT_EQ(Tokenize(*MakeByteTokenizer(256), {.model = "", .json = true, .decode = true}, "1")
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TokenizeTest, FailedReadsAndWritesAreErrors) {
  const auto tokenizer = MakeByteTokenizer(256);
  std::istringstream in("a");
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  EXPECT_EQ(RunTokenize(*tokenizer, {}, in, out).code(), absl::StatusCode::kDataLoss);
  std::istringstream broken("a");
  broken.setstate(std::ios::badbit);
  std::ostringstream good;
  EXPECT_EQ(RunTokenize(*tokenizer, {}, broken, good).code(), absl::StatusCode::kDataLoss);
}

TEST(TokenizeTest, LoadsTheModelFile) {
  const std::string path = ::testing::TempDir() + "plumbline_tokenize_test.gguf";
  ASSERT_TRUE(SentencePieceFixture().Writer().Write(path).ok());
  std::istringstream in("ab");
  std::ostringstream out;
  const absl::Status status = RunTokenize({.model = path}, in, out);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(out.str(), "1 259 260 261\n");
  std::filesystem::remove(path);
  EXPECT_EQ(RunTokenize({.model = path}, in, out).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace plumbline::tokenize_test
