// The scheduler under far more requests than it can serve: nothing is lost, leaked or hoarded, and
// a steady step allocates nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <new>
#include <random>
#include <vector>

#include "tests/counting_new.h"
#include "tests/support/made_profile.h"
#include "tests/support/scheduler_harness.h"

namespace plumbline::scheduler_overload_test {
namespace {

// Slots of the pool's blocks that hold no token, and what they are by arithmetic, where nothing is
// shared: each running sequence has a span in every step.
void ExpectWasteByFormula(const SchedulerHarness& harness, const std::vector<SeenSpan>& spans,
                          int64_t block_tokens) {
  int64_t tokens = 0;
  int64_t formula = 0;
  for (const SeenSpan& span : spans) {
    const int64_t t = span.first_position + span.count;
    tokens += t;
    formula += block_tokens * ((t + block_tokens - 1) / block_tokens) - t;
  }
  ASSERT_EQ(harness.planned_used_blocks * block_tokens - tokens, formula);
}

struct OverloadCase {
  uint32_t seed;
  PreemptVictim victim;
  bool prefix_sharing;
};

void PrintTo(const OverloadCase& c, std::ostream* out) {
  *out << "seed " << c.seed << ", victim " << PreemptVictimName(c.victim)
       << (c.prefix_sharing ? ", shared prefixes" : "");
}

class SchedulerOverload : public testing::TestWithParam<OverloadCase> {
 protected:
  static constexpr int kRequests = 100000;
  static constexpr double kOverload = 10;
  static constexpr int kMostPrompt = 40;
  static constexpr int kMostOutput = 24;
  // What a request asks for on average; a token takes one second.
  static constexpr double kServiceSeconds = (1 + kMostPrompt) / 2.0 + (1 + kMostOutput) / 2.0;

  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint32_t>(bound)); }

  Request RandomRequest(double arrival) {
    Request request = MakeRequest(1 + Below(kMostPrompt), 1 + Below(kMostOutput), Below(3) * 7);
    request.arrival_seconds = arrival;
    request.priority = Below(5);
    if (Below(2) == 0) request.deadline_seconds = 50 + Below(2000);
    return request;
  }

  // All that have arrived by now; now and then somebody gives up.
  void Arrive(SchedulerHarness& harness) {
    constexpr double kGapSeconds = kServiceSeconds / kOverload;
    for (; arrived_ < kRequests && arrived_ * kGapSeconds <= harness.clock.NowSeconds();
         ++arrived_) {
      const auto id = harness.scheduler.Add(RandomRequest(arrived_ * kGapSeconds));
      if (!id.ok()) {
        ++refused_;
        continue;
      }
      accepted_.push_back(*id);
      if (Below(4) == 0) harness.scheduler.Cancel(accepted_.back() - Below(80));
    }
  }

  void TakeEnded(SchedulerHarness& harness) {
    for (const auto& [id, result] : harness.finished) {
      ASSERT_EQ(harness.times_finished[id], 1);
      ended_.resize(std::max(ended_.size(), static_cast<size_t>(id) + 1));
      ASSERT_FALSE(ended_[static_cast<size_t>(id)]) << "request " << id << " ended twice";
      ended_[static_cast<size_t>(id)] = true;
      ++reasons_[static_cast<size_t>(result.reason)];
    }
    harness.finished.clear();
    harness.times_finished.clear();
  }

  std::mt19937 random_{GetParam().seed};
  int arrived_ = 0;
  int refused_ = 0;
  std::vector<RequestId> accepted_;
  std::vector<bool> ended_;  // by id
  std::array<int, 5> reasons_ = {};
};

