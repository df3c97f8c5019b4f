// Norms, activations, rotary positions and conversions, and what a parallel region costs.
#include <cmath>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "engine/kv_convert.h"
#include "engine/machine.h"
#include "engine/machine_measure.h"
#include "engine/ops.h"
#include "engine/parallel.h"

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
// Of a step with many streams: more than a core's own cache holds, as after the head's matmul.
constexpr int kLogitRows = 16;
constexpr int kVocab = 32768;

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

void Norm(RowBuffers& b, size_t row, NormKind kind) {
  const float* bias = kind == NormKind::kLayer ? b.gain.data() : nullptr;
  NormRow({kind, 1e-5f, b.gain.data(), bias}, kWidth, b.in.data() + row * kWidth, b.dtype,
          b.out.data() + row * kWidth * sizeof(float));
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

// A rising row: the largest stands last, so that both passes see all of it.
Measurement LargestMeasurement(Rate* target) {
  const auto logits = std::make_shared<std::vector<float>>(size_t{kLogitRows} * kVocab);
  for (size_t i = 0; i < logits->size(); ++i) (*logits)[i] = static_cast<float>(i % kVocab);
  return {{target}, [logits](absl::Span<double> rates) {
            volatile int found = 0;  // so that nothing is left out
            rates[0] = PerSecond(double{kLogitRows} * kVocab, [&] {
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
  add(kWidth, &rates.rms_norm, [](RowBuffers& b, size_t row) { Norm(b, row, NormKind::kRms); });
  add(kWidth, &rates.layer_norm, [](RowBuffers& b, size_t row) { Norm(b, row, NormKind::kLayer); });
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
  measurements->push_back(LargestMeasurement(&rates.largest));
  measurements->push_back({{&profile->parallel_regions}, [threads](absl::Span<double> out) {
                             out[0] = PerSecond(
                                 1, [&] { ParallelFor(threads, threads, [](int64_t) {}); });
                             return absl::OkStatus();
                           }});
}

}  // namespace plumbline
