// Merges neighbouring symbols, best pair first, in O(n log n) for n symbols: the core of every kind
// of byte-pair encoding.
#ifndef PLUMBLINE_ENGINE_SYMBOL_MERGER_H_
#define PLUMBLINE_ENGINE_SYMBOL_MERGER_H_

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "engine/vocabulary.h"

namespace plumbline {

// A stretch of the text. MergeSymbols keeps the stretches in order and without gaps.
struct TextSymbol {
  uint32_t begin = 0;      // bytes from the start of the text
  uint32_t num_bytes = 0;  // 0: taken up by its left neighbour
  int32_t id = kNoToken;   // the token of this stretch, kNoToken where there is none
};

// What two neighbours become.
struct SymbolMerge {
  double cost = 0.0;  // lower goes first; equal costs go from left to right
  int32_t id = kNoToken;
};

// Merges in place until no two neighbours can merge, then removes the symbols taken up.
// `find(left, right)` gives std::optional<SymbolMerge> for two neighbours.
// REQUIRES: fewer than 2^32 - 1 symbols, in order and without gaps, none of 0 bytes.
template <typename FindMerge>
void MergeSymbols(const FindMerge& find, std::vector<TextSymbol>& symbols) {
  struct Links {
    uint32_t previous;
    uint32_t next;
  };
  struct Candidate {
    SymbolMerge merge;
    uint32_t left;
    uint32_t right;
    uint32_t num_bytes;  // of both when it was found: another length means it is out of date
    bool operator<(const Candidate& other) const {
      return merge.cost != other.merge.cost ? merge.cost > other.merge.cost : left > other.left;
    }
  };
  const auto num_symbols = static_cast<uint32_t>(symbols.size());
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<Links> links(num_symbols);
  std::vector<Candidate> storage;
  storage.reserve(num_symbols);
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(storage));

  const auto consider = [&](uint32_t left, uint32_t right) {
    if (left == kNone || right == kNone) return;
    const std::optional<SymbolMerge> merge = find(symbols[left], symbols[right]);
    if (!merge) return;
    queue.push({*merge, left, right, symbols[left].num_bytes + symbols[right].num_bytes});
  };
  for (uint32_t i = 0; i < num_symbols; ++i) {
    links[i] = {i == 0 ? kNone : i - 1, i + 1 == num_symbols ? kNone : i + 1};
    if (i > 0) consider(i - 1, i);
  }
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    TextSymbol& left = symbols[best.left];
    TextSymbol& right = symbols[best.right];
    if (left.num_bytes == 0 || right.num_bytes == 0 ||
        left.num_bytes + right.num_bytes != best.num_bytes) {
      continue;
    }
    left.num_bytes += right.num_bytes;
    left.id = best.merge.id;
    right.num_bytes = 0;
    const uint32_t next = links[best.right].next;
    links[best.left].next = next;
    if (next != kNone) links[next].previous = best.left;
    consider(links[best.left].previous, best.left);
    consider(best.left, next);
  }
  std::erase_if(symbols, [](const TextSymbol& symbol) { return symbol.num_bytes == 0; });
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_SYMBOL_MERGER_H_
