// Vocabularies that cannot be used, and what a file leaves to defaults.
#include "engine/vocabulary.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/vocab_fixture.h"

namespace plumbline::vocabulary_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct BadVocabulary {
  std::string name;
  bool sentence_piece;
  std::function<void(VocabFixture&)> spoil;
  std::string message;  // a part of it
};

class BadVocabularyTest : public ::testing::TestWithParam<BadVocabulary> {};

TEST_P(BadVocabularyTest, IsOneSentenceOfInvalidArgument) {
  VocabFixture fixture = GetParam().sentence_piece ? SentencePieceFixture() : ByteLevelFixture();
  ASSERT_TRUE(fixture.Load().ok()) << fixture.Load().status();
  GetParam().spoil(fixture);
  const absl::Status status = fixture.Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("fixture.gguf"));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

const BadVocabulary kBadVocabularies[] = {
    {"NoModel", false, [](VocabFixture& f) { f.model.reset(); }, "tokenizer.ggml.model"},
    {"UnknownModel", false, [](VocabFixture& f) { f.model = "bert\n"; }, "'bert\\n'"},
    {"UnknownPre", false, [](VocabFixture& f) { f.pre = "klingon"; }, "starcoder"},
    {"NoTokens", false, [](VocabFixture& f) { f.tokens.reset(); }, "tokenizer.ggml.tokens"},
    {"EmptyTokens", true, [](VocabFixture& f) { f.tokens->clear(); }, "tokenizer.ggml.tokens"},
    {"NoScores", true, [](VocabFixture& f) { f.scores.reset(); }, "tokenizer.ggml.scores"},
    {"FewScores", true, [](VocabFixture& f) { f.scores->pop_back(); }, "263 entries"},
    {"ManyScores", true, [](VocabFixture& f) { f.scores->push_back(0.0F); }, "has 264"},
    {"NanScore", true, [](VocabFixture& f) { f.scores->back() = std::nanf(""); }, "scores"},
    {"InfiniteScore", true,
     [](VocabFixture& f) { f.scores->back() = -std::numeric_limits<float>::infinity(); }, "scores"},
    {"FewKinds", false, [](VocabFixture& f) { f.kinds->pop_back(); }, "tokenizer.ggml.token_type"},
    {"UnknownKind", false, [](VocabFixture& f) { f.kinds->at(7) = 9; }, "token_type[7]"},
    {"NegativeKind", false, [](VocabFixture& f) { f.kinds->at(7) = -1; }, "token_type[7]"},
    {"BadByteName", true, [](VocabFixture& f) { f.tokens->at(3) = "<0x+1>"; }, "tokens[3]"},
    {"BosOutside", false, [](VocabFixture& f) { f.numbers["bos_token_id"] = 257; }, "0 to 256"},
    {"EosOutside", true, [](VocabFixture& f) { f.numbers["eos_token_id"] = 1000000; },
     "eos_token_id"},
    {"EotOutside", true, [](VocabFixture& f) { f.numbers["eot_token_id"] = 4294967294; },
     "eot_token_id"},
    {"UnknownOutside", true, [](VocabFixture& f) { f.numbers["unknown_token_id"] = 263; },
     "unknown_token_id"},
    {"BosWantedButNone", false,
     [](VocabFixture& f) {
       f.numbers.erase("bos_token_id");
       f.switches["add_bos_token"] = true;
     },
     "bos_token_id"},
    {"NoMerges", false, [](VocabFixture& f) { f.merges.reset(); }, "tokenizer.ggml.merges"},
    {"MergeOfOne", false, [](VocabFixture& f) { f.merges->push_back("ab"); }, "merges[0]"},
    {"MergeWithNothing", false, [](VocabFixture& f) { f.merges->push_back("a "); }, "merges[0]"},
    {"EmptyMerge", false, [](VocabFixture& f) { f.merges->push_back(""); }, "merges[0]"},
    {"MergeToUnknown", false, [](VocabFixture& f) { f.merges->push_back("a b"); }, "'a b'"},
    {"MergeOfUnknown", false, [](VocabFixture& f) { f.merges->push_back("xyz b"); }, "'xyz b'"},
    {"MergeToControl", false,
     [](VocabFixture& f) {
       f.Add("ab", TokenKind::kControl);
       f.merges->push_back("a b");
     },
     "'a b'"},
    {"LongSpecial", false,
     [](VocabFixture& f) { f.Add(std::string(1025, 'x'), TokenKind::kUserDefined); },
     "tokens[257]"},
    {"WrongType", false,
     [](VocabFixture& f) {
       f.numbers["model"] = 1;
       f.model.reset();
     },
     "tokenizer.ggml.model"},
};

