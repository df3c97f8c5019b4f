// The threads that share a pass's loops (engine/crew.h), and the loops themselves.
#include "engine/crew.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/parallel.h"
#include "engine/pass_threads.h"
#include "engine/step_time.h"
#include "gtest/gtest.h"
#include "tests/support/made_profile.h"
#include "tests/support/step_times.h"

namespace plumbline::crew_test {
namespace {

// Every loop of parallel.h over n: each index once, on a thread that there is.
void ExpectEachOnce(int threads, int64_t n) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
  std::atomic<bool> inside = true;
  const auto expect_once = [&] {
    for (std::atomic<int>& count : seen) EXPECT_EQ(count.exchange(0), 1);
  };
  ParallelFor(threads, n, [&](int64_t i) { ++seen[i]; });
  expect_once();
  ParallelRuns(threads, n, [&](int64_t begin, int64_t end, int64_t thread) {
    if (thread < 0 || thread >= threads) inside = false;
    for (int64_t i = begin; i < end; ++i) ++seen[i];
  });
  expect_once();
  ParallelTasks(threads, n, [&](int64_t i, int thread) {
    if (thread < 0 || thread >= threads) inside = false;
    ++seen[i];
  });
  expect_once();
  EXPECT_TRUE(inside);
}

TEST(CrewTest, LoopsTakeEachIndexOnceWithACrewAndWithout) {
  for (const int threads : {1, 2, 3, 8}) {
    for (const int64_t n : {0, 1, 2, 7, 100}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << n);
      ExpectEachOnce(threads, n);
      // Crews with fewer threads than a loop asks for, as many, and more.
      for (const int crew : {1, 2, 8}) Crew::Run(crew, [&] { ExpectEachOnce(threads, n); });
    }
  }
}

TEST(CrewTest, ManyLoopsFollowEachOther) {
  constexpr int kThreads = 4;
  std::array<int64_t, 2 * kThreads> sums = {};
  Crew::Run(kThreads, [&] {
    for (int64_t turn = 0; turn < 20000; ++turn) {
      // Reads what the loop before wrote, on whichever thread.
      auto* const from = sums.data() + turn % 2 * kThreads;
      auto* const to = sums.data() + (turn + 1) % 2 * kThreads;
      ParallelFor(kThreads, kThreads, [&](int64_t i) {
        to[i] = 0;
        for (int t = 0; t < kThreads; ++t) to[i] = std::max(to[i], from[t] + 1);
      });
    }
  });
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(sums[i], 20000);
}

TEST(CrewTest, SharesWithOtherThreads) {
  if (omp_get_thread_limit() < 3) GTEST_SKIP() << "OpenMP may have one thread only";
  std::array<int, 3> threads = {};
  Crew::Run(3, [&] {
    ASSERT_NE(Crew::Current(), nullptr);
    EXPECT_EQ(Crew::Current()->threads(), 3);
    ParallelFor(3, 3, [&](int64_t i) { threads[i] = omp_get_thread_num(); });
  });
  EXPECT_EQ(std::set<int>(threads.begin(), threads.end()), (std::set<int>{0, 1, 2}));
  EXPECT_EQ(Crew::Current(), nullptr);
}

TEST(CrewTest, ALoopInsideALoopIsNotShared) {
  std::atomic<int> inner = 0;
  std::atomic<bool> shared = false;
  Crew::Run(2, [&] {
    ParallelFor(2, 2, [&](int64_t) {
      if (Crew::Current() != nullptr) shared = true;
      Crew::Run(2, [&] { ParallelFor(2, 10, [&](int64_t) { ++inner; }); });
    });
    EXPECT_NE(Crew::Current(), nullptr);
  });
  EXPECT_FALSE(shared);
  EXPECT_EQ(inner, 20);
}

TEST(CrewTest, ExceptionsComeThrough) {
  for (const int threads : {1, 2}) {
    EXPECT_THROW(Crew::Run(threads, [] { throw std::runtime_error("no memory"); }),
                 std::runtime_error);
    EXPECT_EQ(Crew::Current(), nullptr);
    ExpectEachOnce(2, 10);
  }
}

TEST(PassThreadsTest, ShortLoopsAreNotShared) {
  EXPECT_EQ(PassThreads(kLeastSharedMacs - 1, 8), 1);
  EXPECT_EQ(PassThreads(kLeastSharedMacs, 8), 8);
  EXPECT_EQ(PassThreads(1, 8, 0), 8);
}

// Nothing is handed over there.
TEST(PassThreadsTest, AShortPassIsPredictedOnOneThread) {
  const MachineProfile profile = MadeProfile(1e9, kNoLimit, 1e6);
  CostShape shape = StepTimeShape();
  shape.h = shape.g = 1;
  shape.d = shape.e = shape.embedding_elements = 32;
  shape.F = 64;
  for (const auto& [tokens, overhead] : {std::pair(1, false), std::pair(512, true)}) {
    const SpanShape span = {0, tokens, 1};
    const StepTime time = PredictStep(profile, shape, absl::MakeConstSpan(&span, 1));
    double seconds = 0;
    for (const ClassTime& part : time.classes) seconds += part.overhead_seconds;
    EXPECT_EQ(seconds > 0, overhead) << tokens;
  }
}

}  // namespace
}  // namespace plumbline::crew_test
