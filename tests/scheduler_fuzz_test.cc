// Seeded random operations on the scheduler, with every invariant checked after each, and every
// request held against what it gets alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/support/scheduler_harness.h"

namespace plumbline::scheduler_fuzz_test {
namespace {

struct FuzzCase {
  uint32_t seed;
  int block_tokens;
  int num_blocks;
  int step_tokens;
  int max_running;
  QueueOrder order = QueueOrder::kFirstCome;
  bool prefix_sharing = false;
  bool copies = true;  // the last, partial block of a prompt, for its samples
  int host_blocks = 0;
  PreemptVictim victim = PreemptVictim::kNewest;
};

void PrintTo(const FuzzCase& c, std::ostream* out) {
  *out << "seed " << c.seed << ", " << c.num_blocks << " blocks of " << c.block_tokens
       << " tokens, " << c.step_tokens << " tokens a step, " << c.max_running << " running, order "
       << QueueOrderName(c.order) << (c.prefix_sharing ? ", shared prefixes" : "") << ", "
       << c.host_blocks << " host blocks, victim " << PreemptVictimName(c.victim);
}

// A request without its callback, so that it can be run twice.
struct Wish {
  Request request;
  int stop_after = 0;  // on_token says no at this token; 0: never

  Request Make(bool with_deadline) const {
    Request made = request;
    if (!with_deadline) made.deadline_seconds = 0;
    if (stop_after > 0) {
      made.on_token = [left = stop_after](const TokenEvent&) mutable { return --left > 0; };
    }
    return made;
  }
};

class SchedulerFuzz : public testing::TestWithParam<FuzzCase> {
 protected:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint32_t>(bound)); }
  bool Once(int in) { return Below(in) == 0; }

  Wish RandomWish(const FakeExecutorOptions& options) {
    Wish wish;
    const int capacity = options.num_blocks * options.block_tokens;
    wish.request.prompt.resize(
        static_cast<size_t>(Once(10) ? Below(capacity + 10) : 1 + Below(capacity / 3)));
    // Two kinds of beginnings, of seeded lengths, so that prefixes can be shared.
    const size_t common = Once(2) ? random_() % (wish.request.prompt.size() + 1) : 0;
    const int32_t kind = Below(2);
    for (size_t i = 0; i < wish.request.prompt.size(); ++i) {
      wish.request.prompt[i] =
          i < common ? (kind + static_cast<int32_t>(i)) % options.vocab : Below(options.vocab);
    }
    wish.request.max_new_tokens = Once(10) ? 1000 : 1 + Below(capacity / 3);
    if (Once(3)) wish.request.end_tokens = {Below(options.vocab), Below(options.vocab)};
    if (Once(4)) wish.stop_after = 1 + Below(6);
    if (Once(2)) {
      wish.request.sampling = {.temperature = 1.5, .top_k = 20, .seed = random_()};
      wish.request.sampling.repeat_penalty = Once(2) ? 1.0 : 1.3;
    }
    wish.request.logprobs = Below(3);
    wish.request.priority = Below(21) - 10;
    if (Once(4)) wish.request.deadline_seconds = 1 + Below(200);
    return wish;
  }

  void Operate(SchedulerHarness& harness, const FakeExecutorOptions& options) {
    const int kind = Below(20);
    if (kind < 4) {
      Wish wish = RandomWish(options);
      wish.request.arrival_seconds = harness.clock.NowSeconds();
      Request request = wish.Make(true);
      request.samples = Once(4) ? 1 + Below(4) : 1;
      const int samples = request.samples;
      if (const auto id = harness.scheduler.Add(std::move(request)); id.ok()) {
        for (int sample = 0; sample < samples; ++sample) {
          wishes_[*id + sample] = wish;
          ++wish.request.sampling.seed;
        }
        samples_ += samples - 1;
      } else {
        ++rejected_;
      }
    } else if (kind == 4) {
      // Mostly one that is still there; also ids that are finished or not yet known.
      const RequestId newest = wishes_.empty() ? 0 : wishes_.rbegin()->first;
      harness.scheduler.Cancel(newest + 2 - Below(12));
    } else if (kind == 5 && Once(4)) {
      harness.executor.FailNext(absl::AbortedError("a failure for the test"));
    } else if (kind == 6 && Once(2)) {
      harness.executor.SpoilNextRow(Below(4));
    } else {
      harness.Step();
    }
  }

