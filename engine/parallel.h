// Loops over the engine's threads (OpenMP: the same pool that the matmuls use, so that the two
// never compete), which wait for each other in their end. With one thread everything runs inline.
#ifndef PLUMBLINE_ENGINE_PARALLEL_H_
#define PLUMBLINE_ENGINE_PARALLEL_H_

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "engine/crew.h"

namespace plumbline {

// As many of the wanted threads as OpenMP gives this process (OMP_THREAD_LIMIT). oneDNN must never
// ask for more: it cuts its work by what it asked for, and would leave the rest undone.
inline int UsableThreads(int wanted) { return std::min(wanted, omp_get_thread_limit()); }

// Calls fn(thread) for threads from 0 to used - 1, each on its own if there are as many: those of
// the crew that the calling thread leads, or else of a region of their own.
template <class Fn>
void OnThreads(int used, const Fn& fn) {
  if (Crew* const crew = Crew::Current(); crew != nullptr) {
    const int step = crew->threads();
    return crew->Share([&](int thread) {
      for (; thread < used; thread += step) fn(thread);
    });
  }
#pragma omp parallel for num_threads(used) schedule(static)
  for (int thread = 0; thread < used; ++thread) fn(thread);
}

// Calls fn(begin, end, thread) on each thread, for its run of neighbours among [0, n); thread <
// threads.
template <class Fn>
void ParallelRuns(int threads, int64_t n, const Fn& fn) {
  const auto used = static_cast<int>(std::min<int64_t>(threads, n));
  if (used <= 0) return;
  if (used == 1) return fn(int64_t{0}, n, int64_t{0});
  OnThreads(used, [&](int thread) {
    fn(n * thread / used, n * (thread + 1) / used, static_cast<int64_t>(thread));
  });
}

// Calls fn(i) for i in [0, n), each thread on one run of neighbours.
template <class Fn>
void ParallelFor(int threads, int64_t n, const Fn& fn) {
  ParallelRuns(threads, n, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i) fn(i);
  });
}

// Calls fn(i, thread) for i in [0, n), the next free thread taking the next i; thread < threads.
template <class Fn>
void ParallelTasks(int threads, int64_t n, const Fn& fn) {
  const auto used = static_cast<int>(std::min<int64_t>(threads, n));
  if (used <= 1) {
    for (int64_t i = 0; i < n; ++i) fn(i, 0);
    return;
  }
  std::atomic<int64_t> next = 0;
  OnThreads(used, [&](int thread) {
    const auto take = [&] { return next.fetch_add(1, std::memory_order_relaxed); };
    for (int64_t i = take(); i < n; i = take()) fn(i, thread);
  });
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PARALLEL_H_
