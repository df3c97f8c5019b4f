// What this machine was measured to do: the rates behind every prediction in seconds, and the
// anchors that carry them to the minute at hand. Plain data; how it is measured is
// machine_measure.h's affair, how it is stored that of tools/.
//
// Rates are per second. "Hot": what is read comes from the caches nearest to the cores;
// "streamed": it is far larger than every cache.
#ifndef PLUMBLINE_ENGINE_MACHINE_PROFILE_H_
#define PLUMBLINE_ENGINE_MACHINE_PROFILE_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cache/kv_geometry.h"
#include "engine/bf16_unit.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Two figures that take some tens of milliseconds to measure. Machines drift: rates of a profile
// are scaled by the anchors of the run that uses them over the anchors of the profile.
struct Anchors {
  double matmul_flops_per_second = 0;  // a large f32 matmul, all threads (FLOPs = 2 MAC)
  double read_bytes_per_second = 0;    // a read far larger than every cache, all threads

  bool operator==(const Anchors&) const = default;
};

// The median of some repetitions, and how far they lay apart.
struct Rate {
  double per_second = 0;
  double spread = 0;  // (third quartile - first quartile) / median

  bool operator==(const Rate&) const = default;
};

// Sizes of the matrices whose hot rates tell the cost of a product from that of an output element
// and of an input element (which calls copy into a layout of their own): seconds per product =
// a + b / inputs + c / outputs.
struct MatrixSize {
  int64_t outputs;
  int64_t inputs;
};
inline constexpr MatrixSize kNarrowMatrix = {1024, 256};
inline constexpr MatrixSize kSquareMatrix = {768, 768};
inline constexpr MatrixSize kWideMatrix = {256, 2048};

// y = x W^T by all threads, `rows` rows in one call.
struct MatmulRates {
  WeightDtype dtype = WeightDtype::kF32;
  int64_t rows = 0;
  Rate narrow_macs;     // hot, kNarrowMatrix
  Rate square_macs;     // hot, kSquareMatrix
  Rate wide_macs;       // hot, kWideMatrix
  Rate streamed_bytes;  // of weights, each matrix read once

  bool operator==(const MatmulRates&) const = default;
};

// A read (pages asked for ahead), over and over, of `bytes` bytes by `threads` threads.
struct ReadRate {
  int threads = 0;
  int64_t bytes = 0;
  Rate read_bytes;

  bool operator==(const ReadRate&) const = default;
};

// Attention's kernels, per thread while all run, over hot keys and values. `rows` query rows share
// a KV head: 1 to 6 make one micro-tile; kTileRates rows are a whole tile, whose keys and values
// are gathered first where the cache is narrow. They run over segments of `keys` keys: what a
// segment costs however few they are weighs more in a short one, seconds per key = a + b / keys.
inline constexpr int64_t kTileRates = 96;
struct AttentionRates {
  KvDtype dtype = KvDtype::kF32;
  int64_t head_dim = 0;
  int64_t rows = 0;
  int64_t keys = 0;
  Rate score_macs;  // executed ones
  Rate value_macs;
  Rate softmax_pairs;

  bool operator==(const AttentionRates&) const = default;
};

// A cache far larger than every CPU cache, read by one row of attention in segments of `keys` keys,
// all threads together: bytes of keys in the time of scores, of keys in that of the softmax (which
// waits for scores that are still to come), and of values in that of weighted values.
struct StreamRates {
  KvDtype dtype = KvDtype::kF32;
  int64_t keys = 0;
  Rate score_bytes;
  Rate softmax_bytes;
  Rate value_bytes;

  bool operator==(const StreamRates&) const = default;
};

// Elements of keys and values that one thread writes, to slots that are hot, and to slots that lie
// far apart.
struct CacheRates {
  KvDtype dtype = KvDtype::kF32;
  Rate hot_write_elements;
  Rate cold_write_elements;

  bool operator==(const CacheRates&) const = default;
};

// Row-wise parts, elements per second of one thread, hot.
struct RowRates {
  Rate rms_norm;    // with its addition and rounding
  Rate layer_norm;  // the same
  Rate swiglu;      // outputs
  Rate gelu;        // outputs
  Rate rotate;      // elements of queries and keys
  Rate angles;      // sines and cosines, by pair
  Rate widen;       // bf16 to f32: embedding rows
  Rate largest;     // logits of some rows, from which the largest is sought: one thread alone

  bool operator==(const RowRates&) const = default;
};

struct MachineProfile {
  // The machine.
  std::string cpu_model;
  std::vector<std::string> features;
  int threads = 0;
  int64_t unix_seconds = 0;  // when it was measured
  // What multiplied bf16. Rates of matmuls tell of it by themselves, but products in tiles (of
  // int8, too) and attention over bf16 caches are cut differently.
  Bf16Unit bf16_unit = Bf16Unit::kNone;
  // What it does. Tables ascend in rows and bytes.
  Anchors anchors;
  std::vector<MatmulRates> matmuls;
  std::vector<ReadRate> reads;
  std::vector<AttentionRates> attention;
  std::vector<StreamRates> streams;
  std::vector<CacheRates> caches;
  RowRates rows;
  Rate matmul_calls;      // of a matrix too small to take time
  Rate parallel_regions;  // a loop over all threads that does nothing

  bool operator==(const MachineProfile&) const = default;

  // FailedPrecondition where a table is empty or a rate is not positive and finite: nothing can be
  // predicted from such a profile, so the reader of a file calls this first.
  absl::Status Validate() const;
};

// Each figure's median, as Quantile has it.
Anchors MedianAnchors(absl::Span<const Anchors> anchors);

// A rate of a profile, which is not owned, and what bounds it: what computing and what memory would
// take alone for a unit of it (of a rate that only one bounds, 0 and any other number). Together
// they take the root of the sum of their squares: where one is much the larger, that one; where
// they are near each other, more than either, since each waits for the other now and then. Streams
// carried so from a plain read of 34 GB/s to one of 55, and back, were off by 6% on the median and
// by 30% at most; carried by the larger of the two alone, by 6% and 53% (bench/README.md).
struct BoundRate {
  Rate* rate;
  double compute_seconds;
  double memory_seconds;
  double most = std::numeric_limits<double>::infinity();  // of a stream: the read

  // Whether it is memory's, or a stream's.
  bool by_memory() const { return memory_seconds > 0 || std::isfinite(most); }
  // How many times the rate is what it was where computing and memory are so many times as fast.
  double Factor(double compute, double memory) const;
};
// All of them: hot ones and overheads are bound by computing, those of memory by memory, and
// streams by what is done with them or by memory.
std::vector<BoundRate> BoundRates(MachineProfile& profile);

// The same machine at another minute: rates times what the anchors that bound them have become. An
// anchor that is not positive and finite counts as unchanged.
MachineProfile AtAnchors(const MachineProfile& profile, const Anchors& anchors);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MACHINE_PROFILE_H_
