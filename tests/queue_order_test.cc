// Who starts next, and how long somebody can be overtaken.
#include "scheduler/queue_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/waiting_queue.h"
#include "tests/support/scheduler_harness.h"

namespace plumbline::queue_order_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One request runs at a time, so that the order of finishing is the order of starting.
SchedulerHarness OneAtATime(const QueuePolicy& policy) {
  return SchedulerHarness({.num_blocks = 64, .seconds_per_token = 0.25}, /*step_tokens=*/64,
                          /*max_running=*/1,
                          [&](SchedulerOptions& options) { options.queue = policy; });
}

Request Arriving(double seconds, int prompt_tokens, int priority = 0) {
  Request request = MakeRequest(prompt_tokens, 1);
  request.arrival_seconds = seconds;
  request.priority = priority;
  return request;
}

std::vector<RequestId> InOrderOfEnds(SchedulerHarness& harness) {
  std::vector<std::pair<double, RequestId>> ends;
  harness.RunUntilIdle();
  for (const auto& [id, result] : harness.finished) ends.emplace_back(result.finish_seconds, id);
  std::sort(ends.begin(), ends.end());
  std::vector<RequestId> ids;
  ids.reserve(ends.size());
  for (const auto& [seconds, id] : ends) ids.push_back(id);
  return ids;
}

TEST(QueueOrder, FirstComeLooksAtNothingElse) {
  SchedulerHarness harness = OneAtATime({.order = QueueOrder::kFirstCome});
  for (const int prompt : {30, 1, 20}) MustAdd(harness, Arriving(5 - prompt, prompt, prompt));
  EXPECT_THAT(InOrderOfEnds(harness), ElementsAre(1, 2, 3));
  ExpectCleanEnd(harness);
}

TEST(QueueOrder, ShortestPromptGoesFirstAndEqualOnesInTurn) {
  SchedulerHarness harness = OneAtATime({.order = QueueOrder::kShortestPrompt});
  for (const int prompt : {30, 10, 20, 10}) MustAdd(harness, Arriving(0, prompt));
  EXPECT_THAT(InOrderOfEnds(harness), ElementsAre(2, 4, 3, 1));
  ExpectCleanEnd(harness);
}

TEST(QueueOrder, HighestPriorityGoesFirstAndEqualOnesInTurn) {
  SchedulerHarness harness = OneAtATime({.order = QueueOrder::kPriority});
  for (const int priority : {-100, 0, 7, 100, 7}) MustAdd(harness, Arriving(0, 5, priority));
  EXPECT_THAT(InOrderOfEnds(harness), ElementsAre(4, 3, 5, 2, 1));
  ExpectCleanEnd(harness);
}

TEST(QueueOrder, WaitingMakesUpForLengthToTheTokenAndForRankToTheSecond) {
  const QueuePolicy shortest = {.order = QueueOrder::kShortestPrompt,
                                .ageing_tokens_per_second = 4};
  // 20 tokens more: made up for by 5 seconds.
  const QueueKey longer = FreshKey(shortest, Arriving(10, 24), 1);
  EXPECT_LT(FreshKey(shortest, Arriving(14.75, 4), 2), longer);
  EXPECT_LT(longer, FreshKey(shortest, Arriving(15, 4), 2));  // a tie: the older one
  EXPECT_LT(longer, FreshKey(shortest, Arriving(15.25, 4), 2));
  const QueuePolicy priority = {.order = QueueOrder::kPriority, .ageing_seconds_per_level = 2};
  const QueueKey low = FreshKey(priority, Arriving(10, 1, -1), 1);
  EXPECT_LT(FreshKey(priority, Arriving(17.5, 1, 3), 2), low);
  EXPECT_LT(low, FreshKey(priority, Arriving(18, 1, 3), 2));
  EXPECT_LT(PreemptedKey(1000), FreshKey(priority, Arriving(-1e9, 1, 100), 1));
  EXPECT_LT(PreemptedKey(3), PreemptedKey(4));
}

// Short prompts, or high ranks, come twice as fast as they can be served. The one long or low
// request is overtaken, but by nobody who came after the bound.
class StarvationBound : public testing::TestWithParam<QueueOrder> {};

