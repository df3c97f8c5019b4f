#include "engine/limit_probe.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/page_ahead.h"
#include "engine/parallel.h"
#include "engine/step_clock.h"

namespace plumbline {
namespace {

constexpr int64_t kLineWords = 8;  // of a cache line
constexpr int64_t kPageWords = kPageBytes / static_cast<int64_t>(sizeof(uint64_t));

// The sum of some words.
uint64_t ReadWords(const uint64_t* from, const uint64_t* to, ReadWay way) {
  if (way == ReadWay::kPlain) return std::accumulate(from, to, uint64_t{0});
  uint64_t sum = 0;
  while (from < to) {
    FetchPageAhead(from, kPageBytes);
    const uint64_t* const end = from + std::min(kPageWords, to - from);
    sum = std::accumulate(from, end, sum);
    from = end;
  }
  return sum;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MatmulProbe>> MatmulProbe::Create(int threads, WeightDtype dtype,
                                                                 int64_t outputs, int64_t inputs,
                                                                 int64_t most_rows,
                                                                 MatmulPath path) {
  auto probe = std::unique_ptr<MatmulProbe>(new MatmulProbe());
  auto context = MatmulContext::Create(threads);
  if (!context.ok()) return context.status();
  probe->context_ = *std::move(context);
  auto matrix = PackedMatrix::Create(
      *probe->context_, outputs, inputs, dtype,
      [inputs](int64_t, int64_t rows, float* out) {
        std::fill(out, out + rows * inputs, 0.5f);
        return absl::OkStatus();
      },
      path);
  if (!matrix.ok()) return matrix.status();
  probe->matrix_ = *std::move(matrix);
  probe->x_.resize(most_rows * inputs * WeightDtypeBytes(dtype));
  probe->y_.resize(most_rows * outputs);
  probe->most_rows_ = most_rows;
  return probe;
}

double MatmulProbe::Seconds(int64_t rows) {
  const double start = SteadySeconds();
  const absl::Status status = matrix_->Run(rows, x_.data(), y_.data(), [](int64_t, int64_t) {});
  const double seconds = SteadySeconds() - start;
  return status.ok() ? seconds : 0;
}

double MatmulProbe::Rate() {
  const double seconds = Seconds(most_rows_);
  const auto macs = static_cast<double>(most_rows_ * matrix_->outputs() * matrix_->inputs());
  return seconds > 0 ? 2.0 * macs / seconds : 0;
}

absl::StatusOr<std::unique_ptr<ReadProbe>> ReadProbe::Create(int threads, int64_t bytes,
                                                             ReadWay way) {
  auto probe = std::unique_ptr<ReadProbe>(new ReadProbe());
  probe->threads_ = UsableThreads(threads);
  probe->bytes_ = bytes;
  probe->way_ = way;
  const int64_t words = bytes / static_cast<int64_t>(sizeof(uint64_t));
  try {
    probe->data_ = UntouchedArray<uint64_t>(words);
    probe->data_.AskForHugePages();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory to read ", bytes, " bytes for a measurement: free some"));
  }
  // Each thread touches what it will read.
  ParallelRuns(probe->threads_, words, [&](int64_t begin, int64_t end, int64_t) {
    std::fill(probe->data_.get() + begin, probe->data_.get() + end, uint64_t{1});
  });
  probe->sums_.resize(kLineWords * probe->threads_);
  return probe;
}

double ReadProbe::Rate(int threads, int64_t bytes) {
  const int64_t words = bytes / static_cast<int64_t>(sizeof(uint64_t));
  const int used = std::min(threads, threads_);
  const double start = SteadySeconds();
  ParallelRuns(used, words, [&](int64_t begin, int64_t end, int64_t thread) {
    sums_[kLineWords * thread] += ReadWords(data_.get() + begin, data_.get() + end, way_);
  });
  const double seconds = SteadySeconds() - start;
  return static_cast<double>(words * static_cast<int64_t>(sizeof(uint64_t))) / seconds;
}

absl::StatusOr<std::unique_ptr<AnchorProbe>> AnchorProbe::Create(int threads,
                                                                 const AnchorSizes& sizes) {
  auto probe = std::unique_ptr<AnchorProbe>(new AnchorProbe());
  probe->best_of_ = sizes.best_of;
  auto matmul = MatmulProbe::Create(threads, sizes.dtype, sizes.outputs, sizes.inputs, sizes.rows,
                                    sizes.path);
  if (!matmul.ok()) return matmul.status();
  probe->matmul_ = *std::move(matmul);
  auto read = ReadProbe::Create(threads, sizes.read_bytes, sizes.way);
  if (!read.ok()) return read.status();
  probe->read_ = *std::move(read);
  probe->Measure();  // touches everything once
  return probe;
}

Anchors AnchorProbe::Measure() {
  Anchors anchors;
  for (int i = 0; i < best_of_; ++i) {
    anchors.matmul_flops_per_second = std::max(anchors.matmul_flops_per_second, matmul_->Rate());
    anchors.read_bytes_per_second = std::max(anchors.read_bytes_per_second, read_->Rate());
  }
  return anchors;
}

double AnchorProbe::MeasureRead() {
  double rate = 0;
  for (int i = 0; i < best_of_; ++i) rate = std::max(rate, read_->Rate());
  return rate;
}

absl::StatusOr<Anchors> MeasureAnchors(int threads) {
  const auto probe = AnchorProbe::Create(threads);
  if (!probe.ok()) return probe.status();
  return (*probe)->Measure();
}

}  // namespace plumbline
