// The loop that sends and the recorder that writes down, against times worked out on paper.
#include "tools/load_driver.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/load_runs.h"
#include "tools/load_timing.h"

namespace plumbline::load_driver_test {
namespace {

using testing::ElementsAre;

struct Ask {
  double seconds;
  int64_t prompt;
  int64_t output;
};

// A workload of just these requests.
LoadWorkload Asks(const std::vector<Ask>& asks) {
  Trace trace;
  for (const Ask& ask : asks) trace.requests.push_back({ask.seconds, ask.prompt, ask.output, {}});
  WorkloadOptions options;
  options.arrivals.kind = ArrivalKind::kTrace;
  options.context = 100;
  options.vocab = 50;
  auto workload = LoadWorkload::Build(options, &trace);
  EXPECT_TRUE(workload.ok()) << workload.status();
  return *std::move(workload);
}

TEST(LoadDriver, ChunksShareStepsAsWorkedOutByHand) {
  // Four tokens a step, two seconds each. A's prompt fills the first; its two decodes leave three
  // tokens of each next step for B, whose eight take three steps.
  const RepetitionRecord run = DriveToEnd(Asks({{0, 4, 3}, {0.5, 8, 1}}), OnFakeExecutor(16, 4));
  ASSERT_EQ(run.requests.size(), 2u);
  const RequestRecord& a = run.requests[0];
  const RequestRecord& b = run.requests[1];
  EXPECT_THAT(a.token_seconds, ElementsAre(2, 4, 6));
  EXPECT_THAT(b.token_seconds, ElementsAre(7));
  EXPECT_EQ(b.intended_seconds, 0.5);
  EXPECT_EQ(b.sent_seconds, 2);  // the step that was under way had to end
  EXPECT_THAT(a.chunks, ElementsAre(ChunkRecord{0, 0, 4}));
  EXPECT_THAT(b.chunks,
              ElementsAre(ChunkRecord{1, 0, 3}, ChunkRecord{2, 3, 3}, ChunkRecord{3, 6, 2}));
  const RequestTiming timing = TimingOf(b, run.steps);
  EXPECT_EQ(timing.queue, 1.5);
  EXPECT_EQ(timing.prefill, 5);
  EXPECT_EQ(timing.stalled, 0);
  EXPECT_EQ(timing.preempted, 0);
  EXPECT_EQ(timing.ttft, 6.5);
  ASSERT_EQ(run.steps.size(), 4u);
  const StepRecord& second = run.steps[1];
  EXPECT_EQ(second.start_seconds, 2);
  EXPECT_EQ(second.end_seconds, 4);
  EXPECT_EQ(second.prompt_tokens, 3);
  EXPECT_EQ(second.decode_tokens, 1);
  EXPECT_EQ(second.running, 2);
  EXPECT_EQ(second.blocks_used, 3);  // of 4 tokens: A has 5 tokens, B 3
  EXPECT_EQ(second.cached_tokens, 8);
  EXPECT_EQ(second.waste_tokens, 4);
  EXPECT_EQ(run.end_seconds, 7);
}

TEST(LoadDriver, PreemptionBeforeTheFirstTokenIsAPartOfItsTime) {
  // B's 15 tokens need four of six blocks. A grows into its third when B lacks its last, so B goes
  // at 10, and comes back when A has ended, at 11: 4, 4, 4 and 3 tokens, anew.
  const RepetitionRecord run = DriveToEnd(Asks({{0, 4, 7}, {0.25, 15, 1}}), OnFakeExecutor(6, 4));
  ASSERT_EQ(run.requests.size(), 2u);
  EXPECT_THAT(run.requests[0].token_seconds, ElementsAre(2, 4, 6, 8, 10, 10.5, 11));
  const RequestRecord& b = run.requests[1];
  EXPECT_THAT(b.preemptions, ElementsAre(PreemptionRecord{10, 11}));
  const RequestTiming timing = TimingOf(b, run.steps);
  EXPECT_EQ(timing.queue, 1.75);
  EXPECT_EQ(timing.prefill, 8 + 7.5);
  EXPECT_EQ(timing.stalled, 0);
  EXPECT_EQ(timing.preempted, 1);
  EXPECT_EQ(timing.ttft, 18.25);
  EXPECT_EQ(run.steps[5].preemptions, 1);
}

TEST(LoadDriver, PreemptionAfterTheFirstTokenIsAGap) {
  // Three blocks: B gives way when it would need a second one, and starts anew when A has ended.
  const RepetitionRecord run = DriveToEnd(Asks({{0, 7, 6}, {0, 4, 3}}), OnFakeExecutor(3, 16));
  EXPECT_THAT(run.requests[0].token_seconds, ElementsAre(5.5, 6, 6.5, 7, 7.5, 8));
  const RequestRecord& b = run.requests[1];
  EXPECT_THAT(b.token_seconds, ElementsAre(5.5, 10.5, 11));
  EXPECT_THAT(b.preemptions, ElementsAre(PreemptionRecord{5.5, 8}));
  const RequestTiming timing = TimingOf(b, run.steps);
  EXPECT_EQ(timing.ttft, 5.5);
  EXPECT_EQ(timing.preempted, 0);
  EXPECT_EQ(timing.longest_gap, 5);
  EXPECT_EQ(timing.tpot, 2.75);
  EXPECT_EQ(timing.e2e, 11);
}

TEST(LoadDriver, SleepsWhileIdleAndCountsFromTheIntendedSend) {
  const RepetitionRecord run = DriveToEnd(Asks({{0, 1, 1}, {100, 1, 1}}), OnFakeExecutor(16, 16));
  EXPECT_EQ(run.requests[1].sent_seconds, 100);
  EXPECT_EQ(run.requests[1].token_seconds.at(0), 100.5);
}

TEST(LoadDriver, RefusedRequestsEndWithTheirReason) {
  const RepetitionRecord run = DriveToEnd(Asks({{0, 30, 1}, {0, 2, 1}}), OnFakeExecutor(3, 16));
  EXPECT_EQ(run.requests[0].outcome, LoadOutcome::kRefused);
  EXPECT_THAT(run.requests[0].error, testing::HasSubstr("8 cache blocks"));
  EXPECT_EQ(run.requests[1].outcome, LoadOutcome::kCompleted);
}

TEST(LoadDriver, ShortOutputsAreNoSuccess) {
  // Four blocks of four: 10 + 7 positions fit, of which the last needs no slot.
  const RepetitionRecord run = DriveToEnd(Asks({{0, 10, 9}}), OnFakeExecutor(4, 16));
  EXPECT_EQ(run.requests[0].token_seconds.size(), 7u);
  EXPECT_EQ(run.requests[0].outcome, LoadOutcome::kFailed);
  EXPECT_THAT(run.requests[0].error, testing::HasSubstr("7 of 9 tokens"));
}

}  // namespace
}  // namespace plumbline::load_driver_test