  void CheckResult(const RequestResult& result, const RequestResult& alone) {
    if (result.reason == FinishReason::kStop || result.reason == FinishReason::kLength) {
      EXPECT_EQ(result.output, alone.output);
      EXPECT_EQ(result.reason, alone.reason);
      EXPECT_EQ(result.cache.used_bytes_measured, result.cache.used_bytes_formula);
      EXPECT_EQ(result.cache.allocated_bytes_measured, result.cache.allocated_bytes_formula);
      EXPECT_EQ(result.cache.allocated_bytes_measured, alone.cache.allocated_bytes_measured);
      ASSERT_EQ(result.logprobs.size(), alone.logprobs.size());
      for (size_t i = 0; i < alone.logprobs.size(); ++i) {
        EXPECT_EQ(result.logprobs[i].size(), alone.logprobs[i].size());
        EXPECT_EQ(result.logprobs[i][0].logprob, alone.logprobs[i][0].logprob);
      }
      return;
    }
    ASSERT_LE(result.output.size(), alone.output.size());
    EXPECT_TRUE(std::equal(result.output.begin(), result.output.end(), alone.output.begin()));
    EXPECT_EQ(result.reason == FinishReason::kCancelled, result.status.ok());
    if (result.reason == FinishReason::kExpired) {
      EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
      EXPECT_GE(result.finish_seconds,
                result.arrival_seconds + wishes_[result.id].request.deadline_seconds);
    }
  }

  std::mt19937 random_{GetParam().seed};
  std::map<RequestId, Wish> wishes_;
  int rejected_ = 0;
  int samples_ = 0;  // beside the first of each request
};

