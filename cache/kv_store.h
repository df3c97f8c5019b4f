// The bytes of a paged key/value cache.
#ifndef PLUMBLINE_CACHE_KV_STORE_H_
#define PLUMBLINE_CACHE_KV_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/block_pool.h"
#include "cache/kv_geometry.h"

namespace plumbline {

// One mapping, layer by layer: all blocks of a layer lie together, so that a sequence
// whose blocks follow one another is read as one stream. Fresh memory is zero and takes no room
// until it is touched. Distinct blocks may be written from distinct threads; nothing else is
// synchronised.
class KvStore {
 public:
  // InvalidArgument for a geometry that does not validate or sizes that overflow;
  // ResourceExhausted (bytes needed named) where the mapping fails.
  // REQUIRES: num_blocks >= 0.
  static absl::StatusOr<std::unique_ptr<KvStore>> Create(const KvGeometry& geometry,
                                                         int num_blocks);
  // The same in a nameless file in `directory`, which the disk takes room for here and now, and
  // which is gone when the store is. NotFound where no file can be made there; ResourceExhausted
  // also where the disk has no room.
  static absl::StatusOr<std::unique_ptr<KvStore>> CreateInFile(const KvGeometry& geometry,
                                                               int num_blocks,
                                                               const std::string& directory);
  ~KvStore();
  KvStore(const KvStore&) = delete;
  KvStore& operator=(const KvStore&) = delete;

  // The bytes of `block` in layer `layer` of group `group`:
  // [block_tokens * LayerTokenBytes()], aligned as their size allows (the store itself: 4096).
  // REQUIRES: all three exist. Inline: attention calls it for every block it visits.
  absl::Span<std::byte> LayerBlock(int group, int layer, BlockId block) {
    const GroupLayout& layout = groups_[group];
    return {data_ + Offset(layout, layer, block), static_cast<size_t>(layout.block_bytes)};
  }
  absl::Span<const std::byte> LayerBlock(int group, int layer, BlockId block) const {
    const GroupLayout& layout = groups_[group];
    return {data_ + Offset(layout, layer, block), static_cast<size_t>(layout.block_bytes)};
  }

  // Block `to` gets, in every layer, what block `from` of `source` (this store or another) holds.
  // Returns the bytes copied. REQUIRES: both stores have the same geometry; the blocks exist.
  int64_t CopyBlock(const KvStore& source, BlockId from, BlockId to);
  // Every byte of the block, in every layer, becomes `value`.
  void Fill(BlockId block, std::byte value);
  // Fills the block with bytes that are NaN in each KvDtype (0xFF; of int8 the scales).
  void Poison(BlockId block) { Fill(block, std::byte{0xFF}); }

  const KvGeometry& geometry() const { return geometry_; }
  int num_blocks() const { return num_blocks_; }
  // What was really mapped for blocks (the size of the buffer, not a formula).
  int64_t allocated_bytes() const { return static_cast<int64_t>(size_); }

 private:
  struct GroupLayout {
    int64_t offset;       // bytes from data_ to the group's first layer
    int64_t block_bytes;  // of one block in one layer
  };

  // `file`: a descriptor, -1 for anonymous memory.
  static absl::StatusOr<std::unique_ptr<KvStore>> Map(const KvGeometry& geometry, int num_blocks,
                                                      size_t size, int file);
  KvStore(const KvGeometry& geometry, int num_blocks, std::byte* data, size_t size);

  int64_t Offset(const GroupLayout& layout, int layer, BlockId block) const {
    return layout.offset + (static_cast<int64_t>(layer) * num_blocks_ + block) * layout.block_bytes;
  }

  KvGeometry geometry_;
  int num_blocks_;
  std::byte* data_;  // owned mapping of size_ bytes (null where size_ is 0)
  size_t size_;
  absl::InlinedVector<GroupLayout, 1> groups_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_KV_STORE_H_
