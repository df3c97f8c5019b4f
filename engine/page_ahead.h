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

inline constexpr int64_t kPageBytes = 4096;  // the smallest pages there are
inline constexpr int64_t kPagesAhead = 3;

// Whether a step of so many bytes is the one with which a page begins. REQUIRES: step_bytes divides
// kPageBytes.
constexpr bool BeginsPage(uintptr_t address, int64_t step_bytes) {
  return static_cast<int64_t>(address % kPageBytes) < step_bytes;
}

// For a loop that reads on in steps of so many bytes, with each step: once a page, the first line
// of a page further on is fetched. Beyond the end nothing comes of it. REQUIRES: as BeginsPage.
inline void FetchPageAhead(const void* at, int64_t step_bytes) {
  if (!BeginsPage(reinterpret_cast<uintptr_t>(at), step_bytes)) return;
  __builtin_prefetch(static_cast<const char*>(at) + kPagesAhead * kPageBytes);
}

// For code that is not ours and reads on from here: the first line of every page is fetched.
inline void FetchPages(const void* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += kPageBytes) {
    __builtin_prefetch(static_cast<const char*>(from) + at);
  }
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PAGE_AHEAD_H_
