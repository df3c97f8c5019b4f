// A full queue, and deadlines.
#include "scheduler/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tests/support/scheduler_harness.h"
#include "tests/support/session_harness.h"

namespace plumbline::admission_test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(QueueDrain, TellsThePaceOfTheLastDepartures) {
  QueueDrain drain;
  EXPECT_EQ(drain.SecondsFor({1, 0}, 5), std::nullopt);
  drain.Left(10, 1000);  // only marks the beginning
  EXPECT_EQ(drain.SecondsFor({1, 0}, 11), std::nullopt);
  drain.Left(10, 40);
  EXPECT_EQ(drain.SecondsFor({1, 0}, 10), std::nullopt);  // no time has passed
  drain.Left(12, 60);
  // 2 requests and 100 tokens in 4 seconds, of which the last brought nothing.
  EXPECT_DOUBLE_EQ(*drain.SecondsFor({1, 0}, 14), 2);
  EXPECT_DOUBLE_EQ(*drain.SecondsFor({0, 75}, 14), 3);
  EXPECT_DOUBLE_EQ(*drain.SecondsFor({2, 75}, 14), 4);  // the slower of the two
  // Only the last 32 count: 31 intervals of half a second.
  for (int i = 0; i < 100; ++i) drain.Left(20 + i * 0.5, 10);
  EXPECT_DOUBLE_EQ(*drain.SecondsFor({4, 0}, 20 + 99 * 0.5), 2);
  EXPECT_DOUBLE_EQ(*drain.SecondsFor({0, 100}, 20 + 99 * 0.5), 5);
}

TEST(Admission, LimitsAreExactAndZeroIsNone) {
  const QueueDrain drain;
  const auto fits = [&](AdmissionLimits limits, QueueLoad queued, QueueLoad wish) {
    return CheckAdmission(limits, queued, wish, drain, 0).ok();
  };
  EXPECT_TRUE(fits({}, {kMost, kMost}, {kMost, kMost}));
  EXPECT_TRUE(fits({3, 0}, {2, kMost}, {1, kMost}));
  EXPECT_FALSE(fits({3, 0}, {3, 0}, {1, 1}));
  EXPECT_FALSE(fits({3, 0}, {2, 0}, {2, 1}));
  EXPECT_TRUE(fits({0, 100}, {kMost, 60}, {1, 40}));
  EXPECT_FALSE(fits({0, 100}, {0, 61}, {1, 40}));
  EXPECT_FALSE(fits({0, kMost}, {0, 1}, {1, kMost}));
}

TEST(Admission, RefusalSaysWhatWasNeededAndHadAndWhenToComeBack) {
  QueueDrain drain;
  const AdmissionLimits limits = {5, 100};
  absl::Status status = CheckAdmission(limits, {5, 90}, {1, 30}, drain, 9);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("1 request of 30 prompt tokens"), HasSubstr("5 of 5 requests"),
                    HasSubstr("90 of 100 tokens"), HasSubstr("come back later")));
  EXPECT_EQ(RetryAfterSeconds(status), std::nullopt);
  drain.Left(1, 10);
  drain.Left(9, 10);
  // 20 tokens are over, at 10 in 8 seconds; the request alone would need 8.
  status = CheckAdmission(limits, {5, 90}, {1, 30}, drain, 9);
  EXPECT_THAT(std::string(status.message()), HasSubstr("come back in about 16 s"));
  ASSERT_TRUE(RetryAfterSeconds(status).has_value());
  EXPECT_DOUBLE_EQ(*RetryAfterSeconds(status), 16);
  // Over the limit by itself: no time will help.
  status = CheckAdmission(limits, {0, 0}, {1, 101}, drain, 9);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("empty queue holds only 5 requests and 100 tokens"),
                    Not(HasSubstr("come back"))));
  EXPECT_EQ(RetryAfterSeconds(status), std::nullopt);
  EXPECT_EQ(RetryAfterSeconds(absl::OkStatus()), std::nullopt);
}

