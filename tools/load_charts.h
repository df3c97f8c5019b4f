// The pictures of a load test. Many values are thinned, so that a picture stays small however long
// the run; each function says how.
#ifndef PLUMBLINE_TOOLS_LOAD_CHARTS_H_
#define PLUMBLINE_TOOLS_LOAD_CHARTS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/chart.h"
#include "tools/chart_kinds.h"
#include "tools/load_levels.h"
#include "tools/load_record.h"
#include "tools/load_samples.h"

namespace plumbline {

// Share of the samples that are at most so long: to the first token, between tokens, end to end.
// Of more than a thousand samples evenly chosen ranks are drawn, and the ten longest. Kinds without
// samples are left out.
Chart LatencyChart(absl::Span<const LoadSamples> samples);

// The time to the first token of one request.
struct FirstTokenTime {
  int64_t repetition = 0;  // index
  int64_t request = 0;     // its id
  int64_t prompt_tokens = 0;
  double intended_seconds = 0;
  double ttft = 0;
  std::array<double, 4> parts = {};  // kFirstTokenParts; they add up to ttft
};
inline constexpr std::array<const char*, 4> kFirstTokenParts = {"queue", "prefill", "stalled",
                                                                "preempted"};
// Of requests that completed, after warm-up, in repetitions that count, where the target tells
// steps; the fastest first.
std::vector<FirstTokenTime> FirstTokenTimes(const LoadRecord& record);

inline constexpr size_t kMostWaterfallBars = 60;
// One bar for each request, its parts on top of each other; of more than kMostWaterfallBars,
// evenly chosen ranks. Labels tell each part's share of all `times`. REQUIRES: fastest first.
Chart WaterfallChart(absl::Span<const FirstTokenTime> times);

inline constexpr int kLevelParts = 240;
inline constexpr size_t kMostLevelPoints = 120;
// Of more than kMostLevelPoints changes, means over kLevelParts parts of the time are drawn.
bool DrawsMeans(const Levels& levels);
// Requests running and waiting over time. `warm_up_seconds` is marked where it is above 0.
Chart RunningWaitingChart(const LoadLevels& levels, double end_seconds, double warm_up_seconds);
// Share of `all_blocks` held over time. REQUIRES: all_blocks > 0.
Chart CacheChart(const Levels& blocks, double all_blocks, double end_seconds);

// Of each of kStallParts equal parts of the time, by when its gaps ended: the longest gap between
// two tokens of any request, and the median of all.
inline constexpr int kStallParts = 80;
struct StallPart {
  double seconds = 0;  // when the longest one ended
  double longest = 0;
  int64_t request = 0;   // whose
  double median_at = 0;  // middle of the part
  double median = 0;
};
// Parts in which no gap ended are left out.
std::vector<StallPart> FindStalls(const RepetitionRecord& repetition);
// `itl_target_seconds` is drawn as a line.
Chart StallChart(absl::Span<const StallPart> stalls, std::optional<double> itl_target_seconds);

// Measured against predicted steps, with and without prompt tokens. Of more than kMostStepMarks of
// a kind, evenly chosen ones.
inline constexpr size_t kMostStepMarks = 300;
std::vector<PredictedSeries> PredictedSteps(const LoadRecord& record);
Chart PredictedStepsChart(absl::Span<const PredictedSeries> series);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_CHARTS_H_
