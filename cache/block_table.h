// The blocks of one sequence, in order of position.
#ifndef PLUMBLINE_CACHE_BLOCK_TABLE_H_
#define PLUMBLINE_CACHE_BLOCK_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cache/block_pool.h"

namespace plumbline {

// Position p lies in blocks()[p / block_tokens], slot p % block_tokens. The table holds one
// reference of each of its blocks, and gives them back only by Truncate or Clear: the pool is
// passed in, so that a table stays plain data. Not thread-safe.
class BlockTable {
 public:
  // REQUIRES: block_tokens >= 1.
  explicit BlockTable(int block_tokens) : block_tokens_(block_tokens) {}

  // Makes room for the ids of `tokens` tokens, so that Grow up to there allocates no memory.
  // Takes no blocks.
  void Reserve(int64_t tokens) { blocks_.reserve(static_cast<size_t>(BlocksFor(tokens))); }
  // Grows to hold `tokens` tokens, all or nothing; ResourceExhausted from the pool otherwise.
  // Never shrinks.
  absl::Status Grow(int64_t tokens, BlockPool& pool);
  // Gives back the blocks not needed for the first `tokens` tokens.
  void Truncate(int64_t tokens, BlockPool& pool);
  void Clear(BlockPool& pool) { Truncate(0, pool); }
  // Appends a block, one reference of which becomes the table's.
  void Append(BlockId block) { blocks_.push_back(block); }
  // Puts `block`, one reference of which becomes the table's, in the place of another, whose
  // reference becomes the caller's. REQUIRES: the table has such a place.
  void Replace(size_t at, BlockId block) { blocks_[at] = block; }

  // Blocks that Grow(tokens) would take from the pool.
  int64_t BlocksToGrow(int64_t tokens) const;
  absl::Span<const BlockId> blocks() const { return blocks_; }
  int block_tokens() const { return block_tokens_; }
  int64_t capacity_tokens() const { return static_cast<int64_t>(blocks_.size()) * block_tokens_; }

 private:
  // Written so that no number of tokens overflows.
  int64_t BlocksFor(int64_t tokens) const {
    return tokens / block_tokens_ + (tokens % block_tokens_ != 0 ? 1 : 0);
  }

  int block_tokens_;
  std::vector<BlockId> blocks_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_BLOCK_TABLE_H_
