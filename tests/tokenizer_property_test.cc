// Properties over seeded random vocabularies and texts: Decode undoes Encode, and merging by a
// queue gives what merging by search gives.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/symbol_merger.h"
#include "engine/tokenizer.h"
#include "gtest/gtest.h"
#include "tests/support/vocab_fixture.h"

namespace plumbline::tokenizer_property_test {
namespace {

constexpr uint32_t kSeed = 20240607;

using Random = std::mt19937;

size_t Below(size_t bound, Random& random) {
  return std::uniform_int_distribution<size_t>(0, bound - 1)(random);
}

// A mix of what is hard: any bytes, spaces, letters that merge, whole and broken characters.
std::string RandomText(Random& random) {
  static constexpr const char* kParts[] = {"a",   "b", "c",  " ",      "  ",   "\n",   "ab",
                                           "abc", "é", "我", "🦙",   "\xE6", "\xF0", "'s",
                                           "12",  "!", "\t", "\u00A0", ",",    "</s>", "<0x41>"};
  std::string text;
  const size_t num_parts = Below(40, random);
  for (size_t i = 0; i < num_parts; ++i) {
    if (Below(4, random) == 0) {
      text.push_back(static_cast<char>(Below(256, random)));
    } else {
      text += kParts[Below(std::size(kParts), random)];
    }
  }
  return text;
}

void ExpectRoundTrips(const VocabFixture& fixture, int num_texts, Random& random) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = fixture.Load();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (int i = 0; i < num_texts; ++i) {
    const std::string text = RandomText(random);
    const absl::StatusOr<std::vector<int32_t>> ids = (*tokenizer)->Encode(text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    ASSERT_EQ((*tokenizer)->Decode(*ids), text);
    for (const int32_t id : *ids) ASSERT_TRUE(id >= 0 && id < (*tokenizer)->vocab_size());
  }
}

TEST(TokenizerPropertyTest, ByteLevelDecodeUndoesEncode) {
  RecordProperty("seed", std::to_string(kSeed));
  Random random(kSeed);
  for (const char* pre : {"default", "gpt-2", "llama-bpe", "qwen2", "starcoder"}) {
    SCOPED_TRACE(absl::StrCat(pre, ", seed ", kSeed));
    VocabFixture fixture = ByteLevelFixture();
    fixture.pre = pre;
    // The pair of U+00E6 and U+012A is the first two bytes of a CJK character.
    for (const auto& [left, right] : {std::pair("a", "b"),
                                      {"ab", "c"},
                                      {"\u0120", "ab"},
                                      {"\u0120", "\u0120"},
                                      {"\u00E6", "\u012A"},
                                      {"1", "2"}}) {
      fixture.AddMerge(left, right);
    }
    ExpectRoundTrips(fixture, 2000, random);
  }
}

TEST(TokenizerPropertyTest, SentencePieceDecodeUndoesEncode) {
  Random random(kSeed);
  for (const bool adds_space : {true, false}) {
    SCOPED_TRACE(absl::StrCat("add_space_prefix ", adds_space, ", seed ", kSeed));
    VocabFixture fixture = SentencePieceFixture();
    fixture.switches["add_space_prefix"] = adds_space;
    fixture.Add("ab", TokenKind::kNormal, -1.0F);
    fixture.Add("\u2581a", TokenKind::kNormal, -2.0F);
    fixture.Add("\u2581\u2581", TokenKind::kNormal, -1.5F);
    fixture.Add("我", TokenKind::kNormal, -4.0F);
    ExpectRoundTrips(fixture, 5000, random);
  }
}

// Rule tables over the ids 0 to kNumIds - 1: the cost and the result of each pair, or none.
constexpr size_t kNumIds = 6;
using Rules = std::vector<std::optional<SymbolMerge>>;  // [kNumIds * kNumIds]

Rules RandomRules(Random& random) {
  Rules rules(kNumIds * kNumIds);
  for (auto& rule : rules) {
    if (Below(3, random) == 0) continue;
    rule = SymbolMerge{static_cast<double>(Below(5, random)),
                       static_cast<int32_t>(Below(kNumIds, random))};
  }
  return rules;
}

std::optional<SymbolMerge> Find(const Rules& rules, const TextSymbol& left,
                                const TextSymbol& right) {
  return rules[static_cast<size_t>(left.id) * kNumIds + static_cast<size_t>(right.id)];
}

// The definition: again and again the cheapest pair, the leftmost of equals.
void MergeBySearch(const Rules& rules, std::vector<TextSymbol>& symbols) {
  while (true) {
    std::optional<SymbolMerge> best;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const std::optional<SymbolMerge> merge = Find(rules, symbols[i], symbols[i + 1]);
      if (!merge || (best && merge->cost >= best->cost)) continue;
      best = merge;
      best_at = i;
    }
    if (!best) return;
    symbols[best_at].num_bytes += symbols[best_at + 1].num_bytes;
    symbols[best_at].id = best->id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

TEST(TokenizerPropertyTest, MergingByQueueIsMergingBySearch) {
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  Random random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    const Rules rules = RandomRules(random);
    std::vector<TextSymbol> symbols(Below(30, random));
    for (uint32_t i = 0; i < symbols.size(); ++i) {
      symbols[i] = {i, 1, static_cast<int32_t>(Below(kNumIds, random))};
    }
    std::vector<TextSymbol> expected = symbols;
    MergeBySearch(rules, expected);
    MergeSymbols([&](const TextSymbol& a, const TextSymbol& b) { return Find(rules, a, b); },
                 symbols);
    ASSERT_EQ(symbols.size(), expected.size());
    for (size_t i = 0; i < symbols.size(); ++i) {
      ASSERT_EQ(symbols[i].begin, expected[i].begin);
      ASSERT_EQ(symbols[i].num_bytes, expected[i].num_bytes);
      ASSERT_EQ(symbols[i].id, expected[i].id);
    }
  }
}

}  // namespace
}  // namespace plumbline::tokenizer_property_test
