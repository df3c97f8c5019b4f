// Matmuls over cached and over streamed weights, and what a call costs; reads of memory.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "engine/crew.h"
#include "engine/limit_probe.h"
#include "engine/machine.h"
#include "engine/machine_measure.h"
#include "engine/matmul.h"
#include "engine/matmul_columns.h"
#include "engine/matmul_tiles.h"
#include "engine/parallel.h"
#include "engine/rate_tables.h"
#include "engine/step_clock.h"

namespace plumbline {
namespace {

// Powers of two, and where the cost of a row jumps: of matrix units, which take 16 rows at a time,
// at a second turn that is nearly empty; otherwise where few rows no longer go around the library.
std::array<int64_t, 10> MatmulRows(WeightDtype dtype) {
  // 4 bits are unpacked to 8.
  if (MultipliesInTiles(dtype == WeightDtype::kQ4 ? WeightDtype::kInt8 : dtype)) {
    return {1, 2, 4, 8, 16, 17, 32, 64, 128, kMatmulCallRows};
  }
  return {1, 2, 4, 8, kMostColumnRows + 1, 16, 32, 64, 128, kMatmulCallRows};
}
// Streamed weights (their values do not matter): many matrices, together several times as large as
// the last-level cache, and one sample some of them. A large server's (480 MiB) kept 160 MiB, and
// gave them half as fast again as memory gives a model's weights; as much as it has was enough.
constexpr int64_t kStreamOutputs = kStreamedMatrix.outputs;
constexpr int64_t kStreamInputs = kStreamedMatrix.inputs;
constexpr int64_t kLeastStreamBytes = int64_t{96} << 20;
constexpr int64_t kMostStreamBytes = int64_t{480} << 20;
constexpr int64_t kStreamCaches = 4;
constexpr double kStreamSeconds = 0.008;  // of one sample
// Memory takes so long to come up to speed after work that needed none: its clock follows its load,
// and a stream that follows products of cached matrices read 15 GB/s at first, 21 in the end.
// Matrix units need less.
constexpr double kMemoryRampSeconds = 0.1;
constexpr double kUnitsRampSeconds = 0.004;

// To the largest of last-level caches, which keeps some of 300 MB of weights from step to step.
constexpr std::array<int64_t, 10> kReadBytes = {
    int64_t{256} << 10, int64_t{1} << 20,  int64_t{4} << 20,  int64_t{8} << 20,
    int64_t{16} << 20,  int64_t{32} << 20, int64_t{64} << 20, int64_t{128} << 20,
    int64_t{256} << 20, int64_t{512} << 20};

// Matrices that are multiplied in turn, each sample going on where the last one ended.
struct Stream {
  std::unique_ptr<MatmulContext> context;
  std::vector<std::unique_ptr<PackedMatrix>> matrices;
  std::vector<std::byte> x;
  std::vector<float> y;
  size_t next = 0;

