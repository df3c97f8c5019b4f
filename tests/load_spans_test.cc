// Requests' lives in spans, and how many of them there were when.
#include "tools/load_spans.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/hand_made_load.h"
#include "tests/support/load_runs.h"
#include "tools/load_levels.h"
#include "tools/load_timing.h"

namespace plumbline::load_spans_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Kind = LoadSpanKind;

double SumOf(const std::vector<RequestSpan>& spans, Kind kind) {
  double sum = 0;
  for (const RequestSpan& span : spans) {
    if (span.kind == kind) sum += span.end_seconds - span.start_seconds;
  }
  return sum;
}

void ExpectSpansTouch(const std::vector<RequestSpan>& spans) {
  for (size_t i = 0; i < spans.size(); ++i) {
    EXPECT_LT(spans[i].start_seconds, spans[i].end_seconds);
    if (i == 0) continue;
    EXPECT_EQ(spans[i].start_seconds, spans[i - 1].end_seconds);
  }
}

TEST(LoadSpans, TellEveryPartOfALife) {
  const LoadRecord record = HandMadeLoad();
  const RepetitionRecord& run = record.repetitions[0];
  const StepIndex index(run.steps);
  const auto life = [&](size_t i) { return LifeSpans(run.requests[i], index, run.end_seconds); };
  EXPECT_THAT(
      life(0),
      ElementsAre(RequestSpan{Kind::kQueue, 0.5, 1}, RequestSpan{Kind::kPrefill, 1, 2, 8, 0},
                  RequestSpan{Kind::kStalled, 2, 3}, RequestSpan{Kind::kPrefill, 3, 4, 4, 8},
                  RequestSpan{Kind::kStalled, 4, 5.5}, RequestSpan{Kind::kPreempted, 5.5, 6},
                  RequestSpan{Kind::kPrefill, 6, 8, 16, 0}, RequestSpan{Kind::kDecode, 8, 9, 1},
                  RequestSpan{Kind::kStalled, 9, 10}, RequestSpan{Kind::kDecode, 10, 12, 2}));
  // Evicted, and never back: preempted until its end.
  EXPECT_THAT(
      life(1),
      ElementsAre(RequestSpan{Kind::kQueue, 0.25, 2}, RequestSpan{Kind::kPrefill, 2, 3, 16, 0},
                  RequestSpan{Kind::kDecode, 3, 4.5, 2}, RequestSpan{Kind::kPreempted, 4.5, 7}));
  EXPECT_THAT(life(2), IsEmpty());
  EXPECT_THAT(life(3), ElementsAre(RequestSpan{Kind::kQueue, 3, 9}));
  EXPECT_THAT(life(4), ElementsAre(RequestSpan{Kind::kQueue, 10, 14}));
}

TEST(LoadSpans, UpToTheFirstTokenAddUpToItExactly) {
  const LoadRecord record = HandMadeLoad();
  const RepetitionRecord& run = record.repetitions[0];
  const std::vector<RequestSpan> spans = FirstTokenSpans(run.requests[0], run.steps);
  const RequestTiming timing = TimingOf(run.requests[0], run.steps);
  EXPECT_EQ(timing.ttft, 7.5);
  EXPECT_EQ(SumOf(spans, Kind::kQueue), timing.queue);
  EXPECT_EQ(SumOf(spans, Kind::kPrefill), timing.prefill);
  EXPECT_EQ(SumOf(spans, Kind::kStalled), timing.stalled);
  EXPECT_EQ(SumOf(spans, Kind::kPreempted), timing.preempted);
  EXPECT_EQ(timing.queue + timing.prefill + timing.stalled + timing.preempted, timing.ttft);
  EXPECT_EQ(spans.front().start_seconds, run.requests[0].intended_seconds);
  EXPECT_EQ(spans.back().end_seconds, run.requests[0].token_seconds[0]);
}

TEST(LoadSpans, CutRequestsWithoutAToken) {
  const LoadRecord record = HandMadeLoad();
  RepetitionRecord run = record.repetitions[0];
  RequestRecord& request = run.requests[0];
  request.token_seconds.clear();
  request.outcome = LoadOutcome::kCancelled;
  const StepIndex index(run.steps);
  const std::vector<RequestSpan> spans = LifeSpans(request, index, run.end_seconds);
  ExpectSpansTouch(spans);
  ASSERT_FALSE(spans.empty());
  EXPECT_EQ(spans.back().end_seconds, request.finish_seconds);
  EXPECT_EQ(SumOf(spans, Kind::kPrefill), 4);
  EXPECT_EQ(SumOf(spans, Kind::kDecode), 0);
  EXPECT_THAT(FirstTokenSpans(request, run.steps), IsEmpty());
}

