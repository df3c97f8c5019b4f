// Copies the contents of blocks, for whoever decides that two sequences part, or that one makes
// room for others.
#ifndef PLUMBLINE_CACHE_BLOCK_MOVER_H_
#define PLUMBLINE_CACHE_BLOCK_MOVER_H_

#include <cstdint>

#include "cache/block_pool.h"
#include "cache/kv_store.h"

namespace plumbline {

// Used by one thread, that of the scheduler, and never while a step runs.
class BlockMover {
 public:
  virtual ~BlockMover() = default;
  // `to` gets what `from` holds.
  virtual void Copy(BlockId from, BlockId to) = 0;
  // Blocks of the host memory that is set aside: 0 to host_blocks() - 1. 0: there is none.
  virtual int host_blocks() const = 0;
  // REQUIRES: 0 <= host_block < host_blocks().
  // Both return the bytes that they moved.
  virtual int64_t SwapOut(BlockId from, BlockId host_block) = 0;
  virtual int64_t SwapIn(BlockId host_block, BlockId to) = 0;
};

// Moves blocks of one store, and between it and another of the same geometry. Neither is owned.
class KvBlockMover final : public BlockMover {
 public:
  // `host` may be null. REQUIRES: it has the geometry of `store`.
  explicit KvBlockMover(KvStore& store, KvStore* host = nullptr) : store_(store), host_(host) {}
  void Copy(BlockId from, BlockId to) override { store_.CopyBlock(store_, from, to); }
  int host_blocks() const override { return host_ == nullptr ? 0 : host_->num_blocks(); }
  int64_t SwapOut(BlockId from, BlockId host_block) override {
    return host_->CopyBlock(store_, from, host_block);
  }
  int64_t SwapIn(BlockId host_block, BlockId to) override {
    return store_.CopyBlock(*host_, host_block, to);
  }

 private:
  KvStore& store_;
  KvStore* host_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_BLOCK_MOVER_H_
