// What rows are held against beside what the engine does: the matmul library's product beside the
// engine's own, by number of rows, and a plain read beside one that asks for pages ahead.
#include <memory>
#include <string>
#include <utility>
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

// `unit`: of the rates, such as "FLOP/s".
void Report(std::string name, const BetweenLimits& rates, const char* unit, const RowSink& sink) {
  const auto median = [unit](const std::vector<double>& values) {
    return absl::StrCat(FormatSi(SpreadOf(values).median), unit);
  };
  sink({std::move(name), median(rates.limits), median(rates.measured), SpreadOf(rates.ratios), ""});
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
  Report(absl::StrCat(rows, " x ", kSide, " x ", kSide, " ", WeightDtypeName(dtype)), *rates,
         "FLOP/s", sink);
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

absl::Status ReadRow(const RowOptions& options, const RowSink& sink) {
  const int64_t bytes = LibraryLimits(WeightDtype::kF32).read_bytes;
  const auto plain = ReadProbe::Create(options.threads, bytes, ReadWay::kPlain);
  if (!plain.ok()) return plain.status();
  const auto ahead = ReadProbe::Create(options.threads, bytes, ReadWay::kPagesAhead);
  if (!ahead.ok()) return ahead.status();
  const auto rates = MeasureBetween(
      options.repetitions, [&] { return (*ahead)->Rate(); }, [&] { return (*plain)->Rate(); });
  if (!rates.ok()) return rates.status();
  Report("512 MiB, pages asked for ahead", *rates, "B/s", sink);
  return absl::OkStatus();
}

}  // namespace plumbline