TEST(LoadSpans, WithoutStepsTheFirstTokenIsNotSplit) {
  RequestRecord request;
  request.intended_seconds = 1;
  request.token_seconds = {3, 4, 6};
  request.finish_seconds = 6;
  request.outcome = LoadOutcome::kCompleted;
  EXPECT_THAT(LifeSpans(request, StepIndex({}), 9),
              ElementsAre(RequestSpan{Kind::kUnsplit, 1, 3}, RequestSpan{Kind::kDecode, 3, 6, 2}));
}

TEST(LoadSpans, OfARunTouchFromSendToEnd) {
  // A cache that makes requests give way, on several replicas.
  SimulationOptions options = EvenSteps(0.25);
  options.num_blocks = 6;
  options.replicas = 2;
  WorkloadOptions small = SmallRequests("poisson:4", 60);
  small.prompt = *LengthDistribution::Parse("uniform:1,40");
  small.output = *LengthDistribution::Parse("uniform:1,30");
  const auto workload = LoadWorkload::Build(small, nullptr);
  ASSERT_TRUE(workload.ok()) << workload.status();
  const RepetitionRecord run = DriveToEnd(*workload, Simulated(options));
  const StepIndex index(run.steps);
  size_t preemptions = 0;
  for (const RequestRecord& request : run.requests) {
    const std::vector<RequestSpan> spans = LifeSpans(request, index, run.end_seconds);
    ExpectSpansTouch(spans);
    ASSERT_FALSE(spans.empty());
    EXPECT_EQ(spans.front().start_seconds, request.intended_seconds);
    EXPECT_EQ(spans.back().end_seconds, request.finish_seconds);
    preemptions += request.preemptions.size();
    int64_t tokens = 0;
    for (const RequestSpan& span : spans) {
      if (span.kind == Kind::kDecode) tokens += span.tokens;
    }
    EXPECT_LT(tokens, request.output_tokens);
    if (!request.preemptions.empty()) continue;
    EXPECT_EQ(tokens, request.output_tokens - 1);
  }
  EXPECT_GT(preemptions, 0u);
}

TEST(LoadLevels, CountWhoRunsAndWaits) {
  const LoadRecord record = HandMadeLoad();
  const auto by_replica = LevelsByReplica(record.repetitions[0]);
  ASSERT_EQ(by_replica.size(), 1u);
  const LoadLevels& levels = by_replica.at(0);
  // Request 0 runs from 1 to 5.5 and from 6 to 12, request 1 from 2 to 4.5.
  EXPECT_THAT(levels.running, ElementsAre(LevelPoint{1, 1}, LevelPoint{2, 2}, LevelPoint{4.5, 1},
                                          LevelPoint{5.5, 0}, LevelPoint{6, 1}, LevelPoint{12, 0}));
  EXPECT_THAT(levels.waiting, ElementsAre(LevelPoint{0.25, 1}, LevelPoint{0.5, 2}, LevelPoint{1, 1},
                                          LevelPoint{2, 0}, LevelPoint{3, 1}, LevelPoint{4.5, 2},
                                          LevelPoint{5.5, 3}, LevelPoint{6, 2}, LevelPoint{7, 1},
                                          LevelPoint{9, 0}, LevelPoint{10, 1}, LevelPoint{14, 0}));
  // Nobody ran between 5.5 and 6; between 11 and 11.5 one did.
  EXPECT_THAT(levels.blocks, ElementsAre(LevelPoint{1, 4}, LevelPoint{5.5, 0}, LevelPoint{6, 4},
                                         LevelPoint{12, 0}));
  const LoadLevels total = TotalLevels({{0, levels}, {3, levels}});
  ASSERT_EQ(total.running.size(), levels.running.size());
  EXPECT_EQ(total.running[1], (LevelPoint{2, 4}));
}

TEST(LoadLevels, MeansWeighByTime) {
  const Levels levels = {{1, 4}, {1.5, 0}, {3, 2}};
  EXPECT_THAT(MeanLevels(levels, 4, 4),
              ElementsAre(LevelPoint{0, 0}, LevelPoint{1, 2}, LevelPoint{2, 0}, LevelPoint{3, 2}));
  EXPECT_THAT(MeanLevels(levels, 4, 1), ElementsAre(LevelPoint{0, 1}));
  EXPECT_THAT(MeanLevels({}, 0, 2), ElementsAre(LevelPoint{0, 0}, LevelPoint{0, 0}));
}

}  // namespace
}  // namespace plumbline::load_spans_test
