#include "tools/load_charts.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/load_timing.h"

namespace plumbline {
namespace {

constexpr double kStepTolerance = 0.1;  // the band around what was predicted

// `most` evenly chosen indices below `count`, the first and the last among them; all, where there
// are no more.
std::vector<size_t> EvenlyChosen(size_t count, size_t most) {
  std::vector<size_t> chosen;
  const size_t number = std::min(count, most);
  chosen.reserve(number);
  for (size_t i = 0; i < number; ++i) {
    chosen.push_back(number < 2 ? 0 : i * (count - 1) / (number - 1));
  }
  return chosen;
}

ChartSeries LatencySeries(const char* label, int style, std::vector<double> values) {
  constexpr size_t kMostSamples = 1000;
  constexpr size_t kTail = 10;
  std::sort(values.begin(), values.end());
  ChartSeries series = {.shape = SeriesShape::kSteps, .style = style};
  const size_t count = values.size();
  std::vector<size_t> ranks = EvenlyChosen(count, kMostSamples);
  for (size_t rank = count - std::min(count, kTail); rank < count; ++rank) ranks.push_back(rank);
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  if (count > 0) series.marks.push_back({values[0], 0});
  bool named = false;
  for (const size_t rank : ranks) {
    ChartMark& mark = series.marks.emplace_back();
    mark.x = values[rank];
    mark.y = 100 * static_cast<double>(rank + 1) / static_cast<double>(count);
    if (named || mark.y < 50) continue;
    mark.label = label;
    named = true;
  }
  return series;
}

bool IsMeasured(const RequestRecord& request, const RepetitionRecord& repetition) {
  return request.outcome == LoadOutcome::kCompleted &&
         request.intended_seconds >= repetition.warm_up_seconds;
}

// Two digits of it.
std::string ShareText(double share) {
  if (share < 0.001) return "<0.1%";
  return share < 0.0995 ? absl::StrFormat("%.2g%%", 100 * share)
                        : absl::StrFormat("%.0f%%", 100 * share);
}

}  // namespace

Chart LatencyChart(absl::Span<const LoadSamples> samples) {
  struct Shown {
    const char* name;
    const char* label;
  };
  constexpr std::array<Shown, 3> kShown = {
      {{"itl", "between tokens"}, {"ttft", "first token"}, {"e2e", "end to end"}}};
  Chart chart;
  chart.title = "Latencies";
  chart.description =
      "Share of the samples that took at most so long: time to the first token, time between "
      "tokens, and end to end. The time axis is logarithmic.";
  chart.x = {.label = "Time", .unit = "s", .scale = AxisScale::kLog10};
  chart.y = {.label = "Share that took no longer", .unit = "%", .low = 0, .high = 100};
  for (size_t i = 0; i < kShown.size(); ++i) {
    const auto found = std::find_if(samples.begin(), samples.end(), [&](const LoadSamples& kind) {
      return kind.name == kShown[i].name;
    });
    if (found == samples.end() || found->values.empty()) continue;
    chart.series.push_back(LatencySeries(kShown[i].label, static_cast<int>(i), found->values));
  }
  return chart;
}

std::vector<FirstTokenTime> FirstTokenTimes(const LoadRecord& record) {
  std::vector<FirstTokenTime> times;
  for (const RepetitionRecord* repetition : CountedRepetitions(record)) {
    for (const RequestRecord& request : repetition->requests) {
      if (!IsMeasured(request, *repetition)) continue;
      const RequestTiming timing = TimingOf(request, repetition->steps);
      if (timing.ttft < 0 || timing.queue < 0) continue;
      times.push_back({repetition - record.repetitions.data(),
                       request.id,
                       request.prompt_tokens,
                       request.intended_seconds,
                       timing.ttft,
                       {timing.queue, timing.prefill, timing.stalled, timing.preempted}});
    }
  }
  std::stable_sort(
      times.begin(), times.end(),
      [](const FirstTokenTime& a, const FirstTokenTime& b) { return a.ttft < b.ttft; });
  return times;
}

Chart WaterfallChart(absl::Span<const FirstTokenTime> times) {
  constexpr double kHalfWidth = 0.46;
  Chart chart;
  chart.title = "Time to the first token, by request";
  chart.description =
      "One bar for each request, from the fastest to the slowest, cut into time in the queue, in "
      "prefill, stalled and preempted.";
  const std::vector<size_t> ranks = EvenlyChosen(times.size(), kMostWaterfallBars);
  const auto last = static_cast<double>(ranks.empty() ? 0 : ranks.size() - 1);
  chart.x = {.label = "Requests, the fastest first", .low = -0.6 - 0.04 * last, .high = last + 0.6};
  if (ranks.size() > 1) {
    chart.x.ticks = {{0, "fastest"}, {last / 2, "median"}, {last, "slowest"}};
  }
  chart.y = {.label = "Time to the first token", .unit = "s", .low = 0};
  chart.height_px = 500;
  std::vector<double> below(ranks.size(), 0);
  double all = 0;
  for (const FirstTokenTime& time : times) all += time.ttft;
  for (size_t part = 0; part < kFirstTokenParts.size(); ++part) {
    double sum = 0;
    for (const FirstTokenTime& time : times) sum += time.parts[part];
    if (!(sum > 0)) continue;
    ChartSeries series = {.shape = SeriesShape::kBoxes, .style = static_cast<int>(part)};
    series.label = absl::StrCat(kFirstTokenParts[part], " ", ShareText(sum / all));
    for (size_t i = 0; i < ranks.size(); ++i) {
      const double top = below[i] + times[ranks[i]].parts[part];
      const auto at = static_cast<double>(i);
      // The label stands beside the last bar, also where it has nothing of the part.
      if (top > below[i] || i + 1 == ranks.size()) {
        series.boxes.push_back({at - kHalfWidth, at + kHalfWidth, below[i], top});
      }
      below[i] = top;
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::vector<PredictedSeries> PredictedSteps(const LoadRecord& record) {
  std::array<std::vector<ChartMark>, 2> marks;
  for (const RepetitionRecord* repetition : CountedRepetitions(record)) {
    for (const StepRecord& step : repetition->steps) {
      if (step.predicted_seconds < 0) continue;
      marks[step.prompt_tokens > 0 ? 0 : 1].push_back(
          {step.predicted_seconds, step.end_seconds - step.start_seconds});
    }
  }
  std::vector<PredictedSeries> series;
  constexpr std::array<const char*, 2> kNames = {"steps with prompt tokens", "decode alone"};
  for (size_t kind = 0; kind < marks.size(); ++kind) {
    if (marks[kind].empty()) continue;
    PredictedSeries& one = series.emplace_back();
    one.label = kNames[kind];
    one.style = static_cast<int>(kind);
    for (const size_t i : EvenlyChosen(marks[kind].size(), kMostStepMarks)) {
      one.marks.push_back(marks[kind][i]);
    }
  }
  return series;
}

Chart PredictedStepsChart(absl::Span<const PredictedSeries> series) {
  Chart chart = AgreementChart(series, kStepTolerance, "time of a step", "s");
  chart.title = "Measured against predicted steps";
  chart.description =
      "Each point is one step; on the diagonal both agree, and the grey band is 10% either way. "
      "Both axes are logarithmic.";
  return chart;
}

}  // namespace plumbline
