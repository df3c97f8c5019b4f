// What this machine can do at the moment: the matmul rate and the memory rate. Machines are shared
// and their speed drifts, so everything that is held against them measures them in its own run.
#ifndef PLUMBLINE_ENGINE_LIMIT_PROBE_H_
#define PLUMBLINE_ENGINE_LIMIT_PROBE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/machine_profile.h"
#include "engine/matmul.h"
#include "engine/untouched_array.h"

namespace plumbline {

// One matrix of constants, multiplied over and over. One thread at a time.
class MatmulProbe {
 public:
  // Errors of PackedMatrix::Create. REQUIRES: outputs, inputs, most_rows > 0.
  static absl::StatusOr<std::unique_ptr<MatmulProbe>> Create(
      int threads, WeightDtype dtype, int64_t outputs, int64_t inputs, int64_t most_rows,
      MatmulPath path = MatmulPath::kFastest);
  // Seconds of one product with `rows` rows. REQUIRES: rows <= most_rows.
  double Seconds(int64_t rows);
  // FLOP/s (two for each multiply-accumulate) of one product with most_rows rows.
  double Rate();
  // As PackedMatrix has it.
  bool has_own_threads() const { return matrix_->has_own_threads(); }

 private:
  MatmulProbe() = default;

  std::unique_ptr<MatmulContext> context_;
  std::unique_ptr<PackedMatrix> matrix_;
  std::vector<std::byte> x_;
  std::vector<float> y_;
  int64_t most_rows_ = 0;
};

// Plain, or as the engine reads weights (page_ahead.h).
enum class ReadWay { kPlain, kPagesAhead };

// A read of a buffer by all threads. One thread at a time.
class ReadProbe {
 public:
  // ResourceExhausted for memory. REQUIRES: threads, bytes > 0.
  static absl::StatusOr<std::unique_ptr<ReadProbe>> Create(int threads, int64_t bytes,
                                                           ReadWay way = ReadWay::kPagesAhead);
  // Bytes per second of one pass over the first `bytes` by the first `threads` threads.
  // REQUIRES: no more than at construction.
  double Rate(int threads, int64_t bytes);
  // The whole buffer by all threads.
  double Rate() { return Rate(threads_, bytes_); }

 private:
  ReadProbe() = default;

  int threads_ = 0;
  int64_t bytes_ = 0;
  ReadWay way_ = ReadWay::kPagesAhead;
  UntouchedArray<uint64_t> data_;  // in large pages, as weights are
  std::vector<uint64_t> sums_;     // one cache line for each thread
};

// What a pair of anchors is measured with. The defaults are the anchors of a profile, to which
// predictions are scaled: the best of two, because what a neighbour took away is not what the
// machine can do.
struct AnchorSizes {
  WeightDtype dtype = WeightDtype::kF32;
  int64_t rows = 512;  // of the matmul: [rows, inputs] x [inputs, outputs]
  int64_t outputs = 1024;
  int64_t inputs = 2048;
  int64_t read_bytes = int64_t{256} << 20;
  int best_of = 2;
  MatmulPath path = MatmulPath::kFastest;
  ReadWay way = ReadWay::kPagesAhead;
};

// The limits that `plumbline bench` holds everything against: one 512 x 4096 x 4096
// matmul of the weights' dtype (of q4: int8, in which it multiplies), and one read of 512 MiB by
// all threads.
inline AnchorSizes BenchLimits(WeightDtype dtype) {
  const bool q4 = dtype == WeightDtype::kQ4;
  return {q4 ? WeightDtype::kInt8 : dtype, 512, 4096, 4096, int64_t{512} << 20, 1};
}

// The same with the matmul library's own product, which is the slower one where the engine has
// tiles of its own, and with a plain read: what bench/ holds everything against, so that its rows
// mean the same on every machine.
inline AnchorSizes LibraryLimits(WeightDtype dtype) {
  AnchorSizes sizes = BenchLimits(dtype);
  sizes.path = MatmulPath::kLibrary;
  sizes.way = ReadWay::kPlain;
  return sizes;
}

// Keeps its buffers (about 280 MiB for the anchors of a profile, 600 for the limits of a
// benchmark), so that repeated anchors cost some 30 to 150 milliseconds each. One thread at a time.
class AnchorProbe {
 public:
  // ResourceExhausted for memory; errors of PackedMatrix::Create.
  static absl::StatusOr<std::unique_ptr<AnchorProbe>> Create(int threads,
                                                             const AnchorSizes& sizes = {});
  // The best of a few matmuls and of a few reads, as the sizes say.
  Anchors Measure();
  // Of the two the second alone, bytes per second.
  double MeasureRead();

 private:
  AnchorProbe() = default;

  int best_of_ = 1;
  std::unique_ptr<MatmulProbe> matmul_;
  std::unique_ptr<ReadProbe> read_;
};

// One pair of anchors. Errors of AnchorProbe::Create.
absl::StatusOr<Anchors> MeasureAnchors(int threads);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_LIMIT_PROBE_H_
