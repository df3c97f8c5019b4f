// Whose block is whose: ids, reference counts and the free list of a paged cache (PagedAttention,
// Kwon et al. 2023, section 4). Knows no bytes.
//
// Not thread-safe: the one thread that owns the scheduler owns the pool.
#ifndef PLUMBLINE_CACHE_BLOCK_POOL_H_
#define PLUMBLINE_CACHE_BLOCK_POOL_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace plumbline {

using BlockId = int32_t;

class BlockPool {
 public:
  // Called with each block whose last reference is dropped, before it can be allocated again
  // (tests poison the block's memory here). May be empty.
  using ReleaseObserver = std::function<void(BlockId)>;

  // REQUIRES: num_blocks >= 0.
  explicit BlockPool(int num_blocks, ReleaseObserver on_release = nullptr);
  // Every block must have come back; CheckInvariants() on an unused pool says so in tests.
  ~BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Appends `count` blocks, each with one reference, to `*out`; all or nothing.
  // ResourceExhausted (needed and free blocks named) leaves pool and `*out` as they were.
  // Allocates no memory where `*out` has room. REQUIRES: count >= 0.
  absl::Status Allocate(int count, std::vector<BlockId>* out);

  // Adds one reference. REQUIRES: the block is in use.
  void Ref(BlockId block);
  // Drops one reference of each block; blocks without any become free.
  // REQUIRES: each is in use.
  void Unref(absl::Span<const BlockId> blocks);

  int num_blocks() const { return static_cast<int>(refs_.size()); }
  int num_free() const { return static_cast<int>(free_.size()); }
  int num_used() const { return num_blocks() - num_free(); }
  int RefCount(BlockId block) const { return refs_[block]; }

  // Internal error if free + used != total, a free block is referenced or listed twice, or (where
  // `owned` is given: every reference held by anyone, repeated as often as it is held) if the
  // counts differ from what the owners say.
  absl::Status CheckInvariants() const;
  absl::Status CheckInvariants(absl::Span<const BlockId> owned) const;

 private:
  std::vector<int32_t> refs_;  // [num_blocks]; 0: free
  std::vector<BlockId> free_;  // a stack: the block freed last is warm and is used first
  ReleaseObserver on_release_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_BLOCK_POOL_H_
