#include "tools/load_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/load_samples.h"
#include "tools/table.h"

namespace plumbline {
namespace {

std::string HalfWidth(const Estimate& estimate) {
  return SecondsOrDash((estimate.high - estimate.low) / 2);
}

struct DistributionLabel {
  const char* name;
  const char* label;
  bool part;
};
constexpr std::array<DistributionLabel, 8> kDistributionLabels = {
    {{"ttft", "first token", false},
     {"queue", "queue", true},
     {"prefill", "prefill", true},
     {"stalled", "stalled", true},
     {"preempted", "preempted", true},
     {"itl", "between tokens", false},
     {"tpot", "mean of a request", false},
     {"e2e", "end to end", false}}};

struct FigureLabel {
  const char* name;
  const char* label;
  bool percent;
};
constexpr std::array<FigureLabel, 11> kFigureLabels = {
    {{"requests", "requests/s, completed", false},
     {"goodput", "goodput, requests/s", false},
     {"good", "requests that met the goals", true},
     {"output", "output tokens/s", false},
     {"input", "prompt tokens/s", false},
     {"running", "running, mean", false},
     {"waiting", "waiting, mean", false},
     {"cache", "cache blocks in use", true},
     {"waste", "cache slots wasted, of used", true},
     {"hits", "prompt tokens found in the cache", true},
     {"preemptions", "preemptions per request", false}}};

struct StepSums {
  int64_t steps = 0;
  int64_t tokens = 0;
  double seconds = 0;
  double longest = 0;
  int64_t predicted_steps = 0;
  double predicted_seconds = 0;  // of predicted_steps
  double measured_seconds = 0;   // of the same
};

void AddStep(const StepRecord& step, StepSums* sums) {
  const double seconds = step.end_seconds - step.start_seconds;
  ++sums->steps;
  sums->tokens += step.prompt_tokens + step.decode_tokens;
  sums->seconds += seconds;
  sums->longest = std::max(sums->longest, seconds);
  if (step.predicted_seconds < 0) return;
  ++sums->predicted_steps;
  sums->predicted_seconds += step.predicted_seconds;
  sums->measured_seconds += seconds;
}

std::vector<std::string> StepCells(const StepSums& sums) {
  const auto mean = [](double sum, int64_t count) {
    return count > 0 ? FormatSeconds(sum / static_cast<double>(count)) : std::string("-");
  };
  const std::string residual =
      sums.predicted_seconds > 0
          ? absl::StrFormat("%+.1f%%", 100 * (sums.measured_seconds / sums.predicted_seconds - 1))
          : "-";
  return {
      FormatCount(sums.steps),
      absl::StrFormat("%.1f", static_cast<double>(sums.tokens) / static_cast<double>(sums.steps)),
      mean(sums.seconds, sums.steps),
      mean(sums.predicted_seconds, sums.predicted_steps),
      residual,
      FormatSeconds(sums.longest)};
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

int64_t CountOverTarget(const LoadRecord& record) {
  int64_t count = 0;
  for (const RepetitionRecord& repetition : record.repetitions) {
    count += std::count_if(repetition.steps.begin(), repetition.steps.end(),
                           [](const StepRecord& step) { return step.over_itl_target != 0; });
  }
  return count;
}

}  // namespace

std::string SecondsOrDash(double seconds) {
  return std::isnan(seconds) ? "-" : FormatSeconds(seconds);
}

std::string FigureText(double value, bool percent) {
  if (std::isnan(value)) return "-";
  if (percent) return absl::StrFormat("%.2f%%", 100 * value);
  return value >= 1000 ? FormatSi(value) : absl::StrFormat("%.4g", value);
}

std::vector<LatencyRow> LatencyRows(const LoadMetrics& metrics) {
  std::vector<LatencyRow> rows;
  for (const DistributionLabel& label : kDistributionLabels) {
    const LoadDistribution& distribution = metrics.Distribution(label.name);
    LatencyRow& row = rows.emplace_back();
    row.label = label.label;
    row.part = label.part;
    row.values = {SecondsOrDash(distribution.mean.value)};
    row.half_widths = {HalfWidth(distribution.mean)};
    for (const Estimate& percentile : distribution.percentiles) {
      row.values.push_back(SecondsOrDash(percentile.value));
      row.half_widths.push_back(HalfWidth(percentile));
    }
    row.values.push_back(distribution.samples > 0 ? FormatSeconds(distribution.max) : "-");
  }
  return rows;
}

std::vector<RateRow> RateRows(const LoadMetrics& metrics) {
  std::vector<RateRow> rows;
  rows.reserve(kFigureLabels.size());
  for (const FigureLabel& label : kFigureLabels) {
    const Estimate& value = metrics.Figure(label.name).value;
    rows.push_back({label.label, FigureText(value.value, label.percent),
                    FigureText(value.low, label.percent), FigureText(value.high, label.percent)});
  }
  return rows;
}

std::vector<StepRow> StepRows(const LoadRecord& record) {
  StepSums prompts;
  StepSums decodes;
  StepSums all;
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const StepRecord& step : repetition.steps) {
      AddStep(step, step.prompt_tokens > 0 ? &prompts : &decodes);
      AddStep(step, &all);
    }
  }
  std::vector<StepRow> rows;
  for (const auto& [label, sums] : {std::pair("with prompt tokens", &prompts),
                                    std::pair("decode alone", &decodes), std::pair("all", &all)}) {
    if (sums->steps > 0) rows.push_back({label, StepCells(*sums)});
  }
  return rows;
}