TEST_P(SchedulerFuzz, InvariantsHoldAndRequestsAreIndependent) {
  const FuzzCase& c = GetParam();
  const FakeExecutorOptions options = {.context = 120,
                                       .block_tokens = c.block_tokens,
                                       .num_blocks = c.num_blocks,
                                       .host_blocks = c.host_blocks};
  SchedulerHarness harness(options, c.step_tokens, c.max_running, [&](SchedulerOptions& tuned) {
    tuned.queue = {.order = c.order, .ageing_tokens_per_second = 4};
    tuned.prefix_sharing = c.prefix_sharing;
    tuned.preemption = {c.host_blocks > 0 ? PreemptMode::kSwap : PreemptMode::kRecompute, c.victim};
    if (!c.copies) tuned.mover = nullptr;
    tuned.limits = {.queued_requests = 40, .queued_tokens = 600};
  });
  for (int operation = 0; operation < 10000; ++operation) {
    Operate(harness, options);
    const absl::Status status = harness.scheduler.CheckInvariants();
    ASSERT_TRUE(status.ok()) << status << " after operation " << operation;
    ASSERT_TRUE(harness.planned_invariants.ok()) << harness.planned_invariants;
    ASSERT_TRUE(harness.executor.violation().ok()) << harness.executor.violation();
  }
  // What is left must end by itself: each step runs at least one token of the oldest request.
  const int64_t most_steps = int64_t{options.context} * 2 * static_cast<int64_t>(wishes_.size());
  for (int64_t step = 0; harness.scheduler.has_work(); ++step) {
    ASSERT_FALSE(harness.Step().empty() && harness.scheduler.has_work()) << "no progress";
    ASSERT_LT(step, most_steps) << "no end";
  }
  EXPECT_EQ(harness.pool.num_used(), harness.scheduler.num_indexed_blocks());
  EXPECT_TRUE(harness.scheduler.CheckInvariants().ok());
  EXPECT_LE(harness.executor.largest_step_tokens(), c.step_tokens);

  std::map<FinishReason, int> reasons;
  int preemptions = 0;
  int64_t swapped_out = 0;
  int64_t swapped_in = 0;
  int64_t hit_tokens = 0;
  ASSERT_EQ(harness.times_finished.size(), wishes_.size());
  for (const auto& [id, wish] : wishes_) {
    SCOPED_TRACE(testing::Message() << "request " << id);
    ASSERT_EQ(harness.times_finished[id], 1);
    const RequestResult& result = harness.finished[id];
    CheckResult(result, SchedulerHarness::RunAlone(options, wish.Make(false)));
    if (HasFailure()) return;
    ++reasons[result.reason];
    preemptions += result.preemptions;
    ASSERT_EQ(result.evictions.size(), static_cast<size_t>(result.preemptions));
    for (const Eviction& eviction : result.evictions) {
      swapped_out += eviction.swapped_out_blocks;
      swapped_in += eviction.swapped_in_blocks;
      EXPECT_LE(eviction.swapped_in_blocks, eviction.swapped_out_blocks);
    }
    hit_tokens += result.prefix_hit_tokens;
  }
  // The case is of use only where all of this happened.
  for (const FinishReason reason :
       {FinishReason::kStop, FinishReason::kLength, FinishReason::kCancelled,
        FinishReason::kExpired, FinishReason::kError}) {
    EXPECT_GT(reasons[reason], 10) << std::string(FinishReasonName(reason));
  }
  EXPECT_GT(rejected_, 10);
  EXPECT_GT(samples_, 50);
  const bool side_by_side = c.step_tokens > 1;
  EXPECT_EQ(harness.executor.copies() > 0, c.copies && c.block_tokens > 1 && side_by_side);
  EXPECT_EQ(hit_tokens, harness.scheduler.prefix_stats().hit_tokens);
  EXPECT_GE(hit_tokens, c.prefix_sharing ? 1000 : side_by_side ? 1 : 0);
  if (c.num_blocks * c.block_tokens < 100 && c.step_tokens > 1) {
    EXPECT_GT(preemptions, 100);
  }
  const PreemptionStats& stats = harness.scheduler.preemption_stats();
  EXPECT_EQ(stats.recomputed + stats.swapped, preemptions);
  EXPECT_EQ(stats.swapped_out_blocks, swapped_out);
  EXPECT_EQ(stats.swapped_in_blocks, swapped_in);
  EXPECT_EQ(stats.swapped_bytes,
            (swapped_out + swapped_in) * harness.executor.geometry().BlockBytes());
  if (c.host_blocks > 0) {
    EXPECT_GT(stats.swapped, 50);
    EXPECT_GT(stats.recomputed, 20);  // host memory was full
  } else {
    EXPECT_EQ(stats.swapped, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, SchedulerFuzz,
    testing::Values(FuzzCase{1, 4, 8, 16, 8}, FuzzCase{2, 1, 40, 7, 8},
                    FuzzCase{3, 3, 20, 64, 4, QueueOrder::kFirstCome, false, false},
                    FuzzCase{4, 16, 4, 5, 16}, FuzzCase{5, 2, 30, 1, 8}, FuzzCase{6, 8, 64, 32, 16},
                    FuzzCase{7, 100, 2, 20, 8},
                    FuzzCase{8, 4, 8, 16, 8, QueueOrder::kShortestPrompt},
                    FuzzCase{9, 2, 20, 9, 4, QueueOrder::kPriority},
                    FuzzCase{10, 4, 8, 16, 8, QueueOrder::kFirstCome, true},
                    FuzzCase{11, 1, 40, 7, 8, QueueOrder::kPriority, true},
                    FuzzCase{12, 3, 40, 30, 16, QueueOrder::kShortestPrompt, true},
                    FuzzCase{13, 4, 8, 16, 8, QueueOrder::kFirstCome, false, true, 6},
                    FuzzCase{14, 3, 20, 20, 8, QueueOrder::kPriority, true, true, 12,
                             PreemptVictim::kLargest},
                    FuzzCase{15, 2, 24, 6, 16, QueueOrder::kFirstCome, false, true, 12,
                             PreemptVictim::kLargest},
                    FuzzCase{16, 4, 8, 16, 8, QueueOrder::kShortestPrompt, false, true, 0,
                             PreemptVictim::kLargest}));

}  // namespace
}  // namespace plumbline::scheduler_fuzz_test
