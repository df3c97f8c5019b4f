// Figures that follow from records made by hand.
#include "tools/load_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/load_timing.h"

namespace plumbline::load_metrics_test {
namespace {

using testing::HasSubstr;

// A request that is scheduled at once, with a token `ttft` after its send and every `gap` then.
RequestRecord Request(int64_t id, double intended, double ttft, double gap, int tokens) {
  RequestRecord request;
  request.id = id;
  request.prompt_tokens = 10;
  request.output_tokens = tokens;
  request.intended_seconds = request.sent_seconds = request.first_scheduled_seconds = intended;
  for (int i = 0; i < tokens; ++i) request.token_seconds.push_back(intended + ttft + gap * i);
  request.finish_seconds = request.token_seconds.back();
  request.outcome = LoadOutcome::kCompleted;
  return request;
}

LoadRecord Record(std::vector<RequestRecord> requests) {
  LoadRecord record;
  record.blocks = 100;
  record.block_tokens = 16;
  RepetitionRecord& repetition = record.repetitions.emplace_back();
  for (const RequestRecord& request : requests) {
    repetition.end_seconds = std::max(repetition.end_seconds, request.finish_seconds);
  }
  repetition.requests = std::move(requests);
  return record;
}

TEST(LoadTiming, FirstTokenSplitsIntoItsParts) {
  // Intended at 1, scheduled at 3. Steps with its tokens: 3 to 4, 6 to 8, 11 to 12; in 4 to 6 it
  // held its blocks and another ran; evicted at 8.5, back at 11.
  std::vector<StepRecord> steps(4);
  const std::vector<std::pair<double, double>> times = {{3, 4}, {4.5, 6}, {6, 8}, {11, 12}};
  for (size_t i = 0; i < 4; ++i) {
    steps[i].start_seconds = times[i].first;
    steps[i].end_seconds = times[i].second;
  }
  RequestRecord request = Request(0, 1, 11, 0.5, 3);
  request.first_scheduled_seconds = 3;
  request.chunks = {{0, 0, 4}, {2, 4, 4}, {3, 0, 9}};
  request.preemptions = {{8.5, 11}};
  const RequestTiming timing = TimingOf(request, steps);
  EXPECT_EQ(timing.ttft, 11);
  EXPECT_EQ(timing.queue, 2);
  EXPECT_EQ(timing.prefill, 1 + 2 + 1);
  EXPECT_EQ(timing.preempted, 2.5);
  EXPECT_EQ(timing.stalled, 2 + 0.5);
  EXPECT_EQ(timing.e2e, 12);
  EXPECT_EQ(timing.tpot, 0.5);
  // A target without steps has no parts.
  request.first_scheduled_seconds = -1;
  request.chunks.clear();
  EXPECT_EQ(TimingOf(request, {}).ttft, 11);
  EXPECT_EQ(TimingOf(request, {}).queue, -1);
}

TEST(LoadTiming, PartsAddUpWhateverHappened) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> length(0, 1);
  for (int run = 0; run < 200; ++run) {
    std::vector<StepRecord> steps;
    RequestRecord request;
    double now = request.intended_seconds = length(random);
    now += length(random);
    request.first_scheduled_seconds = now;
    bool evicted = false;
    for (int i = 0; i < 12; ++i) {
      StepRecord& step = steps.emplace_back();
      step.start_seconds = now;
      step.end_seconds = now += length(random);
      const bool mine = i == 0 || i == 11 || random() % 2 == 0;
      if (mine) {
        if (evicted) request.preemptions.back().resumed_seconds = step.start_seconds;
        evicted = false;
        request.chunks.push_back({i, 0, 1});
      } else if (!evicted && random() % 2 == 0) {
        evicted = true;
        request.preemptions.push_back({step.start_seconds, -1});
      }
      if (i < 11) now += random() % 3 == 0 ? length(random) : 0;
    }
    request.token_seconds = {now};
    const RequestTiming timing = TimingOf(request, steps);
    EXPECT_NEAR(timing.queue + timing.prefill + timing.stalled + timing.preempted, timing.ttft,
                1e-12);
    EXPECT_GE(timing.stalled, 0);
  }
}

TEST(LoadSlo, ReadsGoals) {
  const auto slo = ParseSlo("ttft=0.5, itl=50ms,e2e=3s");
  ASSERT_TRUE(slo.ok()) << slo.status();
  EXPECT_EQ(slo->ttft, 0.5);
  EXPECT_EQ(slo->itl, 0.05);
  EXPECT_EQ(slo->e2e, 3);
  EXPECT_TRUE(std::isinf(slo->tpot));
  for (const auto& [text, why] :
       std::vector<std::pair<std::string, std::string>>{{"", "is no key"},
                                                        {"ttft", "no time"},
                                                        {"ttft=", "no time"},
                                                        {"ttft=0", "no time"},
                                                        {"ttft=-1", "no time"},
                                                        {"ttft=nan", "no time"},
                                                        {"ttft=inf", "no time"},
                                                        {"speed=1", "\"speed\" is no key"},
                                                        {"ttft=1,ttft=2", "comes twice"},
                                                        {"ttft=1,", "is no key"}}) {
    const auto bad = ParseSlo(text);
    ASSERT_FALSE(bad.ok()) << text;
    EXPECT_THAT(std::string(bad.status().message()), HasSubstr(why)) << text;
  }
}

TEST(LoadMetrics, GoodputCountsRequestsThatKeepEveryGoal) {
  std::vector<RequestRecord> requests;
  // 40 requests over 20 s: every fourth is slow to begin, every fifth slow to go on.
  requests.reserve(40);
  for (int i = 0; i < 40; ++i) {
    requests.push_back(Request(i, 0.5 * i, i % 4 == 0 ? 2 : 0.2, i % 5 == 0 ? 0.2 : 0.01, 3));
  }
  requests.back() = Request(39, 19.5, 0.3, 0.1, 3);
  const double seconds = 20.02;  // number 36, sent at 18, gets its tokens 2, 2.01 and 2.02 later
  const LoadRecord record = Record(std::move(requests));
  const LoadMetrics metrics = ComputeMetrics(record, *ParseSlo("ttft=1,itl=0.05"));
  int good = 0;
  for (int i = 0; i < 39; ++i) good += i % 4 != 0 && i % 5 != 0 ? 1 : 0;
  EXPECT_EQ(metrics.rounds.good, good);
  EXPECT_EQ(metrics.rounds.measured, 40);
  EXPECT_NEAR(metrics.Figure("goodput").value.value, good / seconds, 1e-12);
  EXPECT_NEAR(metrics.Figure("good").value.value, good / 40.0, 1e-12);
  EXPECT_NEAR(metrics.Figure("requests").value.value, 40 / seconds, 1e-12);
  EXPECT_NEAR(metrics.Figure("output").value.value, 120 / seconds, 1e-12);
  EXPECT_NEAR(metrics.Figure("input").value.value, 400 / seconds, 1e-12);
  EXPECT_LT(metrics.Figure("goodput").value.low, good / seconds);
  EXPECT_GT(metrics.Figure("goodput").value.high, good / seconds);
}

TEST(LoadMetrics, RunningAndWaitingAreTheirAveragesOverTime) {
  RequestRecord a = Request(0, 0, 4, 1, 5);  // 0 to 8
  RequestRecord b = Request(1, 2, 6, 2, 2);  // 2 to 10, scheduled at 5, away from 8 to 9
  b.first_scheduled_seconds = 5;
  b.preemptions = {{8, 9}};
  const LoadMetrics metrics = ComputeMetrics(Record({a, b}), {});
  EXPECT_NEAR(metrics.Figure("running").value.value, (8 + 4) / 10.0, 1e-12);
  EXPECT_NEAR(metrics.Figure("waiting").value.value, (3 + 1) / 10.0, 1e-12);
  EXPECT_NEAR(metrics.Figure("preemptions").value.value, 0.5, 1e-12);
}

TEST(LoadMetrics, WarmUpIsLeftOut) {
  std::vector<RequestRecord> requests;
  requests.reserve(40);
  for (int i = 0; i < 40; ++i) requests.push_back(Request(i, i, i < 10 ? 9 : 1, 1, 2));
  LoadRecord record = Record(std::move(requests));
  record.repetitions[0].warm_up_seconds = 10;
  const LoadMetrics metrics = ComputeMetrics(record, {});
  EXPECT_EQ(metrics.rounds.measured, 30);
  EXPECT_EQ(metrics.Distribution("ttft").max, 1);
  EXPECT_EQ(metrics.Distribution("ttft").mean.value, 1);
}

TEST(LoadMetrics, PercentilesNeedTenSamplesBeyondThem) {
  for (const int count : {19, 20, 99, 100, 199, 200, 999, 1000}) {
    std::vector<RequestRecord> requests;
    requests.reserve(count);
    for (int i = 0; i < count; ++i) requests.push_back(Request(i, i, 1 + i % 7, 1, 1));
    const LoadMetrics metrics = ComputeMetrics(Record(std::move(requests)), {});
    const LoadDistribution& ttft = metrics.Distribution("ttft");
    EXPECT_EQ(ttft.samples, count);
    EXPECT_EQ(ttft.percentiles[0].known(), count >= 20) << count;
    EXPECT_EQ(ttft.percentiles[1].known(), count >= 100) << count;
    EXPECT_EQ(ttft.percentiles[2].known(), count >= 200) << count;
    EXPECT_EQ(ttft.percentiles[3].known(), count >= 1000) << count;
    EXPECT_FALSE(metrics.Distribution("itl").mean.known());  // one token has no gap
  }
}

TEST(LoadMetrics, WeightedQuantilesAreThoseOfTheRepeatedSamples) {
  std::mt19937_64 random(5);
  const std::vector<double> shares = {0, 0.5, 0.5, 0.9, 0.91, 0.95, 0.99, 1};
  for (int run = 0; run < 100; ++run) {
    LoadSamples samples;
    for (int i = 0; i < 30; ++i) {
      samples.values.push_back(static_cast<double>(random() % 20));
      samples.rounds.push_back(static_cast<int64_t>(random() % 5));
    }
    std::vector<int64_t> weights(5);
    for (int64_t& weight : weights) weight = static_cast<int64_t>(random() % 3);
    std::vector<double> repeated;
    for (size_t i = 0; i < samples.values.size(); ++i) {
      repeated.insert(repeated.end(), static_cast<size_t>(weights[samples.rounds[i]]),
                      samples.values[i]);
    }
    std::vector<size_t> order(samples.values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return samples.values[a] < samples.values[b]; });
    const std::vector<double> quantiles = WeightedQuantiles(samples, order, weights, shares);
    for (size_t s = 0; s < shares.size(); ++s) {
      const double wanted = Quantile(repeated, shares[s]);
      if (repeated.empty()) {
        EXPECT_TRUE(std::isnan(quantiles[s]));
      } else {
        EXPECT_NEAR(quantiles[s], wanted, 1e-9) << run << " " << shares[s];
      }
    }
  }
}

