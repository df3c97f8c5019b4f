#include "engine/tokenizer.h"

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/byte_level.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/vocab_fixture.h"

namespace plumbline::tokenizer_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Tokenizer> Load(const VocabFixture& fixture) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = fixture.Load();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

std::vector<int32_t> Encode(const Tokenizer& tokenizer, absl::string_view text,
                            bool parse_special = false) {
  const absl::StatusOr<std::vector<int32_t>> ids =
      tokenizer.Encode(text, {.add_bos = false, .parse_special = parse_special});
  EXPECT_TRUE(ids.ok()) << ids.status();
  return *ids;
}

TEST(ByteLevelTest, AlphabetByHand) {
  EXPECT_EQ(ToByteLevel("a b\n~"), "a\u0120b\u010A~");
  EXPECT_EQ(ToByteLevel({"\0", 1}), "\u0100");
  EXPECT_EQ(ToByteLevel("\x7F\xA0\xAD\xFF\xA1"), "\u0121\u0142\u0143\u00FF\u00A1");
}

TEST(ByteLevelTest, RoundTripAndStrangers) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(FromByteLevel(ToByteLevel(all)), all);
  EXPECT_EQ(FromByteLevel("我\xFF\u0144\u0120"), "我\xFF\u0144 ");
}

TEST(BpeTokenizerTest, LowestRankMergesFirst) {
  VocabFixture fixture = ByteLevelFixture();
  const int32_t bc = fixture.AddMerge("b", "c");
  const int32_t ab = fixture.AddMerge("a", "b");
  const int32_t space_ab = fixture.AddMerge("\u0120", "ab");
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre('a', bc));
  EXPECT_THAT(Encode(*tokenizer, "ab ab"), ElementsAre(ab, space_ab));
  EXPECT_THAT(Encode(*tokenizer, "cab"), ElementsAre('c', ab));
  EXPECT_THAT(Encode(*tokenizer, ""), ElementsAre());
}

TEST(BpeTokenizerTest, WholeTokensStayOnlyWhereTheFamilySaysSo) {
  VocabFixture fixture = ByteLevelFixture();
  const int32_t whole = fixture.Add("abc");  // no merge makes it
  EXPECT_THAT(Encode(*Load(fixture), "abc"), ElementsAre('a', 'b', 'c'));
  fixture.pre = "llama-bpe";
  EXPECT_THAT(Encode(*Load(fixture), "abc"), ElementsAre(whole));
}

TEST(BpeTokenizerTest, AMegabyteOfOneWord) {
  VocabFixture fixture = ByteLevelFixture();
  fixture.AddMerge("a", "a");
  const int32_t four = fixture.AddMerge("aa", "aa");
  const auto tokenizer = Load(fixture);
  constexpr size_t kBytes = size_t{1} << 20;
  EXPECT_TRUE(Encode(*tokenizer, std::string(kBytes, 'a')) ==
              std::vector<int32_t>(kBytes / 4, four));
}

TEST(BpeTokenizerTest, MissingByteIsNamed) {
  VocabFixture fixture = ByteLevelFixture();
  fixture.tokens->at('b') = "";
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "a"), ElementsAre('a'));
  const absl::Status status = tokenizer->Encode("ab", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0x62"));
}

TEST(BpeTokenizerTest, InvalidBytesAreKept) {
  const auto tokenizer = Load(ByteLevelFixture());
  EXPECT_THAT(Encode(*tokenizer, "a\xFF\xE4\xBD"), ElementsAre('a', 0xFF, 0xE4, 0xBD));
}

TEST(SpecialTokensTest, ControlOnlyWhenAsked) {
  const auto tokenizer = Load(ByteLevelFixture());
  EXPECT_EQ(Encode(*tokenizer, "<|endoftext|>").size(), 13U);
  EXPECT_THAT(Encode(*tokenizer, "a<|endoftext|>b", true), ElementsAre('a', 256, 'b'));
  EXPECT_EQ(tokenizer->TokenBytes(256), "");
  EXPECT_EQ(tokenizer->Decode({'a', 256, 'b'}), "ab");
}

TEST(SpecialTokensTest, UserDefinedAlwaysAndTheLongest) {
  VocabFixture fixture = ByteLevelFixture();
  const int32_t two = fixture.Add("  ", TokenKind::kUserDefined);
  const int32_t four = fixture.Add("    ", TokenKind::kUserDefined);
  const int32_t word = fixture.Add("naïve", TokenKind::kUserDefined);
  const int32_t control = fixture.Add("  <", TokenKind::kControl);
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "       x"), ElementsAre(four, two, ' ', 'x'));
  EXPECT_THAT(Encode(*tokenizer, "xnaïvex"), ElementsAre('x', word, 'x'));
  EXPECT_THAT(Encode(*tokenizer, "  <"), ElementsAre(two, '<'));
  EXPECT_THAT(Encode(*tokenizer, "  <", true), ElementsAre(control));
  EXPECT_EQ(tokenizer->Decode({word, two}), "naïve  ");
}

