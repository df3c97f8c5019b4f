#include "tools/load_samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "tools/load_timing.h"

namespace plumbline {
namespace {

constexpr int64_t kTimeBlocks = 20;
constexpr int64_t kFewestRepetitions = 3;  // that are resampled as a whole

enum LoadSampleKind : size_t {
  kTtft,
  kQueue,
  kPrefill,
  kStalled,
  kPreempted,
  kItl,
  kTpot,
  kE2e,
  kNumSamples
};
constexpr std::array<const char*, kNumSamples> kSampleNames = {
    "ttft", "queue", "prefill", "stalled", "preempted", "itl", "tpot", "e2e"};

enum LoadRatioKind : size_t {
  kRequests,
  kGoodput,
  kGood,
  kOutput,
  kInput,
  kRunning,
  kWaiting,
  kCache,
  kWaste,
  kHits,
  kPreemptions,
  kPrediction,
  kNumRatios
};
struct RatioKindName {
  const char* name;
  const char* unit;
  int better;
};
constexpr std::array<RatioKindName, kNumRatios> kRatioNames = {{{"requests", "/s", 1},
                                                                {"goodput", "/s", 1},
                                                                {"good", "share", 1},
                                                                {"output", "tokens/s", 1},
                                                                {"input", "tokens/s", 1},
                                                                {"running", "requests", 0},
                                                                {"waiting", "requests", -1},
                                                                {"cache", "share", 0},
                                                                {"waste", "share", -1},
                                                                {"hits", "share", 1},
                                                                {"preemptions", "/request", -1},
                                                                {"prediction", "ratio", 0}}};

// Rounds of one repetition: equal parts of its measured time.
class RoundWindows {
 public:
  RoundWindows(const RepetitionRecord& repetition, int64_t first, int64_t count)
      : first_(first),
        count_(count),
        start_(repetition.warm_up_seconds),
        length_(std::max(0.0, repetition.end_seconds - start_) / static_cast<double>(count)) {}

  double length() const { return length_; }
  bool Holds(double seconds) const { return seconds >= start_; }
  // Of a moment that is held; what lies past the end belongs to the last.
  size_t RoundOf(double seconds) const {
    const double place = length_ > 0 ? (seconds - start_) / length_ : 0;
    const double last = static_cast<double>(count_ - 1);
    return static_cast<size_t>(first_) + static_cast<size_t>(std::clamp(place, 0.0, last));
  }
  // Adds to each round the time that the interval has in it.
  void AddOverlap(double from, double to, double sign, std::vector<double>* sums) const {
    from = std::max(from, start_);
    if (!(to > from) || length_ <= 0) return;
    for (size_t round = RoundOf(from); round <= RoundOf(to); ++round) {
      const double begin =
          start_ + length_ * static_cast<double>(round - static_cast<size_t>(first_));
      (*sums)[round] += sign * std::max(0.0, std::min(to, begin + length_) - std::max(from, begin));
    }
  }
  size_t begin() const { return static_cast<size_t>(first_); }
  size_t end() const { return static_cast<size_t>(first_ + count_); }

 private:
  int64_t first_;
  int64_t count_;
  double start_;
  double length_;
};

class RoundCollector {
 public:
  RoundCollector(const LoadRecord& record, const LoadSlo& slo, int64_t rounds)
      : record_(record), slo_(slo) {
    result_.rounds = rounds;
    for (const char* name : kSampleNames) result_.samples.push_back({name, {}, {}});
    const std::vector<double> zeroes(static_cast<size_t>(rounds), 0.0);
    for (const RatioKindName& kind : kRatioNames) {
      result_.ratios.push_back({kind.name, kind.unit, kind.better, zeroes, zeroes});
    }
  }

  void Add(const RepetitionRecord& repetition, const RoundWindows& windows) {
    for (const LoadRatioKind kind : {kRequests, kGoodput, kOutput, kInput, kRunning, kWaiting}) {
      for (size_t round = windows.begin(); round < windows.end(); ++round) {
        result_.ratios[kind].denominators[round] += windows.length();
      }
    }
    for (const RequestRecord& request : repetition.requests) {
      AddPresence(request, windows);
      if (request.outcome == LoadOutcome::kCancelled) continue;  // cut short by whoever watched
      if (windows.Holds(request.intended_seconds)) AddRequest(request, repetition, windows);
    }
    for (const StepRecord& step : repetition.steps) {
      if (windows.Holds(step.end_seconds)) AddStep(step, windows.RoundOf(step.end_seconds));
    }
  }

  LoadRounds Take() { return std::move(result_); }

 private:
  void Sample(LoadSampleKind kind, double value, size_t round) {
    if (value < 0) return;
    result_.samples[kind].values.push_back(value);
    result_.samples[kind].rounds.push_back(static_cast<int64_t>(round));
  }
  void Ratio(LoadRatioKind kind, double numerator, double denominator, size_t round) {
    result_.ratios[kind].numerators[round] += numerator;
    result_.ratios[kind].denominators[round] += denominator;
  }