TEST(LoadMetrics, StepsGiveCacheWasteAndPrediction) {
  LoadRecord record = Record({Request(0, 0, 1, 1, 4)});
  for (int i = 0; i < 4; ++i) {
    StepRecord step;
    step.start_seconds = i;
    step.end_seconds = i + 1;
    step.predicted_seconds = i < 2 ? 0.8 : -1;
    step.blocks_used = 10 * (i + 1);
    step.cached_tokens = 150;
    step.waste_tokens = 3 * i;
    record.repetitions[0].steps.push_back(step);
  }
  const LoadMetrics metrics = ComputeMetrics(record, {});
  EXPECT_NEAR(metrics.Figure("cache").value.value, 0.25, 1e-12);
  EXPECT_NEAR(metrics.Figure("waste").value.value, 18.0 / 600, 1e-12);
  EXPECT_NEAR(metrics.Figure("prediction").value.value, 1.25, 1e-12);
}

TEST(LoadMetrics, RepetitionsThatDriftedAreDiscardedWhereOthersDidNot) {
  LoadRecord record;
  for (int r = 0; r < 4; ++r) {
    record.repetitions.push_back(Record({Request(0, 0, r + 1, 1, 2)}).repetitions[0]);
    record.repetitions[r].anchors_before = Anchors{1e9, 1e9};
    record.repetitions[r].anchors_after = Anchors{r == 3 ? 0.85e9 : 0.95e9, 1e9};
  }
  EXPECT_NEAR(AnchorDrift(record.repetitions[3]), 0.15, 1e-12);
  const LoadMetrics metrics = ComputeMetrics(record, {});
  EXPECT_EQ(metrics.rounds.discarded, 1);
  EXPECT_EQ(metrics.rounds.rounds, 3);  // repetitions are resampled
  EXPECT_EQ(metrics.Distribution("ttft").max, 3);
  EXPECT_EQ(metrics.Distribution("ttft").mean.value, 2);
  record.repetitions.erase(record.repetitions.begin(), record.repetitions.begin() + 3);
  EXPECT_EQ(ComputeMetrics(record, {}).Distribution("ttft").max, 4);
}

