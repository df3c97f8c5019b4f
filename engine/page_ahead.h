// How memory that lies in one piece is read as fast as it comes.
//
// A CPU's own prefetching ends with each page of 4 KiB, whatever pages the program asked for, and
// goes on when the next one's address is known; a guest of a virtual machine looks that up in two
// tables for every 4 KiB where its host has no larger pages. Asked for some pages early, it is
// known by then. Measured in bench/README.md ("Pages ahead").
#ifndef PLUMBLINE_ENGINE_PAGE_AHEAD_H_
#define PLUMBLINE_ENGINE_PAGE_AHEAD_H_

#include <cstdint>

namespace plumbline {

inline constexpr uintptr_t kPageBytes = 4096;  // the smallest pages there are
inline constexpr uintptr_t kPagesAhead = 3;

// For a loop that reads on in steps of so many bytes, with each step: once a page, the first line
// of a page further on is fetched. Beyond the end nothing comes of it.
inline void FetchPageAhead(const void* at, uintptr_t step_bytes) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  if (address % kPageBytes >= step_bytes) return;
  __builtin_prefetch(static_cast<const char*>(at) + kPagesAhead * kPageBytes);
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PAGE_AHEAD_H_