  // Bytes of weights per second over `seconds` at least, 0 where the library fails.
  double Run(double seconds, int64_t rows) {
    const double start = SteadySeconds();
    double taken = 0;
    double bytes = 0;
    while (taken < seconds) {
      if (!matrices[next]->Run(rows, x.data(), y.data(), [](int64_t, int64_t) {}).ok()) return 0;
      bytes += static_cast<double>(matrices[next]->element_bytes_read());
      next = (next + 1) % matrices.size();
      taken = SteadySeconds() - start;
    }
    return bytes / taken;
  }
};

int64_t MatmulStreamBytes() {
  const int64_t cache = DetectMachine().last_level_cache_bytes;
  if (cache == 0) return kMostStreamBytes;
  return std::clamp(std::min(cache, kMostStreamBytes) * kStreamCaches, kLeastStreamBytes,
                    kMostStreamBytes);
}

absl::StatusOr<std::shared_ptr<Stream>> MakeStream(int threads, WeightDtype dtype) {
  auto stream = std::make_shared<Stream>();
  auto context = MatmulContext::Create(threads);
  if (!context.ok()) return context.status();
  stream->context = *std::move(context);
  const int64_t bytes = kStreamOutputs * WeightRowBytes(dtype, kStreamInputs);
  // In large pages, as a model's are.
  const int64_t stream_bytes = MatmulStreamBytes();
  stream->context->ReserveWeights(stream_bytes + bytes);
  for (int64_t total = 0; total < stream_bytes; total += bytes) {
    auto matrix = PackedMatrix::Create(*stream->context, kStreamOutputs, kStreamInputs, dtype,
                                       [](int64_t, int64_t rows, float* out) {
                                         std::fill(out, out + rows * kStreamInputs, 0.0f);
                                         return absl::OkStatus();
                                       });
    if (!matrix.ok()) return matrix.status();
    stream->matrices.push_back(*std::move(matrix));
  }
  stream->x.resize(kMatmulCallRows * kStreamInputs * WeightDtypeBytes(dtype));
  stream->y.resize(kMatmulCallRows * kStreamOutputs);
  return stream;
}

// MACs per second with the same weights again and again, less what the calls themselves take.
Measurement HotMeasurement(std::shared_ptr<MatmulProbe> probe, double macs, int64_t rows,
                           const Rate* calls, Rate* target) {
  return {{target},
          [=](absl::Span<double> rates) {
            const double per_call = 1 / PerSecond(1, [&] { probe->Seconds(rows); });
            const double overhead = calls->per_second > 0 ? 1 / calls->per_second : 0;
            // A call so small that the overhead is most of it tells little: keep a fifth.
            rates[0] = macs / std::max(per_call - overhead, per_call / 5);
            return absl::OkStatus();
          },
          !probe->has_own_threads()};
}

absl::Status AddDtype(int threads, WeightDtype dtype, MachineProfile* profile,
                      std::vector<Measurement>* measurements) {
  const std::array<std::pair<MatrixSize, Rate MatmulRates::*>, 3> hot = {
      {{kNarrowMatrix, &MatmulRates::narrow_macs},
       {kSquareMatrix, &MatmulRates::square_macs},
       {kWideMatrix, &MatmulRates::wide_macs}}};
  std::vector<std::shared_ptr<MatmulProbe>> probes;
  for (const auto& [size, rate] : hot) {
    auto probe = MatmulProbe::Create(threads, dtype, size.outputs, size.inputs, kMatmulCallRows);
    if (!probe.ok()) return probe.status();
    probes.emplace_back(std::move(*probe));
  }
  auto stream = MakeStream(threads, dtype);
  if (!stream.ok()) return stream.status();
  const auto rates_of = [&](int64_t rows) -> MatmulRates& {
    return *std::find_if(profile->matmuls.begin(), profile->matmuls.end(),
                         [&](const MatmulRates& m) { return m.dtype == dtype && m.rows == rows; });
  };
  // One after another, from those that memory bounds on: it comes up to speed once.
  const std::array<int64_t, 10> all_rows = MatmulRows(dtype);
  for (const int64_t rows : all_rows) {
    const double ramp = rows == all_rows[0] ? kMemoryRampSeconds : kUnitsRampSeconds;
    measurements->push_back({{&rates_of(rows).streamed_bytes},
                             [stream = *stream, rows, ramp](absl::Span<double> out) {
                               stream->Run(ramp, rows);
                               out[0] = stream->Run(kStreamSeconds, rows);
                               return absl::OkStatus();
                             },
                             !(*stream)->matrices[0]->has_own_threads()});
  }
  for (const int64_t rows : all_rows) {
    MatmulRates& rates = rates_of(rows);
    for (size_t i = 0; i < hot.size(); ++i) {
      const auto& [size, rate] = hot[i];
      const auto macs = static_cast<double>(rows * size.outputs * size.inputs);
      measurements->push_back(
          HotMeasurement(probes[i], macs, rows, &profile->matmul_calls, &(rates.*rate)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddMatmulMeasurements(int threads, MachineProfile* profile,
                                   std::vector<Measurement>* measurements) {
  // Small enough to take no time of its own, large enough for the library to wake all threads.
  constexpr int64_t kSmallOutputs = 256;
  constexpr int64_t kSmallInputs = 64;
  auto tiny = MatmulProbe::Create(threads, WeightDtype::kF32, kSmallOutputs, kSmallInputs, 1);
  if (!tiny.ok()) return tiny.status();
  const std::shared_ptr<MatmulProbe> probe(std::move(*tiny));
  // Known before the hot rates, from which it is taken off.
  const bool in_crew = !probe->has_own_threads();
  Crew::Run(in_crew ? threads : 0, [&] {
    profile->matmul_calls.per_second = PerSecond(
        1, [&] { probe->Seconds(1); }, 0.01);
  });
  measurements->push_back({{&profile->matmul_calls},
                           [probe](absl::Span<double> rates) {
                             rates[0] = PerSecond(1, [&] { probe->Seconds(1); });
                             return absl::OkStatus();
                           },
                           in_crew});
  std::vector<WeightDtype> dtypes = {WeightDtype::kF32};
  if (HasFastBf16()) dtypes.push_back(WeightDtype::kBf16);
  dtypes.push_back(WeightDtype::kInt8);
  dtypes.push_back(WeightDtype::kQ4);
  for (const WeightDtype dtype : dtypes) {
    for (const int64_t rows : MatmulRows(dtype)) {
      profile->matmuls.push_back({dtype, rows, {}, {}, {}, {}});
    }
  }
  for (const WeightDtype dtype : dtypes) {
    absl::Status status = AddDtype(threads, dtype, profile, measurements);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AddReadMeasurements(int threads, MachineProfile* profile,
                                 std::vector<Measurement>* measurements) {
  auto created = ReadProbe::Create(threads, kReadBytes.back());
  if (!created.ok()) return created.status();
  const std::shared_ptr<ReadProbe> probe(std::move(*created));
  // The curve over sizes with all threads; the largest size with 1, 2, 4, ... of them.
  for (int used = 1; used < threads; used *= 2) {
    profile->reads.push_back({used, kReadBytes.back(), {}});
  }
  for (const int64_t bytes : kReadBytes) profile->reads.push_back({threads, bytes, {}});
  for (ReadRate& read : profile->reads) {
    measurements->push_back(
        {{&read.read_bytes},
         [probe, used = read.threads, bytes = read.bytes](absl::Span<double> out) {
           // Small sizes are read many times over, so that a region's cost does not weigh.
           out[0] = PerSecond(
                        1, [&] { probe->Rate(used, bytes); }, 0.001) *
                    static_cast<double>(bytes);
           return absl::OkStatus();
         }});
  }
  return absl::OkStatus();
}

}  // namespace plumbline