  // Where the request was at which time, and when its tokens came: warm-up requests too, as far as
  // they reach into the measured time.
  void AddPresence(const RequestRecord& request, const RoundWindows& windows) {
    for (const double seconds : request.token_seconds) {
      if (windows.Holds(seconds)) Ratio(kOutput, 1, 0, windows.RoundOf(seconds));
    }
    if (!request.token_seconds.empty() && windows.Holds(request.token_seconds[0])) {
      Ratio(kInput, static_cast<double>(request.prompt_tokens), 0,
            windows.RoundOf(request.token_seconds[0]));
    }
    if (request.outcome == LoadOutcome::kCompleted && windows.Holds(request.finish_seconds)) {
      Ratio(kRequests, 1, 0, windows.RoundOf(request.finish_seconds));
    }
    const double end = request.finish_seconds;
    const double started =
        request.first_scheduled_seconds < 0 ? end : request.first_scheduled_seconds;
    std::vector<double>* running = &result_.ratios[kRunning].numerators;
    std::vector<double>* waiting = &result_.ratios[kWaiting].numerators;
    windows.AddOverlap(request.intended_seconds, started, 1, waiting);
    windows.AddOverlap(started, end, 1, running);
    for (const PreemptionRecord& gone : request.preemptions) {
      const double back = gone.resumed_seconds < 0 ? end : gone.resumed_seconds;
      windows.AddOverlap(gone.evicted_seconds, back, -1, running);
      windows.AddOverlap(gone.evicted_seconds, back, 1, waiting);
    }
  }

  void AddRequest(const RequestRecord& request, const RepetitionRecord& repetition,
                  const RoundWindows& windows) {
    const size_t round = windows.RoundOf(request.intended_seconds);
    const RequestTiming timing = TimingOf(request, repetition.steps);
    const bool good = Meets(slo_, request, timing);
    ++result_.measured;
    result_.good += good ? 1 : 0;
    Ratio(kGoodput, good ? 1 : 0, 0, round);
    Ratio(kGood, good ? 1 : 0, 1, round);
    if (request.first_scheduled_seconds >= 0) {
      Ratio(kHits, static_cast<double>(request.prefix_hit_tokens),
            static_cast<double>(request.prompt_tokens), round);
      Ratio(kPreemptions, static_cast<double>(request.preemptions.size()), 1, round);
    }
    if (request.outcome != LoadOutcome::kCompleted) return;
    ++result_.completed;
    Sample(kTtft, timing.ttft, round);
    Sample(kQueue, timing.queue, round);
    Sample(kPrefill, timing.prefill, round);
    Sample(kStalled, timing.stalled, round);
    Sample(kPreempted, timing.preempted, round);
    for (const double gap : GapsOf(request)) Sample(kItl, gap, round);
    Sample(kTpot, timing.tpot, round);
    Sample(kE2e, timing.e2e, round);
  }

  void AddStep(const StepRecord& step, size_t round) {
    const double seconds = step.end_seconds - step.start_seconds;
    Ratio(kCache, static_cast<double>(step.blocks_used) * seconds,
          static_cast<double>(record_.blocks) * seconds, round);
    Ratio(kWaste, static_cast<double>(step.waste_tokens), static_cast<double>(step.cached_tokens),
          round);
    if (step.predicted_seconds >= 0) Ratio(kPrediction, seconds, step.predicted_seconds, round);
  }

  const LoadRecord& record_;
  const LoadSlo& slo_;
  LoadRounds result_;
};

}  // namespace

std::vector<const RepetitionRecord*> CountedRepetitions(const LoadRecord& record) {
  std::vector<const RepetitionRecord*> counted;
  for (const int64_t i : SteadyRepetitions(record)) counted.push_back(&record.repetitions[i]);
  // Where all drifted, none is better than another.
  if (counted.empty()) {
    for (const RepetitionRecord& repetition : record.repetitions) counted.push_back(&repetition);
  }
  return counted;
}

LoadRounds CollectRounds(const LoadRecord& record, const LoadSlo& slo) {
  const std::vector<const RepetitionRecord*> counted = CountedRepetitions(record);
  const auto repetitions = static_cast<int64_t>(counted.size());
  const int64_t parts = repetitions >= kFewestRepetitions ? 1 : kTimeBlocks;
  RoundCollector collector(record, slo, repetitions * parts);
  for (int64_t i = 0; i < repetitions; ++i) {
    const RepetitionRecord& repetition = *counted[static_cast<size_t>(i)];
    collector.Add(repetition, RoundWindows(repetition, i * parts, parts));
  }
  LoadRounds rounds = collector.Take();
  rounds.discarded = static_cast<int64_t>(record.repetitions.size()) - repetitions;
  return rounds;
}

bool RoundsAreRepetitions(const LoadRecord& record, const LoadRounds& rounds) {
  // Where parts of the time are resampled, there are more of them than repetitions.
  return rounds.rounds == static_cast<int64_t>(record.repetitions.size()) - rounds.discarded;
}

}  // namespace plumbline