TEST(SpmTokenizerTest, HighestScoreMergesFirst) {
  VocabFixture fixture = SentencePieceFixture();
  const int32_t ab = fixture.Add("ab", TokenKind::kNormal, -1.0F);
  const int32_t space_a = fixture.Add("\u2581a", TokenKind::kNormal, -2.0F);
  const int32_t bc = fixture.Add("bc", TokenKind::kNormal, -0.5F);
  const int32_t space_ab = fixture.Add("\u2581ab", TokenKind::kNormal, -3.0F);
  const int32_t space = fixture.Id("\u2581");
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "ab"), ElementsAre(space_ab));
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre(space_a, bc));
  EXPECT_THAT(Encode(*tokenizer, "cab"), ElementsAre(space, fixture.Id("c"), ab));
  EXPECT_THAT(Encode(*tokenizer, " ab"), ElementsAre(space, space_ab));
}

TEST(SpmTokenizerTest, SpaceBeforeTheTextAndDecodeTakesItAway) {
  VocabFixture fixture = SentencePieceFixture();
  const int32_t space = fixture.Id("\u2581");
  const int32_t a = fixture.Id("a");
  const auto tokenizer = Load(fixture);
  EXPECT_TRUE(tokenizer->drops_leading_space());
  EXPECT_THAT(Encode(*tokenizer, "a a"), ElementsAre(space, a, space, a));
  EXPECT_EQ(tokenizer->Decode({1, space, a, space, a}), "a a");
  EXPECT_EQ(tokenizer->Decode({a, space}), "a ");
  EXPECT_EQ(tokenizer->TokenBytes(space), " ");
  EXPECT_EQ(tokenizer->Decode({}), "");

  fixture.switches["add_space_prefix"] = false;
  const auto bare = Load(fixture);
  EXPECT_FALSE(bare->drops_leading_space());
  EXPECT_THAT(Encode(*bare, "a"), ElementsAre(a));
  EXPECT_EQ(bare->Decode({space, a}), " a");
}

TEST(SpmTokenizerTest, SpecialTokens) {
  VocabFixture fixture = SentencePieceFixture();
  const int32_t space = fixture.Id("\u2581");
  const int32_t a = fixture.Id("a");
  const int32_t spaces = fixture.Add("  ", TokenKind::kUserDefined);
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "</s>a", true), ElementsAre(2, space, a));
  EXPECT_EQ(Encode(*tokenizer, "</s>a").size(), 6U);
  EXPECT_THAT(Encode(*tokenizer, "  "), ElementsAre(spaces));
  EXPECT_EQ(tokenizer->Decode({spaces}), "  ");  // Encode put no space here
}

TEST(SpmTokenizerTest, TextNeverBecomesControlOrByteTokens) {
  VocabFixture fixture = SentencePieceFixture();
  fixture.Add("aa", TokenKind::kControl, 1.0F);
  const int32_t a = fixture.Id("a");
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "aa"), ElementsAre(fixture.Id("\u2581"), a, a));
}

TEST(SpmTokenizerTest, BytesThenUnknown) {
  VocabFixture fixture = SentencePieceFixture();
  const int32_t space = fixture.Id("\u2581");
  EXPECT_THAT(Encode(*Load(fixture), "é\xFF"), ElementsAre(space, 3 + 0xC3, 3 + 0xA9, 3 + 0xFF));
  fixture.tokens->at(3 + 0xA9) = "gone";
  fixture.kinds->at(3 + 0xA9) = static_cast<int32_t>(TokenKind::kUnused);
  EXPECT_THAT(Encode(*Load(fixture), "éa"), ElementsAre(space, 0, fixture.Id("a")));
  fixture.numbers["unknown_token_id"] = 4294967295;
  const absl::Status status = Load(fixture)->Encode("é", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\\xc3\\xa9"));
}

TEST(SpmTokenizerTest, SpaceWithoutAPieceIsAByte) {
  VocabFixture fixture = SentencePieceFixture();
  fixture.tokens->at(fixture.Id("\u2581")) = "x";
  const auto tokenizer = Load(fixture);
  EXPECT_THAT(Encode(*tokenizer, "a"), ElementsAre(3 + ' ', fixture.Id("a")));
  EXPECT_EQ(tokenizer->Decode(Encode(*tokenizer, " a ")), " a ");
}

TEST(SpmTokenizerTest, AMegabyteWithoutASpace) {
  VocabFixture fixture = SentencePieceFixture();
  fixture.Add("aa", TokenKind::kNormal, -1.0F);
  const int32_t four = fixture.Add("aaaa", TokenKind::kNormal, -2.0F);
  constexpr size_t kBytes = size_t{1} << 20;
  std::vector<int32_t> expected(kBytes / 4, four);
  expected.insert(expected.begin(), fixture.Id("\u2581"));
  EXPECT_TRUE(Encode(*Load(fixture), std::string(kBytes, 'a')) == expected);
}

TEST(ByteTokenizerTest, BytesAreIds) {
  const std::unique_ptr<Tokenizer> tokenizer = MakeByteTokenizer(300);
  EXPECT_THAT(Encode(*tokenizer, {"a\xFF\0", 3}), ElementsAre('a', 0xFF, 0));
  EXPECT_EQ(tokenizer->Decode({'a', 299, 256, 0xFF}), "a\xFF");
  EXPECT_EQ(tokenizer->TokenBytes(255), "\xFF");
  EXPECT_EQ(tokenizer->TokenBytes(256), "");
  EXPECT_EQ(tokenizer->vocab_size(), 300);
  EXPECT_FALSE(tokenizer->is_end(0));
  EXPECT_FALSE(tokenizer->drops_leading_space());
}

}  // namespace
}  // namespace plumbline::tokenizer_test