std::vector<std::string> StepColumns(const LoadRecord& record) {
  return {"count",     "tokens",   record.target == "engine" ? "measured" : "simulated",
          "predicted", "residual", "longest"};
}

std::string RequestCounts(const LoadRecord& record, const LoadMetrics& metrics) {
  std::string text;
  for (const LoadOutcome outcome :
       {LoadOutcome::kCompleted, LoadOutcome::kRefused, LoadOutcome::kExpired, LoadOutcome::kFailed,
        LoadOutcome::kCancelled, LoadOutcome::kUnfinished}) {
    const int64_t count = CountOutcome(record, outcome);
    if (count == 0 && outcome != LoadOutcome::kCompleted) continue;
    absl::StrAppend(&text, FormatCount(count), " ", LoadOutcomeName(outcome), ", ");
  }
  return absl::StrCat(text, "measured after warm-up: ", FormatCount(metrics.rounds.measured));
}

std::string PolicyText(const LoadRecord& record) {
  std::string text;
  for (const auto& [name, value] : record.policy) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", value);
  }
  return text;
}

std::string CacheText(const LoadRecord& record) {
  return absl::StrCat(
      FormatCount(record.blocks), " blocks of ", record.block_tokens, " tokens",
      record.replicas > 1 ? absl::StrCat(" in each of ", record.replicas, " replicas") : "");
}

std::vector<std::string> LoadWarnings(const LoadRecord& record, const LoadMetrics& metrics) {
  std::vector<std::string> warnings;
  for (size_t r = 0; r < record.repetitions.size(); ++r) {
    const RepetitionRecord& repetition = record.repetitions[r];
    const double drift = AnchorDrift(repetition);
    if (repetition.interrupted) {
      warnings.emplace_back("Interrupted: what was in flight drained, nothing more was sent.");
    }
    if (drift <= kMostDrift) continue;
    warnings.push_back(absl::StrFormat(
        "Drift: the machine's anchors changed by %.0f%% during repetition %d, so it is %s.",
        100 * drift, r + 1,
        metrics.rounds.discarded > 0
            ? "discarded"
            : "discarded where it is compared, and shown here for want of a better one"));
  }
  if (const int64_t over = CountOverTarget(record); over > 0) {
    warnings.push_back(absl::StrCat(FormatCount(over), over == 1 ? " step was" : " steps were",
                                    " predicted to miss --itl-target by ",
                                    over == 1 ? "its" : "their",
                                    " streams alone, and ran 16 prompt tokens."));
  }
  return warnings;
}

std::string IntervalNote(const LoadRecord& record, const LoadMetrics& metrics) {
  return absl::StrCat(
      "95% by resampling ",
      RoundsAreRepetitions(record, metrics.rounds) ? "repetitions" : "twentieths of the time",
      ". -: fewer than 10 samples lie beyond. Latencies count from the intended "
      "send.");
}

}  // namespace plumbline
