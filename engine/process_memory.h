// The memory that this process really holds.
#ifndef PLUMBLINE_ENGINE_PROCESS_MEMORY_H_
#define PLUMBLINE_ENGINE_PROCESS_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace plumbline {

// Resident bytes that no file stands behind: heap, stacks, the cache's mapping, compiled kernels
// ("Anonymous" of /proc/self/smaps_rollup, below `root`). Pages of a mapped model file are not
// among them. Unavailable where the kernel does not tell (before Linux 4.14). Safe from any thread.
absl::StatusOr<int64_t> AnonymousResidentBytes(const std::string& root = "");

// Gives the pages that the allocator keeps but nobody uses back to the system, from the middle of
// the heap too. Safe from any thread; a no-op where the C library has no such call.
void ReleaseFreeMemory();

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PROCESS_MEMORY_H_
