// The engine under ten times the requests that it can serve, while some are cancelled, thrown out
// and swapped: each ends once, and nothing leaks.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/model.h"
#include "engine/process_memory.h"
#include "tests/support/engine_rig.h"
#include "tests/support/map_source.h"
#include "tests/support/sanitized.h"
#include "tests/support/session_rig.h"

namespace plumbline::engine_overload_test {
namespace {

constexpr uint32_t kSeed = 5;
constexpr int kRequests = 2000;
constexpr int kMostPrompt = 40;
constexpr int kMostOutput = 24;
constexpr int kMostRunning = 8;

class Crowd {
 public:
  explicit Crowd(int vocab) : vocab_(vocab), ended_(kRequests) {}

  // Requests come ten times as fast as their outputs can leave, from the first step on; every
  // fourth time, somebody among the last ones gives up.
  void Drive(Session& session) {
    constexpr double kStepsEach = (1 + kMostOutput) / 2.0 / kMostRunning;
    constexpr double kGapSteps = kStepsEach / 10;
    int arrived = 0;
    for (int step = 0; arrived < kRequests; ++step) {
      for (; arrived < kRequests && arrived * kGapSteps <= step; ++arrived) {
        tickets_.push_back(Submit(session, arrived));
        if (Below(4) != 0) continue;
        const int back = std::min(Below(80), arrived);
        session.Cancel(tickets_[static_cast<size_t>(arrived - back)]);
      }
      session.Step();
    }
    most_waiting_ = session.scheduler().num_waiting();
    // Half of what is left, and then the other half: the second must not need more memory.
    while (num_ended_ < kRequests / 2 && session.Step()) continue;
    half_bytes_ = ResidentBytes();
    session.RunUntilIdle();
    end_bytes_ = ResidentBytes();
    stats_ = session.scheduler().preemption_stats();
  }

  void ExpectAllEndedOnce() const {
    for (size_t i = 0; i < ended_.size(); ++i) ASSERT_EQ(ended_[i], 1) << "request " << i;
    EXPECT_GT(Count(FinishReason::kLength), kRequests / 2);
    EXPECT_GT(Count(FinishReason::kCancelled), kRequests / 20);
    EXPECT_EQ(Count(FinishReason::kLength) + Count(FinishReason::kCancelled), kRequests);
    EXPECT_GT(most_waiting_, kRequests / 2);
    EXPECT_GT(stats_.swapped, kRequests / 100);
    EXPECT_GT(stats_.recomputed, kRequests / 100);
  }

  // What malloc keeps of one step's vectors may differ; half of the requests' results would be
  // more.
  void ExpectMemoryFlat() const { EXPECT_LE(end_bytes_, half_bytes_ + (int64_t{1} << 20)); }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint32_t>(bound)); }
  int Count(FinishReason reason) const { return reasons_[static_cast<size_t>(reason)]; }

  static int64_t ResidentBytes() {
    ReleaseFreeMemory();
    const auto bytes = AnonymousResidentBytes();
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or(0);
  }

  uint64_t Submit(Session& session, int index) {
    std::vector<int32_t> prompt(static_cast<size_t>(1 + Below(kMostPrompt)));
    for (int32_t& token : prompt) token = Below(vocab_);
    const int output = 1 + Below(kMostOutput);
    return session.Submit(GreedyRequest(std::move(prompt), output, 0),
                          [this, index, output](const RequestResult& result) {
                            ++ended_[static_cast<size_t>(index)];
                            ++num_ended_;
                            ++reasons_[static_cast<size_t>(result.reason)];
                            if (result.reason == FinishReason::kLength) {
                              EXPECT_EQ(static_cast<int>(result.output.size()), output)
                                  << "request " << index;
                            }
                          });
  }

  int vocab_;
  std::mt19937 random_{kSeed};
  std::vector<uint64_t> tickets_;
  std::vector<int> ended_;  // times, by request
  int num_ended_ = 0;
  std::array<int, 5> reasons_ = {};
  int most_waiting_ = 0;
  int64_t half_bytes_ = 0;
  int64_t end_bytes_ = 0;
  PreemptionStats stats_;
};

TEST(EngineOverload, EveryRequestEndsOnceAndMemoryStaysFlat) {
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  ModelConfig config = SmallLlama(4, 2);
  config.context = 64;
  const MapSource source = MapSource::Random(config, kSeed);
  ModelOptions options;
  options.block_tokens = 16;
  auto model = Model::Load(source, options);
  ASSERT_TRUE(model.ok()) << model.status();
  Crowd crowd(config.vocab);
  // Eight of the longest would need 32 blocks.
  UseSession(**model,
             {.num_blocks = 16,
              .host_blocks = 3,
              .step_tokens = 48,
              .max_running = kMostRunning,
              .preemption = {.mode = PreemptMode::kSwap}},
             [&](Session& session) { crowd.Drive(session); });
  crowd.ExpectAllEndedOnce();
  if (!IsSanitized()) crowd.ExpectMemoryFlat();
}

}  // namespace
}  // namespace plumbline::engine_overload_test
