#include "cache/block_table.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"

namespace plumbline {

int64_t BlockTable::BlocksToGrow(int64_t tokens) const {
  return std::max<int64_t>(0, BlocksFor(tokens) - static_cast<int64_t>(blocks_.size()));
}

absl::Status BlockTable::Grow(int64_t tokens, BlockPool& pool) {
  const int64_t more = BlocksToGrow(tokens);
  if (more > std::numeric_limits<int>::max()) {
    return absl::ResourceExhaustedError(absl::StrCat("cache blocks: ", more, " needed, ",
                                                     pool.num_free(), " of ", pool.num_blocks(),
                                                     " free; ask for fewer tokens"));
  }
  return pool.Allocate(static_cast<int>(more), &blocks_);
}

void BlockTable::Truncate(int64_t tokens, BlockPool& pool) {
  const int64_t keep = BlocksFor(tokens);
  if (keep >= static_cast<int64_t>(blocks_.size())) return;
  pool.Unref(absl::MakeConstSpan(blocks_).subspan(static_cast<size_t>(keep)));
  blocks_.resize(static_cast<size_t>(keep));
}

}  // namespace plumbline
