#include "cache/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace plumbline {

void AskForHugePages(void* data, size_t size) {
  constexpr auto kPageBytes = static_cast<uintptr_t>(kHugePageBytes);
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + kPageBytes - 1) / kPageBytes * kPageBytes;
  const uintptr_t last = (begin + size) / kPageBytes * kPageBytes;
  if (first >= last) return;
  madvise(static_cast<std::byte*>(data) + (first - begin), last - first, MADV_HUGEPAGE);
}

}  // namespace plumbline