TEST_P(StarvationBound, HoldsUnderOverload) {
  constexpr double kBoundSeconds = 8;
  const bool by_length = GetParam() == QueueOrder::kShortestPrompt;
  QueuePolicy policy = {.order = GetParam()};
  policy.ageing_tokens_per_second = 40 / kBoundSeconds;  // 44 tokens against 4
  policy.ageing_seconds_per_level = kBoundSeconds / 5;   // 5 levels
  SchedulerHarness harness = OneAtATime(policy);
  const RequestId victim = MustAdd(harness, by_length ? Arriving(0, 44, 0) : Arriving(0, 4, 0));
  std::map<RequestId, double> arrivals;
  double next_arrival = 0;
  int overtaken = 0;
  double last_to_overtake = 0;
  while (!harness.finished.contains(victim)) {
    while (next_arrival <= harness.clock.NowSeconds()) {  // service: 1 s
      arrivals[MustAdd(harness, Arriving(next_arrival, 4, 5))] = next_arrival;
      next_arrival += 0.5;
    }
    for (const SeenSpan& span : harness.Step()) {
      if (span.id == victim) continue;
      ++overtaken;
      last_to_overtake = std::max(last_to_overtake, arrivals[span.id]);
    }
    ASSERT_LT(harness.clock.NowSeconds(), 200) << "the request starves";
  }
  // All those that came before the bound went first, and no other.
  EXPECT_LT(last_to_overtake, kBoundSeconds);
  EXPECT_EQ(overtaken, 16);
  EXPECT_GT(arrivals.size(), 25U) << "too little came to overtake";
  EXPECT_EQ(harness.finished[victim].first_scheduled_seconds, overtaken * 1.0);
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
}

INSTANTIATE_TEST_SUITE_P(Orders, StarvationBound,
                         testing::Values(QueueOrder::kShortestPrompt, QueueOrder::kPriority),
                         [](const auto& instance) {
                           return instance.param == QueueOrder::kPriority ? "Priority" : "Shortest";
                         });

TEST(QueueOrder, PreemptedRequestsStartAgainBeforeAnybodyNew) {
  SchedulerHarness harness(
      {.block_tokens = 4, .num_blocks = 4}, 16, 8,
      [](SchedulerOptions& options) { options.queue.order = QueueOrder::kShortestPrompt; });
  const RequestId a = MustAdd(harness, MakeRequest(6, 6));
  const RequestId b = MustAdd(harness, MakeRequest(7, 5));
  harness.Step();
  harness.Step();
  MustAdd(harness, MakeRequest(1, 1));  // would be first, and would fit
  std::vector<RequestId> seen;
  while (harness.scheduler.has_work()) {
    for (const SeenSpan& span : harness.Step()) {
      if (seen.empty() || seen.back() != span.id) seen.push_back(span.id);
    }
  }
  EXPECT_EQ(harness.finished[b].preemptions, 1);
  EXPECT_THAT(seen, ElementsAre(a, b, b + 1, b));
  ExpectCleanEnd(harness);
}

TEST(QueueOrder, RejectsTimesAndRanksThatCannotBeOrdered) {
  SchedulerHarness harness = OneAtATime({.order = QueueOrder::kPriority});
  const auto expect_invalid = [&](const Request& request, const std::string& named) {
    const absl::Status status = harness.scheduler.Check(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(named));
  };
  expect_invalid(Arriving(std::nan(""), 1), "arrival_seconds");
  expect_invalid(Arriving(std::numeric_limits<double>::infinity(), 1), "arrival_seconds");
  expect_invalid(Arriving(0, 1, kMaxPriority + 1), "priority");
  expect_invalid(Arriving(0, 1, std::numeric_limits<int>::min()), "priority");
  EXPECT_TRUE(harness.scheduler.Check(Arriving(0, 1, -kMaxPriority)).ok());
}

std::unique_ptr<Sequence> MakeSequence(RequestId id, int prompt_tokens) {
  auto sequence = std::make_unique<Sequence>(4);
  sequence->id = id;
  sequence->request = MakeRequest(prompt_tokens, 1);
  return sequence;
}

TEST(WaitingQueue, CountsThoseThatNeverStarted) {
  WaitingQueue queue({.order = QueueOrder::kShortestPrompt});
  queue.AddFresh(MakeSequence(1, 5));
  queue.AddFresh(MakeSequence(2, 3));
  queue.AddFresh(MakeSequence(3, 4));
  auto preempted = MakeSequence(4, 100);
  preempted->start_number = 9;
  queue.AddPreempted(std::move(preempted));
  EXPECT_EQ(queue.size(), 4);
  EXPECT_EQ(queue.fresh_requests(), 3);
  EXPECT_EQ(queue.fresh_tokens(), 12);
  EXPECT_EQ(queue.PopFront()->id, 4);
  EXPECT_EQ(queue.fresh_tokens(), 12);
  EXPECT_EQ(queue.PopFront()->id, 2);
  EXPECT_EQ(queue.fresh_tokens(), 9);
  const Sequence& longest = *std::prev(queue.end())->second;
  EXPECT_EQ(queue.Take(longest)->id, 1);
  EXPECT_EQ(queue.fresh_requests(), 1);
  EXPECT_EQ(queue.fresh_tokens(), 4);
  EXPECT_EQ(queue.front().id, 3);
}

}  // namespace
}  // namespace plumbline::queue_order_test
