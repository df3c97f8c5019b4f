// Preemption: who makes room, what of it survives in host memory, and what it is said to cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/preemption.h"
#include "tests/support/made_profile.h"
#include "tests/support/scheduler_harness.h"

namespace plumbline::swap_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr FakeExecutorOptions kSizes = {.block_tokens = 4, .num_blocks = 6, .host_blocks = 4};

std::function<void(SchedulerOptions&)> With(PreemptPolicy policy) {
  return [policy](SchedulerOptions& options) { options.preemption = policy; };
}

// Two requests of 8 and 7 tokens in six blocks; the second is the newest, and in its way after
// the fifth token of each.
TEST(Swap, MovesTheVictimAwayAndBack) {
  SchedulerHarness harness(kSizes, 16, 8, With({.mode = PreemptMode::kSwap}));
  const Request first = MakeRequest(8, 8);
  const Request second = MakeRequest(7, 8, 20);
  const RequestId a = MustAdd(harness, first);
  const RequestId b = MustAdd(harness, second);
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
  EXPECT_EQ(harness.finished[a].output, SchedulerHarness::RunAlone(kSizes, first).output);
  EXPECT_EQ(harness.finished[b].output, SchedulerHarness::RunAlone(kSizes, second).output);
  EXPECT_THAT(harness.finished[a].evictions, IsEmpty());
  const RequestResult& result = harness.finished[b];
  ASSERT_THAT(result.evictions, SizeIs(1));
  EXPECT_EQ(result.preemptions, 1);
  const Eviction& eviction = result.evictions[0];
  EXPECT_EQ(eviction.swapped_out_blocks, 3);
  EXPECT_EQ(eviction.swapped_in_blocks, 3);
  // It has computed 7 + 4 tokens (one step each after the first) when the other wants a block.
  EXPECT_GT(eviction.evicted_seconds, result.first_token_seconds);
  // It goes on where the other has ended, with one token a step and none computed twice.
  EXPECT_EQ(eviction.rescheduled_seconds, harness.finished[a].finish_seconds);
  int64_t tokens = 0;
  for (const RequestStep& step : result.steps) tokens += step.new_tokens;
  EXPECT_EQ(tokens, 7 + 8 - 1);
  const PreemptionStats& stats = harness.scheduler.preemption_stats();
  EXPECT_EQ(stats.swapped, 1);
  EXPECT_EQ(stats.recomputed, 0);
  EXPECT_EQ(stats.swapped_out_blocks, 3);
  EXPECT_EQ(stats.swapped_in_blocks, 3);
  EXPECT_EQ(stats.swapped_bytes, 6 * harness.executor.geometry().BlockBytes());
}

TEST(Swap, RecomputesWhereHostMemoryHasTooLittleRoom) {
  FakeExecutorOptions sizes = kSizes;
  sizes.host_blocks = 2;
  SchedulerHarness harness(sizes, 16, 8, With({.mode = PreemptMode::kSwap}));
  MustAdd(harness, MakeRequest(8, 8));
  const RequestId b = MustAdd(harness, MakeRequest(7, 8, 20));
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
  ASSERT_THAT(harness.finished[b].evictions, SizeIs(1));
  EXPECT_EQ(harness.finished[b].evictions[0].swapped_out_blocks, 0);
  EXPECT_EQ(harness.scheduler.preemption_stats().recomputed, 1);
  EXPECT_EQ(harness.scheduler.preemption_stats().swapped_bytes, 0);
}

TEST(Swap, GivesHostMemoryBackWhereTheVictimIsCancelled) {
  SchedulerHarness harness(kSizes, 16, 8, With({.mode = PreemptMode::kSwap}));
  for (int round = 0; round < 3; ++round) {
    MustAdd(harness, MakeRequest(8, 8));
    const RequestId b = MustAdd(harness, MakeRequest(7, 8, 20));
    while (harness.scheduler.preemption_stats().swapped == round) harness.Step();
    harness.scheduler.Cancel(b);
    harness.RunUntilIdle();
    ExpectCleanEnd(harness);
    ASSERT_THAT(harness.finished[b].evictions, SizeIs(1)) << "round " << round;
    EXPECT_EQ(harness.finished[b].evictions[0].rescheduled_seconds, -1);
    EXPECT_EQ(harness.finished[b].reason, FinishReason::kCancelled);
  }
}