INSTANTIATE_TEST_SUITE_P(All, BadVocabularyTest, ::testing::ValuesIn(kBadVocabularies),
                         [](const auto& param) { return param.param.name; });

std::vector<int32_t> Encode(const VocabFixture& fixture, absl::string_view text) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = fixture.Load();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  const absl::StatusOr<std::vector<int32_t>> ids = (*tokenizer)->Encode(text, {});
  EXPECT_TRUE(ids.ok()) << ids.status();
  return *ids;
}

TEST(VocabularyTest, BosByDefault) {
  VocabFixture gpt2 = ByteLevelFixture();
  EXPECT_THAT(Encode(gpt2, "a"), ElementsAre('a'));
  gpt2.switches["add_bos_token"] = true;
  EXPECT_THAT(Encode(gpt2, "a"), ElementsAre(256, 'a'));

  VocabFixture llama3 = ByteLevelFixture();
  llama3.pre = "llama-bpe";
  EXPECT_THAT(Encode(llama3, "a"), ElementsAre(256, 'a'));
  llama3.switches["add_bos_token"] = false;
  EXPECT_THAT(Encode(llama3, "a"), ElementsAre('a'));
  VocabFixture nameless = ByteLevelFixture();
  nameless.pre = "llama-bpe";
  nameless.numbers.clear();
  EXPECT_THAT(Encode(nameless, "a"), ElementsAre('a'));

  VocabFixture spm = SentencePieceFixture();
  EXPECT_THAT(Encode(spm, ""), ElementsAre(1));
  spm.numbers["bos_token_id"] = 2;
  EXPECT_THAT(Encode(spm, ""), ElementsAre(2));
  spm.switches["add_bos_token"] = false;
  EXPECT_THAT(Encode(spm, ""), ElementsAre());
}

TEST(VocabularyTest, BosOptionHoldsItBack) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> spm = SentencePieceFixture().Load();
  ASSERT_TRUE(spm.ok()) << spm.status();
  const absl::StatusOr<std::vector<int32_t>> ids = (*spm)->Encode("", {.add_bos = false});
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_THAT(*ids, ElementsAre());
}

TEST(VocabularyTest, AllBitsSetMeansNoToken) {
  VocabFixture fixture = SentencePieceFixture();
  fixture.numbers["bos_token_id"] = 4294967295;
  EXPECT_THAT(Encode(fixture, ""), ElementsAre());
}

TEST(VocabularyTest, MissingPreIsTheDefaultPattern) {
  VocabFixture fixture = ByteLevelFixture();
  fixture.pre.reset();
  const int32_t merged = fixture.AddMerge("'", "t");
  EXPECT_THAT(Encode(fixture, "'t"), ElementsAre('\'', 't'));  // "default" cuts here
  fixture.pre = "gpt-2";
  EXPECT_THAT(Encode(fixture, "'t"), ElementsAre(merged));
}

TEST(VocabularyTest, EndTokensByKeyAndByName) {
  VocabFixture fixture = ByteLevelFixture();
  const int32_t named = fixture.Add("<|im_end|>", TokenKind::kControl);
  const int32_t eot = fixture.Add("<eot>", TokenKind::kControl);
  const int32_t plain = fixture.Add("<|eot_id|>", TokenKind::kNormal);
  const int32_t other = fixture.Add("<|im_start|>", TokenKind::kControl);
  fixture.numbers["eot_token_id"] = static_cast<uint32_t>(eot);
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = fixture.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->is_end(256));
  EXPECT_TRUE((*tokenizer)->is_end(named));
  EXPECT_TRUE((*tokenizer)->is_end(eot));
  EXPECT_FALSE((*tokenizer)->is_end(plain));
  EXPECT_FALSE((*tokenizer)->is_end(other));
  EXPECT_FALSE((*tokenizer)->is_end('a'));
  EXPECT_TRUE((*tokenizer)->is_control(other));
  EXPECT_FALSE((*tokenizer)->is_control(plain));
}

TEST(VocabularyTest, KindsAreGuessedWhereThereAreNone) {
  VocabFixture fixture = SentencePieceFixture();
  fixture.kinds.reset();
  EXPECT_THAT(Encode(fixture, "a!"), ElementsAre(1, 259, 260, 3 + '!'));
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = fixture.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_TRUE((*tokenizer)->is_control(1));
  EXPECT_TRUE((*tokenizer)->is_control(2));
  EXPECT_EQ((*tokenizer)->TokenBytes(3 + '!'), "!");
}

}  // namespace
}  // namespace plumbline::vocabulary_test
