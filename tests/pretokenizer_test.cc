// The patterns' pieces, worked out by hand from the patterns.
#include "engine/pretokenizer.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::pretokenizer_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Pieces(absl::string_view name, absl::string_view text) {
  const absl::StatusOr<Pretokenizer> pretokenizer = Pretokenizer::Make(name, "test");
  EXPECT_TRUE(pretokenizer.ok()) << pretokenizer.status();
  const absl::StatusOr<std::vector<absl::string_view>> pieces = pretokenizer->Split(text);
  EXPECT_TRUE(pieces.ok()) << pieces.status();
  return {pieces->begin(), pieces->end()};
}

TEST(PretokenizerTest, Gpt2) {
  EXPECT_THAT(Pieces("gpt-2", ""), ElementsAre());
  EXPECT_THAT(Pieces("gpt-2", "I've don't we'll"),
              ElementsAre("I", "'ve", " don", "'t", " we", "'ll"));
  EXPECT_THAT(Pieces("gpt-2", "I'VE 'LL"), ElementsAre("I", "'", "VE", " '", "LL"));
  EXPECT_THAT(Pieces("gpt-2", "a 1234b5"), ElementsAre("a", " 1234", "b", "5"));
  EXPECT_THAT(Pieces("gpt-2", "a   b  "), ElementsAre("a", "  ", " b", "  "));
  EXPECT_THAT(Pieces("gpt-2", "a\n\nb"), ElementsAre("a", "\n", "\n", "b"));
  EXPECT_THAT(Pieces("gpt-2", "\t x"), ElementsAre("\t", " x"));
  EXPECT_THAT(Pieces("gpt-2", "a_b!=c"), ElementsAre("a", "_", "b", "!=", "c"));
}

TEST(PretokenizerTest, Gpt2Unicode) {
  EXPECT_THAT(Pieces("gpt-2", "Grüße Ъг ៣"), ElementsAre("Grüße", " Ъг", " ៣"));
  EXPECT_THAT(Pieces("gpt-2", "我想123在"), ElementsAre("我想", "123", "在"));
  EXPECT_THAT(Pieces("gpt-2", "hi 🦙!? ok"), ElementsAre("hi", " 🦙!?", " ok"));
  EXPECT_THAT(Pieces("gpt-2", "e\u0301a"), ElementsAre("e", "\u0301", "a"));
  EXPECT_THAT(Pieces("gpt-2", "a\u00A0b\u3000"), ElementsAre("a", "\u00A0", "b", "\u3000"));
  // U+180E was a space until Unicode 6.3.
  EXPECT_THAT(Pieces("gpt-2", "a \u180Eb"), ElementsAre("a", " \u180E", "b"));
  EXPECT_THAT(Pieces("gpt-2", "a\u0085b"), ElementsAre("a", "\u0085", "b"));
}

