#include "tools/resident.h"

#include <algorithm>
#include <cstring>

#include "engine/parallel.h"
#include "tools/progress.h"

namespace plumbline {

void MakeResident(Model& model, KvStore& store) {
  model.TouchScratch();
  Progress progress("touching the cache", std::max(1, store.num_blocks()));
  const KvGeometry& geometry = store.geometry();
  ParallelFor(model.options().threads, store.num_blocks(), [&](int64_t block) {
    for (size_t group = 0; group < geometry.groups.size(); ++group) {
      for (int layer = 0; layer < geometry.groups[group].layers; ++layer) {
        const absl::Span<std::byte> bytes =
            store.LayerBlock(static_cast<int>(group), layer, static_cast<BlockId>(block));
        std::memset(bytes.data(), 0, bytes.size());
      }
    }
    progress.Add(1);
  });
}

}  // namespace plumbline
