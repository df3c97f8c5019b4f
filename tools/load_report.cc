#include "tools/load_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/table.h"

namespace plumbline {
namespace {

std::string SecondsOrDash(double seconds) {
  return std::isnan(seconds) ? "-" : FormatSeconds(seconds);
}

std::string HalfWidth(const Estimate& estimate) {
  return SecondsOrDash((estimate.high - estimate.low) / 2);
}

std::string LoadHeading(const LoadRecord& record) {
  std::string text = WrapText(absl::StrCat(
      CutText(Printable(record.model), kTerminalColumns - 1), ", weights ", record.weights,
      ", cache ", record.kv_dtype, ", ", record.threads,
      record.threads == 1 ? " thread" : " threads",
      record.target == "engine" ? "" : absl::StrCat(", ", record.target, " in virtual time")));
  absl::StrAppend(&text, WrapText(absl::StrCat(Printable(record.workload), "; seed ", record.seed,
                                               record.salt == 0 ? ", no salt" : "")));
  std::string policy;
  for (const auto& [name, value] : record.policy) {
    absl::StrAppend(&policy, policy.empty() ? "" : ", ", name, " ", value);
  }
  absl::StrAppend(
      &text,
      WrapText(absl::StrCat(
          Printable(policy), "; cache of ", FormatCount(record.blocks), " blocks of ",
          record.block_tokens, " tokens",
          record.replicas > 1 ? absl::StrCat(" in each of ", record.replicas, " replicas") : "")));
  return text;
}

int64_t CountOutcome(const LoadRecord& record, LoadOutcome outcome) {
  int64_t count = 0;
  for (const RepetitionRecord& repetition : record.repetitions) {
    count += std::count_if(
        repetition.requests.begin(), repetition.requests.end(),
        [outcome](const RequestRecord& request) { return request.outcome == outcome; });
  }
  return count;
}

std::string RequestCounts(const LoadRecord& record, const LoadMetrics& metrics) {
  std::vector<std::string> parts;
  for (const LoadOutcome outcome :
       {LoadOutcome::kCompleted, LoadOutcome::kRefused, LoadOutcome::kExpired, LoadOutcome::kFailed,
        LoadOutcome::kCancelled, LoadOutcome::kUnfinished}) {
    const int64_t count = CountOutcome(record, outcome);
    if (count == 0 && outcome != LoadOutcome::kCompleted) continue;
    parts.push_back(absl::StrCat(FormatCount(count), " ", LoadOutcomeName(outcome)));
  }
  std::string text = "requests: ";
  for (const std::string& part : parts) absl::StrAppend(&text, part, ", ");
  absl::StrAppend(&text, "measured after warm-up: ", FormatCount(metrics.rounds.measured));
  return WrapText(text, 2);
}

struct DistributionLabel {
  const char* name;
  const char* label;
};
constexpr std::array<DistributionLabel, 8> kDistributionLabels = {{{"ttft", "  first token"},
                                                                   {"queue", "    queue"},
                                                                   {"prefill", "    prefill"},
                                                                   {"stalled", "    stalled"},
                                                                   {"preempted", "    preempted"},
                                                                   {"itl", "  between tokens"},
                                                                   {"tpot", "  mean of a request"},
                                                                   {"e2e", "  end to end"}}};

std::string LatencyTable(const LoadMetrics& metrics) {
  Table table({"Seconds", "mean", "p50", "p90", "p95", "p99", "max"});
  for (const DistributionLabel& label : kDistributionLabels) {
    const LoadDistribution& distribution = metrics.Distribution(label.name);
    std::vector<Cell> values = {{label.label, ""},
                                Cell::Text(SecondsOrDash(distribution.mean.value))};
    std::vector<Cell> widths = {{"      +-", ""}, Cell::Text(HalfWidth(distribution.mean))};
    for (const Estimate& percentile : distribution.percentiles) {
      values.push_back(Cell::Text(SecondsOrDash(percentile.value)));
      widths.push_back(Cell::Text(HalfWidth(percentile)));
    }
    values.push_back(Cell::Text(distribution.samples > 0 ? FormatSeconds(distribution.max) : "-"));
    table.AddRow(std::move(values));
    table.AddRow(std::move(widths));
  }
  return table.ToString();
}

struct FigureLabel {
  const char* name;
  const char* label;
  bool percent;
};
constexpr std::array<FigureLabel, 11> kFigureLabels = {
    {{"requests", "  requests/s, completed", false},
     {"goodput", "  goodput, requests/s", false},
     {"good", "  requests that met the goals", true},
     {"output", "  output tokens/s", false},
     {"input", "  prompt tokens/s", false},
     {"running", "  running, mean", false},
     {"waiting", "  waiting, mean", false},
     {"cache", "  cache blocks in use", true},
     {"waste", "  cache slots wasted, of used", true},
     {"hits", "  prompt tokens found in the cache", true},
     {"preemptions", "  preemptions per request", false}}};

std::string FigureText(double value, bool percent) {
  if (std::isnan(value)) return "-";
  if (percent) return absl::StrFormat("%.2f%%", 100 * value);
  return value >= 1000 ? FormatSi(value) : absl::StrFormat("%.4g", value);
}

std::string LoadFigureTable(const LoadMetrics& metrics) {
  Table table({"Rates and use", "value", "from", "to"});
  for (const FigureLabel& label : kFigureLabels) {
    const Estimate& value = metrics.Figure(label.name).value;
    table.AddRow({{label.label, ""},
                  Cell::Text(FigureText(value.value, label.percent)),
                  Cell::Text(FigureText(value.low, label.percent)),
                  Cell::Text(FigureText(value.high, label.percent))});
  }
  return table.ToString();
}

std::string LoadNotes(const LoadRecord& record, const LoadMetrics& metrics) {
  std::string text;
  const auto repetitions = static_cast<int64_t>(record.repetitions.size());
  for (int64_t r = 0; r < repetitions; ++r) {
    const RepetitionRecord& repetition = record.repetitions[static_cast<size_t>(r)];
    const double drift = AnchorDrift(repetition);
    if (repetition.interrupted) {
      absl::StrAppend(&text, "Interrupted: what was in flight drained, nothing more was sent.\n");
    }
    if (drift <= kMostDrift) continue;
    absl::StrAppend(
        &text,
        WrapText(absl::StrFormat(
            "Drift: the machine's anchors changed by %.0f%% during repetition %d, so it is %s.",
            100 * drift, r + 1,
            metrics.rounds.discarded > 0
                ? "discarded"
                : "discarded where it is compared, and shown here for want of a better one")));
  }
  absl::StrAppend(
      &text,
      WrapText(absl::StrCat(
          "+-, from, to: 95% by resampling ",
          metrics.rounds.rounds == repetitions - metrics.rounds.discarded
              ? "repetitions"
              : "twentieths of the time",
          ". -: fewer than 10 samples lie beyond. Latencies count from the intended send.")));
  return text;
}

}  // namespace

std::string LoadReport(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics) {
  std::string text = LoadHeading(record);
  absl::StrAppend(&text, RequestCounts(record, metrics));
  absl::StrAppend(&text, slo.text.empty() ? "goals: none\n"
                                          : absl::StrCat("goals: ", Printable(slo.text), "\n"));
  absl::StrAppend(&text, "\n", LatencyTable(metrics), "\n", LoadFigureTable(metrics), "\n",
                  LoadStepsReport(record), "\n", LoadNotes(record, metrics));
  return text;
}

std::string SearchReport(const RateSearch& search, const LoadSlo& slo, double target_share) {
  Table table({"Rate tried, requests/s", "met the goals", "verdict"});
  for (const RateProbe& probe : search.probes) {
    table.AddRow({{absl::StrFormat("  %.4g", probe.rate), ""},
                  Cell::Text(FigureText(probe.good_share, true)),
                  Cell::Text(probe.passed ? "keeps them" : "too fast")});
  }
  std::string text = table.ToString();
  if (search.highest > 0) {
    absl::StrAppendFormat(&text, "highest rate at which %.4g%% meet %s: %.4g requests/s\n\n",
                          100 * target_share, Printable(slo.text), search.highest);
  } else {
    absl::StrAppendFormat(&text, "no rate that was tried lets %.4g%% of requests meet %s\n\n",
                          100 * target_share, Printable(slo.text));
  }
  return text;
}

}  // namespace plumbline