TEST(Swap, WhatTheCacheStillHoldsDoesNotMoveBack) {
  SchedulerHarness harness(kSizes, 16, 8, [](SchedulerOptions& options) {
    options.preemption.mode = PreemptMode::kSwap;
    options.prefix_sharing = true;
  });
  MustAdd(harness, MakeRequest(8, 8));
  const Request second = MakeRequest(7, 8, 20);
  const RequestId b = MustAdd(harness, second);
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
  const RequestResult& result = harness.finished[b];
  ASSERT_THAT(result.evictions, SizeIs(1));
  EXPECT_EQ(result.evictions[0].swapped_out_blocks, 3);
  EXPECT_LT(result.evictions[0].swapped_in_blocks, 3);
  EXPECT_GT(result.evictions[0].swapped_in_blocks, 0);
  EXPECT_EQ(result.output, SchedulerHarness::RunAlone(kSizes, second).output);
}

TEST(Victim, LargestMakesRoomForTheOthersAndTheNewestOfEquals) {
  const FakeExecutorOptions sizes = {.block_tokens = 4, .num_blocks = 8, .host_blocks = 8};
  const PreemptPolicy policy = {.mode = PreemptMode::kSwap, .victim = PreemptVictim::kLargest};
  SchedulerHarness harness(sizes, 32, 8, With(policy));
  const RequestId large = MustAdd(harness, MakeRequest(15, 6));
  const RequestId small = MustAdd(harness, MakeRequest(4, 12, 20));
  const RequestId other = MustAdd(harness, MakeRequest(4, 12, 30));
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
  EXPECT_THAT(harness.finished[large].evictions, SizeIs(1));
  EXPECT_THAT(harness.finished[small].evictions, IsEmpty());
  EXPECT_THAT(harness.finished[other].evictions, IsEmpty());
  SchedulerHarness equals(kSizes, 32, 8, With(policy));
  const RequestId a = MustAdd(equals, MakeRequest(8, 8));
  const RequestId b = MustAdd(equals, MakeRequest(8, 8, 20));
  equals.RunUntilIdle();
  EXPECT_THAT(equals.finished[a].evictions, IsEmpty());
  EXPECT_THAT(equals.finished[b].evictions, SizeIs(1));
}

TEST(PreemptionCost, IsFourPassesOverTheBytesOrThePrefill) {
  const MachineProfile profile = MadeProfile(1e9, 1e6, kNoLimit);
  EXPECT_DOUBLE_EQ(SwapSeconds(profile, 1000), 4 * 1000 / 1e6);
  const CostShape shape = FakeExecutor(kSizes, nullptr).cost_shape();
  const SpanShape prefill = {0, 100, 0};
  EXPECT_DOUBLE_EQ(RecomputeSeconds(profile, shape, 100),
                   PredictStep(profile, shape, {&prefill, 1}).seconds());
}

// Where memory is slow beside computing a victim is recomputed, and swapped where it is fast.
TEST(PreemptionCost, DecidesInModeAuto) {
  const auto swapped = [](const MachineProfile* profile) {
    SchedulerHarness harness(kSizes, 16, 8, [profile](SchedulerOptions& options) {
      options.preemption.mode = PreemptMode::kAuto;
      options.profile = profile;
    });
    MustAdd(harness, MakeRequest(8, 8));
    MustAdd(harness, MakeRequest(7, 8, 20));
    harness.RunUntilIdle();
    const PreemptionStats& stats = harness.scheduler.preemption_stats();
    EXPECT_EQ(stats.swapped + stats.recomputed, 1);
    return stats.swapped == 1;
  };
  EXPECT_FALSE(swapped(nullptr));
  MachineProfile slow_memory = MadeProfile(1e12, 1e12, kNoLimit);
  slow_memory.reads.back().read_bytes.per_second = 1e3;
  const MachineProfile slow_products = MadeProfile(1e3, 1e12, kNoLimit);
  EXPECT_FALSE(swapped(&slow_memory));
  EXPECT_TRUE(swapped(&slow_products));
}

TEST(Preemption, HasNames) {
  EXPECT_EQ(PreemptModeName(PreemptMode::kRecompute), "recompute");
  EXPECT_EQ(PreemptModeName(PreemptMode::kSwap), "swap");
  EXPECT_EQ(PreemptModeName(PreemptMode::kAuto), "auto");
  EXPECT_EQ(PreemptVictimName(PreemptVictim::kNewest), "newest");
  EXPECT_EQ(PreemptVictimName(PreemptVictim::kLargest), "largest");
}

}  // namespace
}  // namespace plumbline::swap_test
