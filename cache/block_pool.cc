#include "cache/block_pool.h"

#include <cassert>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace plumbline {

BlockPool::BlockPool(int num_blocks, ReleaseObserver on_release)
    : refs_(static_cast<size_t>(num_blocks), 0), on_release_(std::move(on_release)) {
  free_.reserve(refs_.size());
  // Low ids on top of the stack: a lone sequence gets blocks that follow one another in memory.
  for (BlockId block = num_blocks - 1; block >= 0; --block) free_.push_back(block);
}

absl::Status BlockPool::Allocate(int count, std::vector<BlockId>* out) {
  if (count > num_free()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cache blocks: ", count, " needed, ", num_free(), " of ", num_blocks(),
                     " free; wait for requests to finish or give the cache more memory"));
  }
  for (int i = 0; i < count; ++i) {
    const BlockId block = free_.back();
    free_.pop_back();
    refs_[block] = 1;
    out->push_back(block);
  }
  return absl::OkStatus();
}

void BlockPool::Ref(BlockId block) {
  assert(refs_[block] > 0);
  ++refs_[block];
}

void BlockPool::Unref(absl::Span<const BlockId> blocks) {
  // From the last to the first, so that the stack hands them out again in their old order.
  for (size_t i = blocks.size(); i-- > 0;) {
    const BlockId block = blocks[i];
    assert(refs_[block] > 0);
    if (--refs_[block] > 0) continue;
    if (on_release_) on_release_(block);
    free_.push_back(block);
  }
}

absl::Status BlockPool::CheckInvariants() const {
  std::vector<bool> listed(refs_.size(), false);
  for (const BlockId block : free_) {
    if (block < 0 || block >= num_blocks()) {
      return absl::InternalError(
          absl::StrCat("block pool: free block ", block, " of ", num_blocks(), " does not exist"));
    }
    if (refs_[block] != 0) {
      return absl::InternalError(
          absl::StrCat("block pool: free block ", block, " has ", refs_[block], " references"));
    }
    if (listed[block]) {
      return absl::InternalError(absl::StrCat("block pool: block ", block, " is free twice"));
    }
    listed[block] = true;
  }
  for (BlockId block = 0; block < num_blocks(); ++block) {
    if (refs_[block] < 0 || (refs_[block] == 0 && !listed[block])) {
      return absl::InternalError(absl::StrCat("block pool: block ", block, " with ", refs_[block],
                                              " references is neither free nor used"));
    }
  }
  return absl::OkStatus();
}

absl::Status BlockPool::CheckInvariants(absl::Span<const BlockId> owned) const {
  if (absl::Status status = CheckInvariants(); !status.ok()) return status;
  std::vector<int32_t> held(refs_.size(), 0);
  for (const BlockId block : owned) {
    if (block < 0 || block >= num_blocks()) {
      return absl::InternalError(absl::StrCat("block pool: somebody owns block ", block,
                                              ", which is not one of ", num_blocks()));
    }
    ++held[block];
  }
  for (BlockId block = 0; block < num_blocks(); ++block) {
    if (held[block] != refs_[block]) {
      return absl::InternalError(absl::StrCat("block pool: block ", block, " has ", refs_[block],
                                              " references, but its owners hold ", held[block]));
    }
  }
  return absl::OkStatus();
}

}  // namespace plumbline