TEST(LoadMetrics, CancelledRequestsSayNothingOfLatency) {
  RequestRecord cut = Request(1, 0, 50, 1, 3);
  cut.outcome = LoadOutcome::kCancelled;
  RequestRecord refused = Request(2, 0, 50, 1, 1);
  refused.outcome = LoadOutcome::kRefused;
  refused.token_seconds.clear();
  const LoadMetrics metrics = ComputeMetrics(Record({Request(0, 0, 1, 1, 3), cut, refused}), {});
  EXPECT_EQ(metrics.Distribution("ttft").max, 1);
  EXPECT_EQ(metrics.rounds.measured, 2);
  EXPECT_NEAR(metrics.Figure("good").value.value, 0.5, 1e-12);
}

TEST(LoadMetrics, WarmUpEndsWhereTheRunningOnesAreStable) {
  // Requests of 10 s every 0.1 s: the number that runs rises for 10 s to 100.
  std::vector<RequestRecord> requests;
  requests.reserve(1000);
  for (int i = 0; i < 1000; ++i) requests.push_back(Request(i, 0.1 * i, 9, 1, 2));
  const double found = FindWarmUp(Record(std::move(requests)).repetitions[0]);
  EXPECT_GE(found, 7.5);
  EXPECT_LE(found, 12.5);
  std::vector<RequestRecord> few;
  few.reserve(20);
  for (int i = 0; i < 20; ++i) few.push_back(Request(i, i, 1, 1, 2));
  EXPECT_EQ(FindWarmUp(Record(std::move(few)).repetitions[0]), 0);
}

}  // namespace
}  // namespace plumbline::load_metrics_test
