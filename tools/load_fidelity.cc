#include "tools/load_fidelity.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/load_tables.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMedian = 0;  // of kLoadPercentiles
constexpr size_t kP99 = 3;
static_assert(kLoadPercentiles[kMedian] == 0.50 && kLoadPercentiles[kP99] == 0.99);

std::string WhatDiffers(const LoadRecord& real, const LoadRecord& simulated) {
  std::vector<std::string> differ;
  const auto compare = [&differ](bool equal, const char* name) {
    if (!equal) differ.emplace_back(name);
  };
  compare(real.model == simulated.model, "model");
  compare(real.weights == simulated.weights, "weights");
  compare(real.kv_dtype == simulated.kv_dtype, "cache dtype");
  compare(real.threads == simulated.threads, "threads");
  compare(real.workload == simulated.workload, "workload");
  compare(real.seed == simulated.seed, "seed");
  compare(real.salt == simulated.salt, "salt");
  compare(real.policy == simulated.policy, "policy");
  return absl::StrJoin(differ, ", ");
}

std::string ValueText(const FidelityRow& row, double value) {
  return row.seconds ? SecondsOrDash(value) : FigureText(value, false);
}

}  // namespace

double FidelityRow::error() const {
  if (!(real > 0) || std::isnan(simulated)) return std::numeric_limits<double>::quiet_NaN();
  return simulated / real - 1;
}

std::string FidelityRow::verdict() const {
  const double off = std::abs(error());
  if (std::isnan(off)) return "-";
  if (off <= kFidelityTarget) return "met";
  return first_token && off <= kFidelityBusyTarget ? "met at 80%" : "missed";
}

std::vector<FidelityRow> FidelityRows(const LoadMetrics& real, const LoadMetrics& simulated) {
  const auto percentile = [](const LoadMetrics& metrics, const char* name, size_t which) {
    return metrics.Distribution(name).percentiles[which].value;
  };
  return {{"output tokens/s", false, false, real.Figure("output").value.value,
           simulated.Figure("output").value.value},
          {"between tokens, p50", true, false, percentile(real, "itl", kMedian),
           percentile(simulated, "itl", kMedian)},
          {"between tokens, p99", true, false, percentile(real, "itl", kP99),
           percentile(simulated, "itl", kP99)},
          {"first token, p50", true, true, percentile(real, "ttft", kMedian),
           percentile(simulated, "ttft", kMedian)},
          {"first token, mean", true, true, real.Distribution("ttft").mean.value,
           simulated.Distribution("ttft").mean.value}};
}

std::string FidelityReport(const LoadRecord& real_record, const LoadMetrics& real,
                           const LoadRecord& simulated_record, const LoadMetrics& simulated) {
  const std::string differ = WhatDiffers(real_record, simulated_record);
  if (!differ.empty()) {
    return WrapText(
        absl::StrCat("Not held against the run that the anchors are from, which has "
                     "another ",
                     differ, ": give the same options, and its --seed and --salt."));
  }
  Table table({"Beside the real run", "real", "simulated", "error", "target", "verdict"});
  for (const FidelityRow& row : FidelityRows(real, simulated)) {
    const double error = row.error();
    table.AddRow(
        {Cell::Text(absl::StrCat("  ", row.label)), Cell::Text(ValueText(row, row.real)),
         Cell::Text(ValueText(row, row.simulated)),
         std::isnan(error) ? Cell::None() : Cell::Text(absl::StrFormat("%+.1f%%", 100 * error)),
         Cell::Text(row.first_token ? "15%, 30%" : "15%"), Cell::Text(row.verdict())});
  }
  return absl::StrCat(
      table.ToString(),
      WrapText(
          "error: simulated over real, less one. Targets are for loads of 50%, 80% and 110% of "
          "capacity; of the first token 15% at 50% and 30% at 80%."));
}

}  // namespace plumbline
