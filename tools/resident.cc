#include "tools/resident.h"

#include <algorithm>
#include <cstddef>

#include "engine/parallel.h"
#include "tools/progress.h"

namespace plumbline {

void MakeResident(Model& model, KvStore& store) {
  model.TouchScratch();
  Progress progress("touching the cache", std::max(1, store.num_blocks()));
  ParallelFor(model.options().threads, store.num_blocks(), [&](int64_t block) {
    store.Fill(static_cast<BlockId>(block), std::byte{0});
    progress.Add(1);
  });
}

}  // namespace plumbline
