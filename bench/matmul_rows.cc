// The engine's own product in tile registers against the matmul library's, by number of rows.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/rows.h"
#include "engine/limit_probe.h"
#include "tools/bench_samples.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// Eight matrices, so that no cache holds them all from one repetition to the next.
constexpr int kMatrices = 8;
constexpr int64_t kSide = 4096;

using Probes = std::vector<std::unique_ptr<MatmulProbe>>;

absl::StatusOr<Probes> MakeProbes(int threads, WeightDtype dtype, int64_t rows, MatmulPath path) {
  Probes probes;
  for (int i = 0; i < kMatrices; ++i) {
    auto probe = MatmulProbe::Create(threads, dtype, kSide, kSide, rows, path);
    if (!probe.ok()) return probe.status();
    probes.push_back(*std::move(probe));
  }
  return probes;
}

double RateOf(const Probes& probes, int64_t rows) {
  double seconds = 0;
  for (const auto& probe : probes) seconds += probe->Seconds(rows);
  return 2.0 * static_cast<double>(kMatrices * rows * kSide * kSide) / seconds;
}

absl::Status CompareMatmul(WeightDtype dtype, int64_t rows, const RowOptions& options,
                           const RowSink& sink) {
  const auto library = MakeProbes(options.threads, dtype, rows, MatmulPath::kLibrary);
  if (!library.ok()) return library.status();
  const auto own = MakeProbes(options.threads, dtype, rows, MatmulPath::kFastest);
  if (!own.ok()) return own.status();
  RateOf(*own, rows);  // warms up
  const auto rates = MeasureBetween(
      options.repetitions, [&] { return RateOf(*own, rows); },
      [&] { return RateOf(*library, rows); });
  if (!rates.ok()) return rates.status();
  const auto flops = [](const std::vector<double>& values) {
    return absl::StrCat(FormatSi(SpreadOf(values).median), "FLOP/s");
  };
  sink({absl::StrCat(rows, " x ", kSide, " x ", kSide, " ", WeightDtypeName(dtype)),
        flops(rates->limits), flops(rates->measured), SpreadOf(rates->ratios), ""});
  return absl::OkStatus();
}

}  // namespace

absl::Status MatmulRow(const RowOptions& options, const RowSink& sink) {
  for (const WeightDtype dtype : {WeightDtype::kBf16, WeightDtype::kInt8}) {
    for (const int64_t rows : {1, 8, 16, 32, 64, 128, 512}) {
      absl::Status status = CompareMatmul(dtype, rows, options, sink);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace plumbline
