#include "tools/compare_loads.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/compare_spread.h"
#include "tools/load_metrics.h"
#include "tools/load_samples.h"

namespace plumbline {
namespace {

// One of the two files, resampled. Figures: of each distribution the percentiles and the mean, then
// the ratios; the order is that of load_samples.h, so that both files have the same.
class ResampledLoad {
 public:
  ResampledLoad(const LoadFile& file, const CompareLoadsOptions& options)
      : rounds_(CollectRounds(file.record, file.slo)), options_(options) {
    summary_.repetitions = static_cast<int64_t>(file.record.repetitions.size());
    summary_.discarded = rounds_.discarded;
    summary_.rounds = rounds_.rounds;
    summary_.whole = RoundsAreRepetitions(file.record, rounds_);
    summary_.measured = rounds_.measured;
    for (const RepetitionRecord& repetition : file.record.repetitions) {
      summary_.most_drift = std::max(summary_.most_drift, AnchorDrift(repetition));
      summary_.interrupted = summary_.interrupted || repetition.interrupted;
    }
    summary_.drifted = summary_.most_drift > kMostDrift && summary_.discarded == 0;
    for (const LoadSamples& samples : rounds_.samples) AddSamples(samples);
    for (const LoadRatio& ratio : rounds_.ratios) {
      const std::vector<FigureSpread> spreads = Resample(FigureOfRatio(ratio), 0);
      spreads_.insert(spreads_.end(), spreads.begin(), spreads.end());
    }
  }

  const LoadRounds& rounds() const { return rounds_; }
  const RunSummary& summary() const { return summary_; }
  const FigureSpread& spread(size_t figure) const { return spreads_[figure]; }

 private:
  std::vector<FigureSpread> Resample(const RoundStatistic& statistic, size_t samples) const {
    constexpr double kWalks = 5e7;  // each resample walks through the samples
    SpreadOptions options;
    options.seed = options_.seed;
    options.resamples = static_cast<int>(
        std::clamp(kWalks / (static_cast<double>(samples) + 1), 20.0, 1.0 * options_.resamples));
    options.neighbours_alike = !summary_.whole;
    return SpreadsOf(rounds_.rounds, statistic, options);
  }

  void AddSamples(const LoadSamples& samples) {
    std::vector<FigureSpread> spreads =
        Resample(FiguresOfSamples(samples, rounds_.rounds), samples.values.size());
    const auto count = static_cast<int64_t>(samples.values.size());
    for (size_t p = 0; p < kLoadPercentiles.size(); ++p) {
      if (!KnowsPercentile(count, kLoadPercentiles[p])) spreads[p].value = std::nan("");
    }
    spreads_.insert(spreads_.end(), spreads.begin(), spreads.end());
  }

  LoadRounds rounds_;
  CompareLoadsOptions options_;
  RunSummary summary_;
  std::vector<FigureSpread> spreads_;
};

// Names and units, in ResampledLoad's order.
std::vector<MetricComparison> NameMetrics(const LoadRounds& rounds) {
  std::vector<MetricComparison> metrics;
  const auto add = [&metrics](std::string name, std::string quantile, std::string unit,
                              int better) {
    MetricComparison& metric = metrics.emplace_back();
    metric.name = std::move(name);
    metric.quantile = std::move(quantile);
    metric.unit = std::move(unit);
    metric.better = better;
  };
  for (const LoadSamples& samples : rounds.samples) {
    for (const double share : kLoadPercentiles) {
      add(samples.name, absl::StrCat("p", std::lround(100 * share)), "seconds", -1);
    }
    add(samples.name, "mean", "seconds", -1);
  }
  for (const LoadRatio& ratio : rounds.ratios) add(ratio.name, "", ratio.unit, ratio.better);
  return metrics;
}

CompareVerdict JudgeChange(const MetricComparison& metric) {
  const bool more = metric.change.low > metric.allowance;
  const bool less = metric.relative ? metric.change.high < 1 / (1 + metric.allowance) - 1
                                    : metric.change.high < -metric.allowance;
  if (!more && !less) return CompareVerdict::kIndistinguishable;
  if (metric.better == 0) return CompareVerdict::kChanged;
  return more == (metric.better > 0) ? CompareVerdict::kBetter : CompareVerdict::kWorse;
}

// `miss`: the chance that the interval may miss with.
void FillMetric(const SpreadContrast& contrast, double miss, double machine,
                MetricComparison* metric) {
  metric->relative = contrast.relative;
  metric->p_value = contrast.p_value;
  const double half = contrast.HalfWidth(miss);
  metric->change = {contrast.change, contrast.change - half, contrast.change + half};
  metric->allowance = std::expm1(machine);
  if (contrast.relative) {
    for (double* end : {&metric->change.value, &metric->change.low, &metric->change.high}) {
      *end = std::expm1(*end);
    }
  } else {
    metric->allowance *= std::max(std::abs(metric->a), std::abs(metric->b));
  }
}

}  // namespace

const char* CompareVerdictName(CompareVerdict verdict) {
  switch (verdict) {
    case CompareVerdict::kBetter:
      return "better";
    case CompareVerdict::kWorse:
      return "worse";
    case CompareVerdict::kChanged:
      return "changed";
    case CompareVerdict::kIndistinguishable:
      return "indistinguishable";
  }
  return "unknown";
}

int64_t LoadComparison::Count(CompareVerdict verdict) const {
  if (undecided()) return 0;
  return std::count_if(metrics.begin(), metrics.end(), [verdict](const MetricComparison& metric) {
    return metric.verdict == verdict && metric.known();
  });
}

bool LoadComparison::different() const {
  return std::any_of(metrics.begin(), metrics.end(), [](const MetricComparison& metric) {
    return metric.verdict != CompareVerdict::kIndistinguishable;
  });
}

absl::StatusOr<LoadComparison> CompareLoads(const LoadFile& a, const LoadFile& b,
                                            const CompareLoadsOptions& options) {
  for (const LoadFile* file : {&a, &b}) {
    if (file->record.repetitions.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          file == &a ? "A" : "B", " holds no repetition of its load: run the load again"));
    }
  }
  const ResampledLoad load_a(a, options);
  const ResampledLoad load_b(b, options);
  LoadComparison comparison;
  comparison.a = load_a.summary();
  comparison.b = load_b.summary();
  comparison.differences = DifferencesOf(a, b);
  const double machine =
      MachineAllowance(a.record, b.record, comparison.a.whole && comparison.b.whole);
  comparison.machine_change = std::expm1(machine);
  comparison.metrics = NameMetrics(load_a.rounds());
  std::vector<SpreadContrast> contrasts;
  for (size_t i = 0; i < comparison.metrics.size(); ++i) {
    contrasts.push_back(ContrastSpreads(load_a.spread(i), load_b.spread(i)));
    comparison.tested += contrasts.back().uncertain() ? 1 : 0;
  }
  const double miss =
      (1 - comparison.level) / static_cast<double>(std::max<int64_t>(1, comparison.tested));
  for (size_t i = 0; i < comparison.metrics.size(); ++i) {
    comparison.metrics[i].a = load_a.spread(i).value;
    comparison.metrics[i].b = load_b.spread(i).value;
    FillMetric(contrasts[i], miss, machine, &comparison.metrics[i]);
    if (!comparison.undecided()) {
      comparison.metrics[i].verdict = JudgeChange(comparison.metrics[i]);
    }
  }
  return comparison;
}

}  // namespace plumbline
