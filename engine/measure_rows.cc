// Norms, activations, rotary positions and conversions, and what a parallel region costs.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "engine/kv_convert.h"
#include "engine/machine.h"
#include "engine/machine_measure.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/step_clock.h"

namespace plumbline {
namespace {

constexpr int kWidth = 1024;
constexpr int kFfn = 2048;
constexpr int kHeads = 16;
constexpr int kHeadDim = kWidth / kHeads;
constexpr int kRowsPerThread = 4;
// So many times in one parallel region, whose own cost is measured by itself and would be as much
// as that of some rows.
constexpr int kPasses = 32;
constexpr int kLogitRows = 32;  // of a step with many streams
constexpr int kVocab = 32768;
constexpr int kNormRowsPerThread = 128;
// Of what is read behind something that is written each time.
constexpr double kBehindSeconds = 0.001;

// Rows of every thread, side by side; all small enough for a core's own cache.
struct RowBuffers {
  explicit RowBuffers(int num_threads)
      : threads(num_threads),
        in(Rows(num_threads) * 2 * kFfn, 0.25f),
        state(Rows(num_threads) * kWidth, 0.5f),
        out(Rows(num_threads) * kFfn * sizeof(float)),
        gain(kWidth, 1.0f),
        cosines(kHeadDim / 2, 0.6f),  // of one angle: rotated vectors keep their length
        sines(kHeadDim / 2, 0.8f),
        dtype(HasFastBf16() ? WeightDtype::kBf16 : WeightDtype::kF32) {}

  static size_t Rows(int threads) { return size_t{kRowsPerThread} * static_cast<size_t>(threads); }

  int threads;
  std::vector<float> in;
  std::vector<float> state;
  std::vector<std::byte> out;
  std::vector<float> gain;
  std::vector<float> cosines;
  std::vector<float> sines;
  WeightDtype dtype;
};

// Elements per second of one thread; `work` does the row of `elements` elements.
template <class Work>
Measurement RowMeasurement(const std::shared_ptr<RowBuffers>& buffers, int elements, Rate* target,
                           const Work& work) {
  return {{target}, [=](absl::Span<double> rates) {
            const double units = static_cast<double>(elements) * kRowsPerThread * kPasses;
            rates[0] = PerSecond(units, [&] {
              ParallelFor(buffers->threads, buffers->threads, [&](int64_t thread) {
                const auto first = static_cast<size_t>(thread * kRowsPerThread);
                for (int pass = 0; pass < kPasses; ++pass) {
                  for (size_t i = 0; i < kRowsPerThread; ++i) work(*buffers, first + i);
                }
              });
            });
            return absl::OkStatus();
          }};
}

// `units` per second of `read`, each time behind `write`, whose time is not counted.
double RateBehind(double units, absl::FunctionRef<void()> write, absl::FunctionRef<void()> read) {
  double seconds = 0;
  double done = 0;
  do {
    write();
    const double start = SteadySeconds();
    read();
    seconds += SteadySeconds() - start;
    done += units;
  } while (seconds < kBehindSeconds);
  return done / seconds;
}

// Norms read whole rows, of which each thread that multiplied has just written some columns: lines
// come from the other cores' caches. As many rows as a large step has.
struct NormBuffers {
  explicit NormBuffers(int num_threads)
      : threads(num_threads),
        in(rows() * kWidth),
        out(rows() * kWidth * sizeof(float)),
        gain(kWidth, 1.0f),
        dtype(HasFastBf16() ? WeightDtype::kBf16 : WeightDtype::kF32) {}

  size_t rows() const { return size_t{kNormRowsPerThread} * static_cast<size_t>(threads); }
  void Write() {
    ParallelRuns(threads, kWidth, [&](int64_t begin, int64_t end, int64_t) {
      for (size_t row = 0; row < rows(); ++row) {
        std::fill(in.begin() + static_cast<int64_t>(row) * kWidth + begin,
                  in.begin() + static_cast<int64_t>(row) * kWidth + end, 0.25f);
      }
    });
  }
  void Read(NormKind kind) {
    const float* bias = kind == NormKind::kLayer ? gain.data() : nullptr;
    ParallelRuns(threads, static_cast<int64_t>(rows()), [&](int64_t begin, int64_t end, int64_t) {
      for (int64_t row = begin; row < end; ++row) {
        NormRow({kind, 1e-5f, gain.data(), bias}, kWidth, in.data() + row * kWidth, dtype,
                out.data() + row * kWidth * static_cast<int64_t>(sizeof(float)));
      }
    });
  }

