// On how many threads a forward pass runs.
#ifndef PLUMBLINE_ENGINE_PASS_THREADS_H_
#define PLUMBLINE_ENGINE_PASS_THREADS_H_

#include <cstdint>

namespace plumbline {

// A layer has five loops. Where one of them has fewer than 64 K multiply-accumulates on average, to
// share it and to bring its results together takes as long as all of it (bench/README.md).
inline constexpr int64_t kLeastSharedMacs = 5 * (int64_t{64} << 10);

// `layer_macs`: what a layer of the pass multiplies and accumulates, attention included.
constexpr int PassThreads(int64_t layer_macs, int threads, int64_t least = kLeastSharedMacs) {
  return layer_macs < least ? 1 : threads;
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PASS_THREADS_H_
