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

namespace plumbline {

// One matrix of constants, multiplied over and over. One thread at a time.
class MatmulProbe {
 public:
  // Errors of PackedMatrix::Create. REQUIRES: outputs, inputs, most_rows > 0.
  static absl::StatusOr<std::unique_ptr<MatmulProbe>> Create(int threads, WeightDtype dtype,
                                                             int64_t outputs, int64_t inputs,
                                                             int64_t most_rows);
  // Seconds of one product with `rows` rows. REQUIRES: rows <= most_rows.
  double Seconds(int64_t rows);
  // FLOP/s (two for each multiply-accumulate) of one product with most_rows rows.
  double Rate();

 private:
  MatmulProbe() = default;

  std::unique_ptr<MatmulContext> context_;
  std::unique_ptr<PackedMatrix> matrix_;
  std::vector<std::byte> x_;
  std::vector<float> y_;
  int64_t most_rows_ = 0;
};

// A plain read of a buffer by all threads. One thread at a time.
class ReadProbe {
 public:
  // ResourceExhausted for memory. REQUIRES: threads, bytes > 0.
  static absl::StatusOr<std::unique_ptr<ReadProbe>> Create(int threads, int64_t bytes);
  // Bytes per second of one pass over the first `bytes` by the first `threads` threads.
  // REQUIRES: no more than at construction.
  double Rate(int threads, int64_t bytes);
  // The whole buffer by all threads.
  double Rate() { return Rate(threads_, bytes_); }

 private:
  ReadProbe() = default;

  int threads_ = 0;
  int64_t bytes_ = 0;
  std::unique_ptr<uint64_t[]> data_;
  std::vector<uint64_t> sums_;  // one cache line for each thread
};

// Keeps its buffers (about 280 MiB), so that repeated anchors cost some 30 milliseconds each. One
// thread at a time.
class AnchorProbe {
 public:
  // ResourceExhausted for memory; errors of PackedMatrix::Create.
  static absl::StatusOr<std::unique_ptr<AnchorProbe>> Create(int threads);
  // The best of two matmuls and the best of two reads: what a neighbour took away is not what the
  // machine can do.
  Anchors Measure();

 private:
  AnchorProbe() = default;

  std::unique_ptr<MatmulProbe> matmul_;
  std::unique_ptr<ReadProbe> read_;
};

// One pair of anchors. Errors of AnchorProbe::Create.
absl::StatusOr<Anchors> MeasureAnchors(int threads);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_LIMIT_PROBE_H_
