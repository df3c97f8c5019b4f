// Loops over the engine's threads (OpenMP: the same pool that the matmuls use, so that the two
// never compete). With one thread everything runs inline.
#ifndef PLUMBLINE_ENGINE_PARALLEL_H_
#define PLUMBLINE_ENGINE_PARALLEL_H_

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace plumbline {

// As many of the wanted threads as OpenMP gives this process (OMP_THREAD_LIMIT). oneDNN must never
// ask for more: it cuts its work by what it asked for, and would leave the rest undone.
inline int UsableThreads(int wanted) { return std::min(wanted, omp_get_thread_limit()); }

// Calls fn(i) for i in [0, n), each thread on one run of neighbours.
template <class Fn>
void ParallelFor(int threads, int64_t n, const Fn& fn) {
  const auto used = static_cast<int>(std::min<int64_t>(threads, n));
  if (used <= 1) {
    for (int64_t i = 0; i < n; ++i) fn(i);
    return;
  }
#pragma omp parallel for num_threads(used) schedule(static)
  for (int64_t i = 0; i < n; ++i) fn(i);
}

// Calls fn(begin, end, thread) on each thread, for its run of neighbours among [0, n); thread <
// threads.
template <class Fn>
void ParallelRuns(int threads, int64_t n, const Fn& fn) {
  const int64_t used = std::min<int64_t>(threads, n);
  ParallelFor(threads, used,
              [&](int64_t thread) { fn(n * thread / used, n * (thread + 1) / used, thread); });
}

// Calls fn(i, thread) for i in [0, n), the next free thread taking the next i; thread < threads.
template <class Fn>
void ParallelTasks(int threads, int64_t n, const Fn& fn) {
  const auto used = static_cast<int>(std::min<int64_t>(threads, n));
  if (used <= 1) {
    for (int64_t i = 0; i < n; ++i) fn(i, 0);
    return;
  }
#pragma omp parallel for num_threads(used) schedule(dynamic, 1)
  for (int64_t i = 0; i < n; ++i) fn(i, omp_get_thread_num());
}

// Calls first(i) for i in [0, n) as ParallelFor does and, once all have returned, then(i, thread)
// for i in [0, m) as ParallelTasks does, on the threads that ran the first: all in one region,
// since to begin one costs more than to wait for each other inside.
template <class First, class Then>
void ParallelInTurn(int threads, int64_t n, const First& first, int64_t m, const Then& then) {
  const auto used = static_cast<int>(std::min<int64_t>(threads, n));
  if (used <= 1) {
    for (int64_t i = 0; i < n; ++i) first(i);
    for (int64_t i = 0; i < m; ++i) then(i, 0);
    return;
  }
#pragma omp parallel num_threads(used)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < n; ++i) first(i);
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < m; ++i) then(i, omp_get_thread_num());
  }
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PARALLEL_H_
