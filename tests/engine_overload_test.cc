// The engine under ten times the requests that it can serve, while some are cancelled, thrown out
// and swapped: each ends once, and what they leave behind is counted byte by byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/model.h"
#include "tests/counting_new.h"
#include "tests/support/engine_rig.h"
#include "tests/support/map_source.h"
#include "tests/support/session_rig.h"

namespace plumbline::engine_overload_test {
namespace {

constexpr uint32_t kSeed = 5;
constexpr int kCrowds = 5;
constexpr int kRequests = 400;  // of each crowd
constexpr int kMostPrompt = 40;
constexpr int kMostOutput = 24;
constexpr int kMostRunning = 8;

class Crowd {
 public:
  explicit Crowd(int vocab) : vocab_(vocab), ended_(kRequests) { tickets_.reserve(kRequests); }

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
    session.RunUntilIdle();
    stats_ = session.scheduler().preemption_stats();
  }

  void ExpectAllEndedOnce() const {
    for (size_t i = 0; i < ended_.size(); ++i) ASSERT_EQ(ended_[i], 1) << "request " << i;
    EXPECT_GT(Count(FinishReason::kLength), kRequests / 2);
    EXPECT_GT(Count(FinishReason::kCancelled), kRequests / 20);
    EXPECT_EQ(Count(FinishReason::kLength) + Count(FinishReason::kCancelled), kRequests);
    EXPECT_GT(most_waiting_, kRequests / 2);
    EXPECT_GT(stats_.swapped, kRequests / 200);
    EXPECT_GT(stats_.recomputed, kRequests / 200);
  }

 private:
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint32_t>(bound)); }
  int Count(FinishReason reason) const { return reasons_[static_cast<size_t>(reason)]; }

  uint64_t Submit(Session& session, int index) {
    std::vector<int32_t> prompt(static_cast<size_t>(1 + Below(kMostPrompt)));
    for (int32_t& token : prompt) token = Below(vocab_);
    const int output = 1 + Below(kMostOutput);
    return session.Submit(GreedyRequest(std::move(prompt), output, 0),
                          [this, index, output](const RequestResult& result) {
                            ++ended_[static_cast<size_t>(index)];
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
  std::array<int, 5> reasons_ = {};
  int most_waiting_ = 0;
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
  // The same crowd again and again. Containers may find that they want more room, which they do
  // once or twice; what a request leaves behind it leaves in every crowd.
  std::vector<int64_t> idle_bytes;
  idle_bytes.reserve(kCrowds);
  // Eight of the longest would need 32 blocks.
  UseSession(**model,
             {.num_blocks = 16,
              .host_blocks = 3,
              .step_tokens = 48,
              .max_running = kMostRunning,
              .preemption = {.mode = PreemptMode::kSwap}},
             [&](Session& session) {
               for (int i = 0; i < kCrowds; ++i) {
                 {
                   Crowd crowd(config.vocab);
                   crowd.Drive(session);
                   crowd.ExpectAllEndedOnce();
                 }
                 idle_bytes.push_back(LiveBytes());
               }
             });
  ASSERT_EQ(idle_bytes.size(), size_t{kCrowds});
  std::vector<int64_t> left(idle_bytes.size());
  std::adjacent_difference(idle_bytes.begin(), idle_bytes.end(), left.begin());
  EXPECT_LE(*std::min_element(left.begin() + 1, left.end()), 0) << testing::PrintToString(left);
}

}  // namespace
}  // namespace plumbline::engine_overload_test
