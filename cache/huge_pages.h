// Memory in larger pages.
#ifndef PLUMBLINE_CACHE_HUGE_PAGES_H_
#define PLUMBLINE_CACHE_HUGE_PAGES_H_

#include <cstddef>
#include <cstdint>

namespace plumbline {

inline constexpr int64_t kHugePageBytes = int64_t{2} << 20;

// Transparent huge pages (2 MiB) save most of the address translation of a long read, and most of
// the faults of a first write. Asks for them where they lie within these bytes as a whole: what is
// never written then takes no more room than before, but for what shares a page with what is. A
// hint: the bytes are as right without them, so that a kernel that does not know the advice is no
// error. `data` may be null if `size` is 0. Safe from any thread.
void AskForHugePages(void* data, size_t size);

}  // namespace plumbline

#endif  // PLUMBLINE_CACHE_HUGE_PAGES_H_
