#include "tools/compare_report.h"
#include "tools/json_text.h"

namespace plumbline {
namespace {

using CompareJsonValue = nlohmann::ordered_json;

CompareJsonValue RunSummaryJson(const RunSummary& run, const std::string& file) {
  return {{"file", file},
          {"repetitions", run.repetitions},
          {"discarded_repetitions", run.discarded},
          {"rounds", run.rounds},
          {"resampled", run.whole ? "repetitions" : "parts of the time"},
          {"most_drift", FiniteOrNull(run.most_drift)},
          {"drifted", run.drifted},
          {"interrupted", run.interrupted},
          {"measured_requests", run.measured}};
}

CompareJsonValue ComparedMetricJson(const MetricComparison& metric, bool decided) {
  CompareJsonValue json;
  json["name"] = metric.name;
  if (!metric.quantile.empty()) json["quantile"] = metric.quantile;
  json["unit"] = metric.unit;
  json["better"] = metric.better > 0 ? "more" : metric.better < 0 ? "less" : "neither";
  json["a"] = FiniteOrNull(metric.a);
  json["b"] = FiniteOrNull(metric.b);
  json["relative"] = metric.relative;
  json["change"] = {{"value", FiniteOrNull(metric.change.value)},
                    {"low", FiniteOrNull(metric.change.low)},
                    {"high", FiniteOrNull(metric.change.high)}};
  json["allowance"] = FiniteOrNull(metric.allowance);
  json["p_value"] = metric.known() ? FiniteOrNull(metric.p_value) : CompareJsonValue();
  json["verdict"] = decided && metric.known() ? CompareJsonValue(CompareVerdictName(metric.verdict))
                                              : CompareJsonValue();
  return json;
}

}  // namespace

std::string CompareJson(const LoadComparison& comparison, const std::string& a,
                        const std::string& b) {
  CompareJsonValue json;
  json["verdict"] = comparison.undecided()   ? "undecided"
                    : comparison.different() ? "different"
                                             : "indistinguishable";
  for (const CompareVerdict verdict :
       {CompareVerdict::kBetter, CompareVerdict::kWorse, CompareVerdict::kChanged,
        CompareVerdict::kIndistinguishable}) {
    json["counts"][CompareVerdictName(verdict)] = comparison.Count(verdict);
  }
  json["a"] = RunSummaryJson(comparison.a, a);
  json["b"] = RunSummaryJson(comparison.b, b);
  CompareJsonValue& differences = json["differences"] = CompareJsonValue::array();
  for (const SettingDifference& entry : comparison.differences) {
    differences.push_back(
        {{"name", entry.name}, {"a", entry.a}, {"b", entry.b}, {"warning", entry.warning}});
  }
  json["level"] = comparison.level;
  json["tested_figures"] = comparison.tested;
  json["machine_allowance"] = FiniteOrNull(comparison.machine_change);
  CompareJsonValue& metrics = json["metrics"] = CompareJsonValue::array();
  for (const MetricComparison& metric : comparison.metrics) {
    metrics.push_back(ComparedMetricJson(metric, !comparison.undecided()));
  }
  return JsonLine(json) + "\n";
}

}  // namespace plumbline