TEST_P(SchedulerOverload, EveryRequestEndsOnceAndMemoryStaysFlat) {
  const OverloadCase& c = GetParam();
  const FakeExecutorOptions sizes = {.context = 64,
                                     .block_tokens = 16,
                                     .num_blocks = 16,
                                     .host_blocks = 3,
                                     .seconds_per_token = 1};
  SchedulerHarness harness(sizes, 48, 8, [&](SchedulerOptions& options) {
    options.queue.order = QueueOrder::kPriority;
    options.preemption = {PreemptMode::kSwap, c.victim};
    options.prefix_sharing = c.prefix_sharing;
    options.limits.queued_requests = 60;
  });
  accepted_.reserve(kRequests);
  ended_.reserve(kRequests + 1);
  int64_t most_live[2] = {};  // bytes, in both halves
  while (arrived_ < kRequests || harness.scheduler.has_work()) {
    Arrive(harness);
    const std::vector<SeenSpan> spans = harness.Step();
    ASSERT_TRUE(harness.planned_invariants.ok()) << harness.planned_invariants;
    const absl::Status invariants = harness.scheduler.CheckInvariants();
    ASSERT_TRUE(invariants.ok()) << invariants;
    if (!c.prefix_sharing) ExpectWasteByFormula(harness, spans, sizes.block_tokens);
    TakeEnded(harness);
    if (HasFatalFailure()) return;
    int64_t& most = most_live[arrived_ < kRequests / 2 ? 0 : 1];
    most = std::max(most, LiveBytes());
  }
  ExpectCleanEnd(harness);
  EXPECT_EQ(refused_ + static_cast<int>(accepted_.size()), kRequests);
  for (const RequestId id : accepted_) ASSERT_TRUE(ended_[static_cast<size_t>(id)]) << id;
  EXPECT_LT(most_live[1], most_live[0] + most_live[0] / 20);
  // It was what it is for.
  const PreemptionStats& stats = harness.scheduler.preemption_stats();
  EXPECT_GT(stats.swapped, 100);
  EXPECT_GT(stats.recomputed, 100);
  EXPECT_GT(refused_, kRequests / 2);
  for (const FinishReason reason :
       {FinishReason::kLength, FinishReason::kCancelled, FinishReason::kExpired}) {
    EXPECT_GT(reasons_[static_cast<size_t>(reason)], 500) << FinishReasonName(reason);
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, SchedulerOverload,
                         testing::Values(OverloadCase{1, PreemptVictim::kNewest, false},
                                         OverloadCase{2, PreemptVictim::kLargest, false},
                                         OverloadCase{3, PreemptVictim::kNewest, true}));

// Allocations of the scheduler's part in `steps` steps: Plan, the batch, the ledger and Commit.
int64_t AllocationsOf(int steps, int prompt_tokens,
                      const std::function<void(SchedulerOptions&)>& tune,
                      const MachineProfile* profile) {
  const FakeExecutorOptions sizes = {
      .context = 8192, .block_tokens = 16, .num_blocks = 2048, .seconds_per_token = 0.01};
  SchedulerHarness harness(sizes, 64, 8, tune);
  const CostShape shape = harness.executor.cost_shape();
  for (int i = 0; i < 7; ++i) MustAdd(harness, MakeRequest(20 + i, 3000, i));
  for (int i = 0; i < 20; ++i) harness.Step();         // all seven decode
  MustAdd(harness, MakeRequest(prompt_tokens, 3000));  // is prefilled beside them
  for (int i = 0; i < 1000; ++i) MustAdd(harness, MakeRequest(30, 10));
  for (int i = 0; i < 4; ++i) harness.Step();
  StepBatch batch;
  harness.scheduler.Reserve(&batch);
  StepWork work;
  std::vector<SampleOutcome> outcomes;
  int64_t counted = 0;
  for (int step = -2; step < steps; ++step) {  // the first two make room for the rest
    const int64_t before = Allocations();
    const StepPlan& plan = harness.scheduler.Plan();
    BuildBatch(plan, &batch);
    work.Reset(static_cast<int>(plan.spans.size()));
    RecordStep(plan, work, shape, profile);
    outcomes.clear();
    for (const PlannedSpan& span : plan.spans) {
      if (span.logit_rows > 0) outcomes.emplace_back(SampledToken{span.first_position % 50, {}});
    }
    harness.scheduler.Commit(plan, absl::MakeSpan(outcomes));
    if (step >= 0) counted += Allocations() - before;
    EXPECT_EQ(plan.spans.size(), 0u);
    EXPECT_EQ(harness.scheduler.num_running(), 8);
  }
  return counted;
}

TEST(SteadyStep, AllocatesNothing) {
  const MachineProfile profile = MadeProfile(1e6, 1e9, 1e6);
  const auto plain = [](SchedulerOptions&) {};
  const auto shared = [](SchedulerOptions& options) { options.prefix_sharing = true; };
  const auto bounded = [&](SchedulerOptions& options) {
    options.itl_target_seconds = 1e-3;
    options.profile = &profile;
  };
  const int64_t before = Allocations();
  ::operator delete(::operator new(10));
  EXPECT_EQ(Allocations(), before + 1) << "operator new is not counted here";
  EXPECT_EQ(AllocationsOf(100, 8000, plain, nullptr), 0);
  EXPECT_EQ(AllocationsOf(100, 8000, shared, &profile), 0);
  EXPECT_EQ(AllocationsOf(400, 8000, bounded, &profile), 0);
  // Nor where tokens, blocks and records of many steps come together.
  EXPECT_EQ(AllocationsOf(2500, 100, shared, nullptr), 0);
}

}  // namespace
}  // namespace plumbline::scheduler_overload_test