TEST(Admission, TheQueueIsFullUntilSomebodyStarts) {
  SchedulerHarness harness({.num_blocks = 64, .seconds_per_token = 1}, 16, /*max_running=*/1,
                           [](SchedulerOptions& options) {
                             options.limits = {.queued_requests = 2, .queued_tokens = 12};
                           });
  MustAdd(harness, MakeRequest(5, 3));
  EXPECT_FALSE(harness.scheduler.Check(MakeRequest(8, 1)).ok());  // 13 tokens
  MustAdd(harness, MakeRequest(7, 1));
  EXPECT_FALSE(harness.scheduler.Add(MakeRequest(1, 1)).ok());  // 3 requests
  harness.Step();                                               // one starts, 7 tokens wait
  MustAdd(harness, MakeRequest(5, 1));
  const absl::Status status = harness.scheduler.Add(MakeRequest(1, 1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished.size(), 3U);
  ExpectCleanEnd(harness);
}

// The estimate is held against what then happens: whoever comes back then, gets in.
TEST(Admission, WhoComesBackWhenToldIsLetIn) {
  SchedulerHarness harness({.num_blocks = 64, .seconds_per_token = 1}, 16, /*max_running=*/1,
                           [](SchedulerOptions& options) { options.limits.queued_requests = 4; });
  for (int i = 0; i < 4; ++i) MustAdd(harness, MakeRequest(4, 1));
  for (int i = 0; i < 3; ++i) {
    harness.Step();
    MustAdd(harness, MakeRequest(4, 1));
  }
  const absl::Status refused = harness.scheduler.Check(MakeRequest(4, 1));
  ASSERT_TRUE(RetryAfterSeconds(refused).has_value()) << refused;
  // Departures at 0, 4 and 8; it is 12.
  EXPECT_DOUBLE_EQ(*RetryAfterSeconds(refused), 6);
  const double back = harness.clock.NowSeconds() + *RetryAfterSeconds(refused);
  while (harness.clock.NowSeconds() < back) harness.Step();
  EXPECT_TRUE(harness.scheduler.Check(MakeRequest(4, 1)).ok());
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
}

TEST(Admission, PreemptedRequestsTakeNoRoomInTheQueue) {
  SchedulerHarness harness({.block_tokens = 4, .num_blocks = 4}, 16, 8,
                           [](SchedulerOptions& options) { options.limits.queued_requests = 2; });
  MustAdd(harness, MakeRequest(7, 5));
  MustAdd(harness, MakeRequest(6, 6));
  do {
    harness.Step();
    ASSERT_TRUE(harness.scheduler.has_work());
  } while (harness.scheduler.num_waiting() == 0);
  MustAdd(harness, MakeRequest(1, 1));
  MustAdd(harness, MakeRequest(1, 1));
  EXPECT_FALSE(harness.scheduler.Add(MakeRequest(1, 1)).ok());
  harness.RunUntilIdle();
  ExpectCleanEnd(harness);
}

TEST(Deadline, EndsARequestWhereverItIs) {
  SchedulerHarness harness({.num_blocks = 64, .seconds_per_token = 1}, /*step_tokens=*/8,
                           /*max_running=*/1);
  Request request = MakeRequest(4, 20);
  request.arrival_seconds = -2;
  request.deadline_seconds = 8;  // until 6: the prompt takes until 4, each token one more
  const RequestId running = MustAdd(harness, request);
  request.deadline_seconds = 4;  // until 2
  const RequestId waiting = MustAdd(harness, request);
  request.deadline_seconds = 1;  // over already
  const RequestId late = MustAdd(harness, request);
  request.deadline_seconds = 1e9;
  const RequestId patient = MustAdd(harness, request);
  harness.RunUntilIdle();
  for (const RequestId id : {running, waiting, late}) {
    const RequestResult& result = harness.finished[id];
    EXPECT_EQ(harness.times_finished[id], 1);
    EXPECT_EQ(result.reason, FinishReason::kExpired);
    EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(FinishReasonName(result.reason), "expired");
  }
  EXPECT_EQ(harness.finished[running].output.size(), 3U);  // at 4, 5 and 6
  EXPECT_EQ(harness.finished[running].finish_seconds, 6);
  EXPECT_THAT(std::string(harness.finished[running].status.message()),
              AllOf(HasSubstr("8 s"), HasSubstr("3 of 20")));
  EXPECT_EQ(harness.finished[late].finish_seconds, 0);
  EXPECT_EQ(harness.finished[waiting].finish_seconds, 4);  // the first step ended then
  EXPECT_THAT(harness.finished[waiting].output, IsEmpty());
  EXPECT_EQ(harness.finished[patient].reason, FinishReason::kLength);
  ExpectCleanEnd(harness);
}

TEST(Deadline, OneThatFinishesInTimeDoesNotExpire) {
  SchedulerHarness harness({.seconds_per_token = 1});
  Request request = MakeRequest(4, 2);
  request.deadline_seconds = 5;  // it ends at 5
  const RequestId id = MustAdd(harness, request);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.finished[id].reason, FinishReason::kLength);
  harness.clock.Advance(100);
  EXPECT_THAT(harness.Step(), IsEmpty());
  EXPECT_EQ(harness.times_finished[id], 1);
  ExpectCleanEnd(harness);
}

TEST(Deadline, IsANumberThatIsNotNegative) {
  const SchedulerHarness harness({});
  for (const double seconds : {-1.0, std::nan("")}) {
    Request request = MakeRequest(1, 1);
    request.deadline_seconds = seconds;
    const absl::Status status = harness.scheduler.Check(request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("deadline_seconds"));
  }
}

TEST(Admission, ARefusalReachesTheClientOfASession) {
  SessionHarness harness({}, 16,
                         [](SchedulerOptions& options) { options.limits.queued_requests = 1; });
  harness.Submit(MakeRequest(3, 2));
  harness.Submit(MakeRequest(3, 2));  // both arrive before the first can start
  harness.session.RunUntilIdle();
  EXPECT_EQ(harness.Only(0).reason, FinishReason::kLength);
  EXPECT_EQ(harness.Only(1).reason, FinishReason::kError);
  EXPECT_EQ(harness.Only(1).status.code(), absl::StatusCode::kResourceExhausted);
  harness.ExpectClean();
}

}  // namespace
}  // namespace plumbline::admission_test
