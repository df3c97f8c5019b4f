// Steps of a run that run twice.
#include "tools/load_repeats.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/engine_rig.h"
#include "tests/support/hand_made_load.h"
#include "tests/support/manual_clock.h"
#include "tests/support/map_source.h"
#include "tests/support/session_rig.h"
#include "tools/load_metrics.h"
#include "tools/load_recorder.h"
#include "tools/load_report.h"

namespace plumbline::load_repeats_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr double kRunSeconds = 0.25;

// The n-th run takes a quarter of a second, n seconds of it "in other work", and its one logit is
// n.
class CountingExecutor final : public Executor {
 public:
  explicit CountingExecutor(ManualClock& wall) : wall_(wall) {}
  absl::StatusOr<absl::Span<const float>> Run(const StepBatch& /*batch*/, StepWork* work) override {
    if (++runs == fails_at) return absl::InternalError("broken");
    wall_.Advance(kRunSeconds);
    work->seconds[static_cast<size_t>(WorkClass::kOther)] += runs;
    logit_ = static_cast<float>(runs);
    return absl::MakeConstSpan(&logit_, 1);
  }
  int vocab() const override { return 1; }
  int context() const override { return 8; }
  CostShape cost_shape() const override { return {}; }

  int runs = 0;
  int fails_at = -1;

 private:
  ManualClock& wall_;
  float logit_ = 0;
};

class RepeatingExecutorTest : public testing::Test {
 protected:
  RepeatingExecutorTest() {
    batch_.AddSpan({5}, 7, 1, {0});
    batch_.AddSpan({5, 6}, 0, 0, {1});
  }

  // The seconds of "other work" in the counters of each step, or -1 for a step that failed.
  std::vector<double> RunSteps(int64_t every, int steps) {
    RepeatingExecutor repeating(executor_, every, clock_, recorder_);
    std::vector<double> seconds;
    for (int step = 0; step < steps; ++step) {
      StepWork work;
      work.Reset(2);
      const auto logits = repeating.Run(batch_, &work);
      seconds.push_back(logits.ok() ? work.seconds[static_cast<size_t>(WorkClass::kOther)] : -1);
    }
    return seconds;
  }

  ManualClock wall_;
  LoadClock clock_{wall_};
  LoadRecorder recorder_{nullptr};
  CountingExecutor executor_{wall_};
  StepBatch batch_;
};

TEST_F(RepeatingExecutorTest, RunsEveryNthStepTwiceWhileTheRunsClockStandsStill) {
  EXPECT_THAT(RunSteps(3, 7), ElementsAre(1, 2, 3, 5, 6, 7, 9));
  EXPECT_DOUBLE_EQ(clock_.NowSeconds(), 7 * kRunSeconds);
  const std::vector<SpanShape> spans = {{7, 1, 1}, {0, 2, 0}};
  EXPECT_THAT(recorder_.Take().repeated_steps,
              ElementsAre(RepeatedStep{0.75, kRunSeconds, spans, {0, 0, 0, 0, 0, 0, 4}},
                          RepeatedStep{1.5, kRunSeconds, spans, {0, 0, 0, 0, 0, 0, 8}}));
}

TEST_F(RepeatingExecutorTest, RunsNoneTwiceUnlessAsked) {
  EXPECT_THAT(RunSteps(0, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(recorder_.Take().repeated_steps, IsEmpty());
}

TEST_F(RepeatingExecutorTest, AStepFailsWithEitherOfItsRuns) {
  executor_.fails_at = 2;
  EXPECT_THAT(RunSteps(1, 2), ElementsAre(-1, 3));
  EXPECT_THAT(recorder_.Take().repeated_steps, SizeIs(1));
  executor_.fails_at = 5;
  EXPECT_THAT(RunSteps(1, 1), ElementsAre(-1));
  EXPECT_THAT(recorder_.Take().repeated_steps, IsEmpty());
}

TEST(RepeatedStepsReport, SaysWhatAnchorsCost) {
  LoadRecord record = HandMadeHead();
  RepetitionRecord& repetition = record.repetitions.emplace_back();
  repetition.end_seconds = 8;
  EXPECT_THAT(LoadReport(record, {}, ComputeMetrics(record, {})), Not(HasSubstr("Anchors:")));
  repetition.anchor_marks = {{1, 0.5, {1e11, 1e10}}, {2, 0.5, {1e11, 1e10}}};
  repetition.repeated_steps.resize(3);
  for (RepeatedStep& step : repetition.repeated_steps) step.cost_seconds = 1.0 / 3;
  EXPECT_THAT(
      LoadReport(record, {}, ComputeMetrics(record, {})),
      HasSubstr("Anchors: 2 taken between steps, and 3 steps run twice; 20.0% of the time"));
}

struct Dtypes {
  WeightDtype weights;
  KvDtype kv;
};
class RepeatedSteps : public testing::TestWithParam<Dtypes> {};

// With prefixes that are shared, and victims that are swapped out and in.
TEST_P(RepeatedSteps, ChangeNoBit) {
  ModelConfig config = SmallLlama(6, 2);
  config.context = 512;
  const MapSource source = MapSource::Random(config, 11);
  ModelOptions options;
  options.weights = GetParam().weights;
  options.kv_dtype = GetParam().kv;
  options.block_tokens = 16;
  options.threads = 2;
  auto model = Model::Load(source, options);
  ASSERT_TRUE(model.ok()) << model.status();
  std::vector<Request> requests;
  for (const auto& prompt : RandomSequences({100, 33, 5, 64}, config.vocab, 11)) {
    for (int twice = 0; twice < 2; ++twice) {
      requests.push_back(GreedyRequest(prompt, 30, config.vocab));
    }
  }
  SessionRigOptions rig = {.num_blocks = 20,
                           .host_blocks = 20,
                           .step_tokens = 50,
                           .preemption = {.mode = PreemptMode::kSwap}};
  rig.prefix_sharing = true;
  const auto once = RunRequests(**model, rig, requests);
  rig.repeat_every = 1;
  const auto twice = RunRequests(**model, rig, requests);
  int preemptions = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(once[i].logprobs.size(), 30U);
    EXPECT_TRUE(LogprobBits(once[i]) == LogprobBits(twice[i])) << "request " << i;
    preemptions += twice[i].preemptions;
  }
  EXPECT_GT(preemptions, 0) << "nothing was preempted: the test tests nothing";
}

INSTANTIATE_TEST_SUITE_P(Dtypes, RepeatedSteps,
                         testing::Values(Dtypes{WeightDtype::kF32, KvDtype::kF32},
                                         Dtypes{WeightDtype::kF32, KvDtype::kInt8},
                                         Dtypes{WeightDtype::kInt8, KvDtype::kF16}));

}  // namespace
}  // namespace plumbline::load_repeats_test
