// Full blocks by what they hold, so that sequences with equal beginnings share them (as in vLLM's
// automatic prefix caching, and RadixAttention, Zheng et al. 2024). Knows token ids and blocks, no
// model.
//
// A block's contents depend on its own tokens and on all before them. So an entry is named by its
// chain: the chain of the block before it, and its own tokens, which are compared, not only hashed.
// Chains are numbered and no number comes twice; by induction two equal chains hold equal tokens
// from position 0 on, whatever was evicted in between.
//
// The index holds one reference of each block it knows, so that blocks outlive their sequences.
// Blocks that nobody else holds can be evicted, the least recently released first. Not thread-safe.
#ifndef PLUMBLINE_CACHE_PREFIX_INDEX_H_
#define PLUMBLINE_CACHE_PREFIX_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cache/block_pool.h"
#include "cache/block_table.h"

namespace plumbline {

// A run of full blocks from position 0. 0: the empty one.
using ChainId = int64_t;

class PrefixIndex {
 public:
  // `pool` is not owned and must outlive the index. All memory is taken here.
  // REQUIRES: block_tokens >= 1.
  PrefixIndex(BlockPool& pool, int block_tokens);
  // Gives back what it holds.
  ~PrefixIndex();
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  // Appends to the empty `table` the longest known run of blocks that hold `tokens` from the first
  // on, at most `most_blocks`, with a reference of each. Returns their chain.
  ChainId Acquire(absl::Span<const int32_t> tokens, int64_t most_blocks, BlockTable& table);
  // Makes block number `at` of `table` known: it holds `tokens` ([block_tokens]) behind `parent`.
  // Where such a block is known already, the table's reference moves to that one, and the table's
  // own block is given back. Returns the chain, ended by this block.
  // REQUIRES: the table's blocks before `at` are those of `parent`.
  ChainId Insert(ChainId parent, absl::Span<const int32_t> tokens, BlockTable& table, size_t at);
  // Empties the table. Known blocks that nobody else holds become evictable, later ones sooner.
  void Release(BlockTable& table);
  // Gives the least recently released blocks back to the pool.
  // REQUIRES: count <= num_evictable().
  void Evict(int64_t count);

  int num_blocks() const { return static_cast<int>(known_.size()); }
  // Of them, how many nobody else holds.
  int num_evictable() const { return num_evictable_; }
  // Appends every block that the index holds a reference of.
  void AppendOwned(std::vector<BlockId>* owned) const;
  // Internal error unless the blocks that can be evicted are just those known blocks that nobody
  // else holds, each once.
  absl::Status CheckInvariants() const;

 private:
  struct Entry {
    ChainId parent = 0;
    ChainId chain = 0;  // 0: not known
    size_t hash = 0;
    BlockId older = 0;  // neighbours in the ring of evictable blocks; itself: not in the ring
    BlockId newer = 0;
  };
  struct Contents {
    ChainId parent;
    absl::Span<const int32_t> tokens;
    size_t hash;
  };
  struct HashOf {
    using is_transparent = void;
    size_t operator()(BlockId block) const { return index->entries_[block].hash; }
    size_t operator()(const Contents& contents) const { return contents.hash; }
    const PrefixIndex* index;
  };
  struct Same {
    using is_transparent = void;
    bool operator()(BlockId a, BlockId b) const { return a == b; }
    bool operator()(BlockId block, const Contents& contents) const {
      return index->entries_[block].parent == contents.parent &&
             index->TokensOf(block) == contents.tokens;
    }
    bool operator()(const Contents& contents, BlockId block) const {
      return (*this)(block, contents);
    }
    const PrefixIndex* index;
  };

  static Contents Describe(ChainId parent, absl::Span<const int32_t> tokens);
  absl::Span<const int32_t> TokensOf(BlockId block) const;
  BlockId ring() const { return pool_.num_blocks(); }
  void MakeEvictable(BlockId block);
  void Hold(BlockId block);
  void Unlink(BlockId block);

  BlockPool& pool_;
  const size_t block_tokens_;
  std::vector<Entry> entries_;   // [num_blocks + 1]; the last begins the ring
  std::vector<int32_t> tokens_;  // [num_blocks, block_tokens]; of known blocks
  absl::flat_hash_set<BlockId, HashOf, Same> known_;
  ChainId next_chain_ = 1;
  int num_evictable_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_PREFIX_INDEX_H_
