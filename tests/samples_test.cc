// Several completions of one prompt: what they share, and that they are those of separate requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/scheduler_harness.h"
#include "tests/support/session_harness.h"

namespace plumbline::samples_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Request Samples(int samples, int prompt_tokens, int max_new_tokens) {
  Request request = MakeRequest(prompt_tokens, max_new_tokens);
  request.samples = samples;
  request.sampling.temperature = 1.5;
  request.sampling.seed = 9;
  return request;
}

std::vector<int32_t> SampleAlone(const FakeExecutorOptions& options, Request request, int sample) {
  request.samples = 1;
  request.sampling.seed += static_cast<uint64_t>(sample);
  return SchedulerHarness::RunAlone(options, request).output;
}

TEST(Samples, ShareThePromptAndCopyItsLastBlock) {
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 32};
  SchedulerHarness harness(options);
  const Request request = Samples(3, 11, 6);
  const RequestId id = MustAdd(harness, request);
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 0, 11, 1}));  // the others wait for it
  EXPECT_EQ(harness.pool.num_used(), 3);
  // Each computes the prompt's last token anew, for logits of its own.
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 11, 1, 1}, SeenSpan{id + 1, 10, 1, 1},
                                          SeenSpan{id + 2, 10, 1, 1}));
  EXPECT_EQ(harness.executor.copies(), 2);
  EXPECT_EQ(harness.pool.num_used(), 2 + 3);  // two full blocks for all, and one of each
  harness.RunUntilIdle();
  std::set<std::vector<int32_t>> outputs;
  for (int sample = 0; sample < 3; ++sample) {
    const RequestResult& result = harness.finished[id + sample];
    EXPECT_EQ(harness.times_finished[id + sample], 1);
    EXPECT_EQ(result.sample, sample);
    EXPECT_EQ(result.output, SampleAlone(options, request, sample));
    EXPECT_EQ(result.prefix_hit_tokens, sample == 0 ? 0 : 10);
    EXPECT_EQ(result.cache.shared_blocks, sample == 0 ? 0 : 2);
    EXPECT_EQ(result.cache.used_bytes_measured, result.cache.used_bytes_formula);
    EXPECT_EQ(result.cache.allocated_bytes_measured, result.cache.allocated_bytes_formula);
    outputs.insert(result.output);
  }
  EXPECT_EQ(outputs.size(), 3U) << "the seeds are the same";
  EXPECT_EQ(harness.pool.num_used(), 0);
  ExpectCleanEnd(harness);
}

TEST(Samples, APromptThatEndsWithItsBlockIsCopiedToo) {
  // The last token is written again, so its block cannot be shared.
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 32};
  SchedulerHarness harness(options);
  const RequestId id = MustAdd(harness, Samples(2, 8, 3));
  harness.Step();
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 8, 1, 1}, SeenSpan{id + 1, 7, 1, 1}));
  EXPECT_EQ(harness.pool.num_used(), 1 + 2 + 1);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[id + 1].output, SampleAlone(options, Samples(2, 8, 3), 1));
  ExpectCleanEnd(harness);
}

TEST(Samples, WithoutAMoverThePartialBlockIsComputed) {
  const FakeExecutorOptions options = {.block_tokens = 4, .num_blocks = 32};
  SchedulerHarness harness(options, 16, 8, [](SchedulerOptions& tuned) { tuned.mover = nullptr; });
  const RequestId id = MustAdd(harness, Samples(2, 11, 3));
  harness.Step();
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id, 11, 1, 1}, SeenSpan{id + 1, 8, 3, 1}));
  harness.RunUntilIdle();
  EXPECT_EQ(harness.executor.copies(), 0);
  EXPECT_EQ(harness.finished[id + 1].output, SampleAlone(options, Samples(2, 11, 3), 1));
  ExpectCleanEnd(harness);
}

TEST(Samples, OneThatStartsWhenItsTwinsAreGoneComputesThePrompt) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 32}, 16, /*max_running=*/1);
  const RequestId id = MustAdd(harness, Samples(2, 5, 2));
  harness.Step();
  harness.Step();
  EXPECT_THAT(harness.Step(), ElementsAre(SeenSpan{id + 1, 0, 5, 1}));
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
}

TEST(Samples, PreemptedOnesStillGetTheirOwnTokens) {
  const FakeExecutorOptions options = {.block_tokens = 2, .num_blocks = 12};
  for (const bool sharing : {false, true}) {
    SchedulerHarness harness(
        options, 16, 8, [sharing](SchedulerOptions& tuned) { tuned.prefix_sharing = sharing; });
    const Request request = Samples(4, 7, 12);
    const RequestId id = MustAdd(harness, request);
    harness.RunUntilIdle();
    int preemptions = 0;
    for (int sample = 0; sample < 4; ++sample) {
      EXPECT_EQ(harness.finished[id + sample].output, SampleAlone(options, request, sample));
      preemptions += harness.finished[id + sample].preemptions;
    }
    EXPECT_GT(preemptions, 0);
    ExpectCleanEnd(harness);
  }
}

TEST(Samples, TheirNumberIsBoundedAndTheQueueCountsThemAll) {
  SchedulerHarness harness({}, 16, 8,
                           [](SchedulerOptions& tuned) { tuned.limits.queued_tokens = 12; });
  for (const int samples : {0, -1, kMaxSamples + 1}) {
    const absl::Status status = harness.scheduler.Check(Samples(samples, 1, 1));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("samples"));
  }
  EXPECT_TRUE(harness.scheduler.Check(Samples(3, 4, 1)).ok());
  EXPECT_EQ(harness.scheduler.Check(Samples(4, 4, 1)).code(), absl::StatusCode::kResourceExhausted);
}

TEST(Samples, ASessionEndsEachOnceAndCancelsThemTogether) {
  SessionHarness harness({.block_tokens = 4, .num_blocks = 32});
  std::map<int, int> ends;
  std::map<int, int> tokens;
  Request request = Samples(3, 5, 4);
  request.on_token = [&](const TokenEvent& event) {
    ++tokens[event.sample];
    return true;
  };
  harness.session.Submit(request, [&](const RequestResult& result) { ++ends[result.sample]; });
  request.on_token = nullptr;
  request.max_new_tokens = 50;
  std::vector<FinishReason> reasons;
  const uint64_t ticket = harness.session.Submit(
      request, [&](const RequestResult& result) { reasons.push_back(result.reason); });
  std::vector<int> rejected;
  request.prompt.clear();
  harness.session.Submit(request,
                         [&](const RequestResult& result) { rejected.push_back(result.sample); });
  for (int i = 0; i < 3; ++i) harness.session.Step();
  EXPECT_THAT(reasons, IsEmpty());
  harness.session.Cancel(ticket);
  harness.session.RunUntilIdle();
  EXPECT_THAT(ends, ElementsAre(std::pair{0, 1}, std::pair{1, 1}, std::pair{2, 1}));
  EXPECT_THAT(tokens, ElementsAre(std::pair{0, 4}, std::pair{1, 4}, std::pair{2, 4}));
  EXPECT_EQ(reasons, std::vector<FinishReason>(3, FinishReason::kCancelled));
  EXPECT_THAT(rejected, ElementsAre(0, 1, 2));
  harness.ExpectClean();
}

}  // namespace
}  // namespace plumbline::samples_test
