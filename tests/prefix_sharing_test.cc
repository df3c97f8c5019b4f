// Shared prefixes through the scheduler: what is not computed again, and what that changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/scheduler_harness.h"

namespace plumbline::prefix_sharing_test {
namespace {

using ::testing::ElementsAre;

void Share(SchedulerOptions& options) { options.prefix_sharing = true; }

TEST(PrefixSharing, APromptStartsWhereTheCacheEnds) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 16}, 16, 8, Share);
  const RequestId first = MustAdd(harness, MakeRequest(10, 3));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.pool.num_used(), 3);  // 12 tokens were stored, and stay
  const RequestId second = MustAdd(harness, MakeRequest(11, 3));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{second, 8, 3, 1}));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[first].prefix_hit_tokens, 0);
  EXPECT_EQ(harness.finished[first].cache.shared_blocks, 0);
  const RequestResult& result = harness.finished[second];
  EXPECT_EQ(result.prefix_hit_tokens, 8);
  EXPECT_EQ(result.cache.blocks, 4);
  EXPECT_EQ(result.cache.shared_blocks, 2);
  EXPECT_EQ(result.cache.used_bytes_measured, result.cache.used_bytes_formula);
  EXPECT_EQ(result.cache.allocated_bytes_measured, result.cache.allocated_bytes_formula);
  EXPECT_EQ(result.steps[0].context_tokens, 11);
  for (const WorkClass part : {WorkClass::kScores, WorkClass::kProjections}) {
    const auto at = static_cast<size_t>(part);
    EXPECT_EQ(result.steps[0].measured_macs.useful[at], result.steps[0].formula_macs.useful[at]);
  }
  EXPECT_EQ(harness.scheduler.prefix_stats().lookup_tokens, 21);
  EXPECT_EQ(harness.scheduler.prefix_stats().hit_tokens, 8);
  EXPECT_DOUBLE_EQ(harness.scheduler.prefix_stats().hit_rate(), 8.0 / 21);
  EXPECT_EQ(result.output, SchedulerHarness::RunAlone({}, MakeRequest(11, 3)).output);
  ExpectCleanEnd(harness);
}

TEST(PrefixSharing, TheLastTokenIsAlwaysComputedForItsLogits) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 16}, 16, 8, Share);
  MustAdd(harness, MakeRequest(8, 1));
  harness.RunUntilIdle();
  const RequestId again = MustAdd(harness, MakeRequest(8, 1));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{again, 4, 4, 1}));
  // The block that was computed twice is kept once.
  EXPECT_EQ(harness.pool.num_used(), 2);
  EXPECT_EQ(harness.finished[again].cache.shared_blocks, 2);
  ExpectCleanEnd(harness);
}

TEST(PrefixSharing, WhatRunsSideBySideIsStoredOnce) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 16}, 64, 8, Share);
  for (int i = 0; i < 3; ++i) MustAdd(harness, MakeRequest(9, 8));
  EXPECT_EQ(harness.Step().size(), 3U);
  EXPECT_EQ(harness.pool.num_used(), 2 + 3);  // two full blocks, and a third of each
  harness.RunUntilIdle();
  const int64_t token_bytes = harness.executor.geometry().TokenBytes();
  for (const auto& [id, result] : harness.finished) {
    EXPECT_EQ(result.output, SchedulerHarness::RunAlone({}, MakeRequest(9, 8)).output);
    EXPECT_EQ(result.cache.allocated_bytes_measured, 16 * token_bytes);
  }
  EXPECT_EQ(harness.pool.num_used(), 4);
  ExpectCleanEnd(harness);
}

TEST(PrefixSharing, KeptBlocksGiveWayToRequests) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 4}, 16, 8, Share);
  MustAdd(harness, MakeRequest(12, 1, 1));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.pool.num_free(), 1);
  const RequestId other = MustAdd(harness, MakeRequest(9, 2, 30));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[other].preemptions, 0);
  // Two of the three went, the last ones.
  const RequestId again = MustAdd(harness, MakeRequest(12, 1, 1));
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{again, 4, 8, 1}));
  ExpectCleanEnd(harness);
}

TEST(PrefixSharing, APreemptedRequestFindsItsOwnBlocksAgain) {
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 5};
  SchedulerHarness harness(options, 16, 8, Share);
  const Request first = MakeRequest(7, 7, 1);
  const Request second = MakeRequest(6, 7, 20);
  const RequestId a = MustAdd(harness, first);
  const RequestId b = MustAdd(harness, second);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[b].preemptions, 1);
  EXPECT_GT(harness.finished[b].prefix_hit_tokens, 0);
  EXPECT_EQ(harness.finished[a].output, SchedulerHarness::RunAlone(options, first).output);
  EXPECT_EQ(harness.finished[b].output, SchedulerHarness::RunAlone(options, second).output);
  ExpectCleanEnd(harness);
}

TEST(PrefixSharing, SpoiltStepsAreNotShared) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 16}, 16, 8, Share);
  MustAdd(harness, MakeRequest(9, 3));
  harness.executor.SpoilNextRow(0);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.scheduler.num_indexed_blocks(), 0);
  MustAdd(harness, MakeRequest(9, 3));
  harness.executor.FailNext(absl::AbortedError("a failure for the test"));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.scheduler.num_indexed_blocks(), 0);
  ExpectCleanEnd(harness);
}

TEST(PrefixSharing, IsOffUnlessAskedFor) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 16});
  for (int i = 0; i < 2; ++i) {
    MustAdd(harness, MakeRequest(9, 3));
    harness.RunUntilIdle();
    EXPECT_EQ(harness.pool.num_used(), 0);
  }
  EXPECT_EQ(harness.scheduler.prefix_stats().lookup_tokens, 0);
  EXPECT_EQ(harness.finished[2].prefix_hit_tokens, 0);
}

}  // namespace
}  // namespace plumbline::prefix_sharing_test
