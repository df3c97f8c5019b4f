// Memory of a model's packed matrices.
#ifndef PLUMBLINE_ENGINE_WEIGHT_MEMORY_H_
#define PLUMBLINE_ENGINE_WEIGHT_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "engine/untouched_array.h"

namespace plumbline {

// Hands out pieces of one stretch, one behind the other: matrices of a few MiB, each by itself,
// would lie in large pages by half, and those stream faster. What is reserved and not taken takes
// no room, but for less than one large page. One thread at a time.
class WeightMemory {
 public:
  // A stretch for so many bytes, from which Take takes until it ends. None where there is no memory
  // for it. REQUIRES: nothing was taken; bytes >= 0.
  void Reserve(int64_t bytes);

  // From a cache line on, not written yet; of its own where nothing is left of the stretch. The
  // stretch must outlive it. Throws std::bad_alloc. REQUIRES: bytes >= 0.
  UntouchedArray<std::byte> Take(int64_t bytes);

 private:
  UntouchedArray<std::byte> stretch_;
  int64_t next_ = 0;  // of the stretch's bytes
  int64_t end_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHT_MEMORY_H_