  int threads;
  std::vector<float> in;
  std::vector<std::byte> out;
  std::vector<float> gain;
  WeightDtype dtype;
};

Measurement NormMeasurement(const std::shared_ptr<NormBuffers>& buffers, NormKind kind,
                            Rate* target) {
  return {{target}, [=](absl::Span<double> rates) {
            // Of a thread.
            rates[0] = RateBehind(
                double{kNormRowsPerThread} * kWidth, [&] { buffers->Write(); },
                [&] { buffers->Read(kind); });
            return absl::OkStatus();
          }};
}

void Activation(RowBuffers& b, size_t row, FeedForwardKind kind) {
  Activate(kind, kFfn, b.in.data() + row * 2 * kFfn, nullptr, b.dtype,
           b.out.data() + row * kFfn * sizeof(float));
}

void RotateRow(RowBuffers& b, size_t row) {
  Rotate(PositionKind::kRopeHalves, kHeadDim, b.cosines.data(), b.sines.data(),
         {kHeads, kHeadDim, b.state.data() + row * kWidth});
}

void Angles(RowBuffers& b, size_t row) {
  float* out = b.state.data() + row * kWidth;
  for (int i = 0; i < kWidth / 2; ++i) {
    const double angle =
        static_cast<double>(row * 131 + 1) * static_cast<double>(b.gain[i]) / (i + 1);
    out[2 * i] = static_cast<float>(std::cos(angle));
    out[2 * i + 1] = static_cast<float>(std::sin(angle));
  }
}

// As behind the head's matmul, of which each thread has just written some columns. A rising row:
// the largest stands last, so that both passes see all of it.
Measurement LargestMeasurement(int threads, Rate* target) {
  const auto logits = std::make_shared<std::vector<float>>(size_t{kLogitRows} * kVocab);
  return {{target}, [logits, threads](absl::Span<double> rates) {
            const auto write = [&] {
              ParallelRuns(threads, kVocab, [&](int64_t begin, int64_t end, int64_t) {
                for (int64_t row = 0; row < kLogitRows; ++row) {
                  float* columns = logits->data() + row * kVocab;
                  for (int64_t i = begin; i < end; ++i) columns[i] = static_cast<float>(i);
                }
              });
            };
            volatile int found = 0;  // so that nothing is left out
            rates[0] = RateBehind(double{kLogitRows} * kVocab, write, [&] {
              for (int row = 0; row < kLogitRows; ++row) {
                found = FindLargest(kVocab, logits->data() + size_t{kVocab} * row);
              }
            });
            return absl::OkStatus();
          }};
}

}  // namespace

void AddRowMeasurements(int threads, MachineProfile* profile,
                        std::vector<Measurement>* measurements) {
  const auto buffers = std::make_shared<RowBuffers>(threads);
  RowRates& rates = profile->rows;
  const auto add = [&](int elements, Rate* target, const auto& work) {
    measurements->push_back(RowMeasurement(buffers, elements, target, work));
  };
  const auto norms = std::make_shared<NormBuffers>(threads);
  measurements->push_back(NormMeasurement(norms, NormKind::kRms, &rates.rms_norm));
  measurements->push_back(NormMeasurement(norms, NormKind::kLayer, &rates.layer_norm));
  add(kFfn, &rates.swiglu,
      [](RowBuffers& b, size_t row) { Activation(b, row, FeedForwardKind::kSwiGlu); });
  add(kFfn, &rates.gelu,
      [](RowBuffers& b, size_t row) { Activation(b, row, FeedForwardKind::kGelu); });
  add(kWidth, &rates.rotate, [](RowBuffers& b, size_t row) { RotateRow(b, row); });
  add(kWidth / 2, &rates.angles, [](RowBuffers& b, size_t row) { Angles(b, row); });
  add(kWidth, &rates.widen, [](RowBuffers& b, size_t row) {
    WidenToF32(KvDtype::kBf16, b.out.data() + row * kWidth * sizeof(float), kWidth,
               b.in.data() + row * 2 * kFfn);
  });
  measurements->push_back(LargestMeasurement(threads, &rates.largest));
  measurements->push_back({{&profile->parallel_regions}, [threads](absl::Span<double> out) {
                             out[0] = PerSecond(
                                 1, [&] { ParallelFor(threads, threads, [](int64_t) {}); });
                             return absl::OkStatus();
                           }});
}

}  // namespace plumbline
