// Prompt chunks sized by predicted time: by themselves, and through the scheduler under a clock
// that moves by what another profile, that of the real machine, predicts.
#include "scheduler/step_time_bound.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/step_time.h"
#include "tests/support/made_profile.h"
#include "tests/support/scheduler_harness.h"

namespace plumbline::step_time_bound_test {
namespace {

constexpr FakeExecutorOptions kSizes = {.context = 600, .block_tokens = 16, .num_blocks = 200};

CostShape Shape() { return FakeExecutor(kSizes, nullptr).cost_shape(); }
// Time goes by products alone.
MachineProfile Products(double per_second) { return MadeProfile(per_second, kNoLimit, kNoLimit); }

// Of four streams at position 50, and a chunk of a prompt of 500 behind its first 40.
double Predicted(const MachineProfile& profile, int chunk) {
  std::vector<SpanShape> spans(4, SpanShape{50, 1, 1});
  spans.push_back({40, chunk, 0});
  return PredictStep(profile, Shape(), spans).seconds() + PredictSampling(profile, Shape(), spans);
}

void AddStreams(StepTimeBound& bound) {
  bound.Begin();
  for (int stream = 0; stream < 4; ++stream) bound.AddDecode(50);
}

TEST(StepTimeBound, WithoutTargetOrProfileOrStreamsNothingIsBounded) {
  const MachineProfile profile = Products(1e6);
  StepTimeBound no_target(0, &profile, Shape(), 8);
  StepTimeBound no_profile(1e-9, nullptr, Shape(), 8);
  for (StepTimeBound* bound : {&no_target, &no_profile}) {
    EXPECT_FALSE(bound->active());
    bound->Begin();
    bound->AddDecode(50);
    EXPECT_EQ(bound->AddPrompt(40, 460, 300), 300);
    EXPECT_TRUE(bound->HasRoom(10));
    EXPECT_FALSE(bound->CloseStep());
  }
  StepTimeBound alone(1e-9, &profile, Shape(), 8);
  alone.Begin();
  EXPECT_EQ(alone.AddPrompt(40, 460, 300), 300);
  EXPECT_FALSE(alone.CloseStep());
  EXPECT_EQ(alone.stats().bounded_steps, 0);
}

TEST(StepTimeBound, TakesTheMostThatFits) {
  const MachineProfile profile = Products(1e6);
  for (const int chunk : {17, 60, 200, 299}) {
    const double target = (Predicted(profile, chunk) + Predicted(profile, chunk + 1)) / 2;
    ASSERT_LT(Predicted(profile, chunk), target);
    StepTimeBound bound(target, &profile, Shape(), 8);
    AddStreams(bound);
    const int found = bound.AddPrompt(40, 460, 300);
    EXPECT_LE(Predicted(profile, found), target);
    EXPECT_GT(Predicted(profile, found + 1), target);
    EXPECT_FALSE(bound.CloseStep());
    EXPECT_EQ(bound.stats().bounded_steps, 1);
    EXPECT_EQ(bound.stats().over_target_steps, 0);
  }
}

TEST(StepTimeBound, RunsSixteenTokensWhereNothingFitsAndSaysSo) {
  const MachineProfile profile = Products(1e6);
  StepTimeBound bound(1e-12, &profile, Shape(), 8);
  AddStreams(bound);
  EXPECT_EQ(bound.AddPrompt(0, 10, 300), 10);
  ASSERT_TRUE(bound.HasRoom(400));
  EXPECT_EQ(bound.AddPrompt(40, 460, 300), 6);
  EXPECT_FALSE(bound.HasRoom(0));
  EXPECT_TRUE(bound.CloseStep());
  EXPECT_EQ(bound.stats().over_target_steps, 1);
  AddStreams(bound);
  EXPECT_EQ(bound.AddPrompt(40, 460, 5), 5) << "the token budget holds too";
}

TEST(StepTimeBound, CorrectionFollowsTheMeasuredTimes) {
  const MachineProfile profile = Products(1e6);
  const double target = Predicted(profile, 200);
  StepTimeBound bound(target * 1.0001, &profile, Shape(), 8);
  EXPECT_EQ(bound.correction(), 1);
  bound.Begin();
  bound.Observe(123);  // of a step that was not bounded
  EXPECT_EQ(bound.correction(), 1);
  double expected = 1;
  for (int step = 0; step < 40; ++step) {
    AddStreams(bound);
    const int chunk = bound.AddPrompt(40, 460, 300);
    bound.CloseStep();
    EXPECT_LE(Predicted(profile, chunk) * bound.correction(), target * 1.0001);
    bound.Observe(2 * Predicted(profile, chunk));
    expected += (2 - expected) / 8;
    EXPECT_NEAR(bound.correction(), expected, 1e-12);
  }
  AddStreams(bound);
  const int chunk = bound.AddPrompt(40, 460, 300);
  EXPECT_LT(2 * Predicted(profile, chunk), target * 1.01);
  EXPECT_GT(2 * Predicted(profile, chunk + 4), target);
  bound.CloseStep();
  bound.Observe(1e9);  // an outlier counts as four times the prediction
  EXPECT_NEAR(bound.correction(), expected + (4 - expected) / 8, 1e-12);
}

// Four streams, and a prompt of 500 tokens that comes while they run.
struct StreamRun {
  double longest_gap = 0;       // between two tokens of a stream
  double longest_late_gap = 0;  // of those after the first five steps that the prompt had part in
  int prompt_steps = 0;
  int over_target_steps = 0;
  std::vector<std::vector<int32_t>> outputs;
};

StreamRun RunStreams(const MachineProfile& machine, const MachineProfile& profile, double target) {
  FakeExecutorOptions sizes = kSizes;
  sizes.profile = &machine;
  SchedulerHarness harness(sizes, 512, 8, [&](SchedulerOptions& options) {
    options.itl_target_seconds = target;
    options.profile = &profile;
  });
  for (int stream = 0; stream < 4; ++stream) MustAdd(harness, MakeRequest(20, 80, stream));
  while (harness.scheduler.num_running() < 4) harness.Step();
  const RequestId prompt = MustAdd(harness, MakeRequest(500, 4));
  StreamRun run;
  while (harness.scheduler.has_work()) {
    const double start = harness.clock.NowSeconds();
    bool has_prompt = false;
    const std::vector<SeenSpan> spans = harness.Step();
    for (const SeenSpan& span : spans) {
      has_prompt = has_prompt || (span.id == prompt && span.count > 1);
    }
    if (has_prompt) ++run.prompt_steps;
    if (spans.size() < 2) continue;
    const double gap = harness.clock.NowSeconds() - start;
    run.longest_gap = std::max(run.longest_gap, gap);
    if (run.prompt_steps > 5) run.longest_late_gap = std::max(run.longest_late_gap, gap);
  }
  ExpectCleanEnd(harness);
  run.over_target_steps = static_cast<int>(harness.scheduler.step_time_stats().over_target_steps);
  for (const auto& [id, result] : harness.finished) run.outputs.push_back(result.output);
  return run;
}

TEST(StepTimeBoundInScheduler, NoStreamWaitsLongerThanTheTarget) {
  const MachineProfile profile = Products(1e6);
  const double target = Predicted(profile, 150);
  const StreamRun free = RunStreams(profile, profile, 0);
  const StreamRun bounded = RunStreams(profile, profile, target);
  EXPECT_EQ(free.prompt_steps, 1);
  EXPECT_GT(free.longest_gap, 3 * target);
  EXPECT_GT(bounded.prompt_steps, 5);
  EXPECT_LE(bounded.longest_gap, target * (1 + 1e-9));
  EXPECT_EQ(bounded.over_target_steps, 0);
  EXPECT_EQ(bounded.outputs, free.outputs);
}

TEST(StepTimeBoundInScheduler, AMachineSlowerThanItsProfileIsFoundOut) {
  const MachineProfile profile = Products(1e6);
  const MachineProfile machine = Products(1e6 / 1.5);
  const double target = Predicted(profile, 150);
  const StreamRun run = RunStreams(machine, profile, target);
  EXPECT_GT(run.longest_gap, 1.3 * target);
  EXPECT_GT(run.prompt_steps, 6);
  EXPECT_LT(run.longest_late_gap, 1.3 * target);
}

TEST(StepTimeBoundInScheduler, StreamsThatMissTheTargetAloneLetSixteenTokensPass) {
  const MachineProfile profile = Products(1e6);
  const StreamRun run = RunStreams(profile, profile, 1e-12);
  EXPECT_EQ(run.prompt_steps, (500 + 15) / 16);
  EXPECT_GE(run.over_target_steps, run.prompt_steps);
  EXPECT_EQ(run.outputs, RunStreams(profile, profile, 0).outputs);
}

}  // namespace
}  // namespace plumbline::step_time_bound_test