TEST(PretokenizerTest, Llama3) {
  for (const char* name : {"llama-bpe", "llama3", "llama-v3"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(Pieces(name, "I'VE it's 'Sure"),
                ElementsAre("I", "'VE", " it", "'s", " '", "Sure"));
    EXPECT_THAT(Pieces(name, "'Sure"), ElementsAre("'S", "ure"));
    EXPECT_THAT(Pieces(name, "12345 1234"), ElementsAre("123", "45", " ", "123", "4"));
    EXPECT_THAT(Pieces(name, "a.b !hi"), ElementsAre("a", ".b", " !", "hi"));
    EXPECT_THAT(Pieces(name, "x!!\n\ny"), ElementsAre("x", "!!\n\n", "y"));
    EXPECT_THAT(Pieces(name, "a \n  b"), ElementsAre("a", " \n", " ", " b"));
    EXPECT_THAT(Pieces(name, "a\r\n\r\nb\t"), ElementsAre("a", "\r\n\r\n", "b", "\t"));
    EXPECT_THAT(Pieces(name, "你好 世界🚀"), ElementsAre("你好", " 世界", "🚀"));
    EXPECT_THAT(Pieces(name, "\n=\n"), ElementsAre("\n", "=\n"));
  }
}

TEST(PretokenizerTest, Qwen2TakesDigitsOneByOne) {
  EXPECT_THAT(Pieces("qwen2", "a123 4"), ElementsAre("a", "1", "2", "3", " ", "4"));
  EXPECT_THAT(Pieces("qwen2", "He'LL go!\n  1"),
              ElementsAre("He", "'LL", " go", "!\n", " ", " ", "1"));
}

TEST(PretokenizerTest, StarcoderTakesDigitsOutFirst) {
  EXPECT_THAT(Pieces("starcoder", "a 12  b"), ElementsAre("a", " ", "1", "2", " ", " b"));
  EXPECT_THAT(Pieces("starcoder", "it's x1"), ElementsAre("it", "'s", " x", "1"));
}

TEST(PretokenizerTest, DefaultTakesPunctuationOutFirst) {
  EXPECT_THAT(Pieces("default", "Hello, world 12345!"),
              ElementsAre("Hello", ",", " world", " ", "123", "45", "!"));
  EXPECT_THAT(Pieces("default", "don't a+=b"), ElementsAre("don", "'", "t", " a", "+=", "b"));
  EXPECT_THAT(Pieces("default", "我，想  x"), ElementsAre("我", "，", "想", " ", " x"));
}

TEST(PretokenizerTest, KeepsInvalidBytes) {
  for (const char* name : {"default", "gpt-2", "llama-bpe", "qwen2", "starcoder"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(Pieces(name,
                       "a\xFF"
                       "b"),
                ElementsAre("a", "\xFF", "b"));
    EXPECT_THAT(Pieces(name, "\xE4\xBD"), ElementsAre("\xE4", "\xBD"));              // cut off
    EXPECT_THAT(Pieces(name, "\xED\xA0\x80"), ElementsAre("\xED", "\xA0", "\x80"));  // surrogate
    EXPECT_THAT(Pieces(name, "\xC0\x80"), ElementsAre("\xC0", "\x80"));              // overlong
    EXPECT_THAT(Pieces(name, "\xF4\x90\x80\x80"),  // over U+10FFFF
                ElementsAre("\xF4", "\x90", "\x80", "\x80"));
    EXPECT_THAT(Pieces(name, {"1\0002", 3}), ElementsAre("1", std::string(1, '\0'), "2"));
  }
}

TEST(PretokenizerTest, UnknownNameListsTheKnownOnes) {
  const absl::StatusOr<Pretokenizer> pretokenizer = Pretokenizer::Make("no-such", "file.gguf");
  ASSERT_EQ(pretokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(pretokenizer.status().message());
  for (const char* part : {"file.gguf", "tokenizer.ggml.pre", "no-such", "default", "gpt-2",
                           "llama-bpe", "llama3", "llama-v3", "qwen2", "starcoder"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST(PretokenizerTest, OutOfStepsIsAStatus) {
  const absl::StatusOr<Pretokenizer> pretokenizer =
      Pretokenizer::Make("llama-bpe", "test", /*steps_per_byte=*/0);
  ASSERT_TRUE(pretokenizer.ok()) << pretokenizer.status();
  EXPECT_EQ(pretokenizer->Split("some words").status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(PretokenizerTest, LongRunsAreWithinTheDefaultSteps) {
  constexpr size_t kRunBytes = size_t{1} << 22;
  for (const char* name : {"default", "gpt-2", "llama-bpe", "qwen2", "starcoder"}) {
    for (const char fill : {' ', '\n', 'a', '7', '!', '\''}) {
      SCOPED_TRACE(std::string(name) + " " + fill);
      const std::string text = std::string(kRunBytes, fill) + " x";
      const std::vector<std::string> pieces = Pieces(name, text);
      std::string joined;
      for (const std::string& piece : pieces) joined += piece;
      EXPECT_TRUE(joined == text);
      EXPECT_GE(pieces.size(), 2U);
    }
  }
}

}  // namespace
}  // namespace plumbline::pretokenizer_test
