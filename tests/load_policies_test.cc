// What the scheduler's policies do to a load.
#include <algorithm>
#include <limits>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/made_profile.h"
#include "tests/support/tiny_load.h"
#include "tools/load.h"
#include "tools/load_json.h"
#include "tools/machine_file.h"

namespace plumbline::load_policies_test {
namespace {

using testing::HasSubstr;

LoadOptions PolicyLoad() {
  LoadOptions options = TinyModelLoad();
  options.requests = 40;
  options.prompt = "uniform:20,40";
  options.output = "uniform:20,40";
  options.salt = 5;
  options.predict = false;
  options.json = true;
  return options;
}

// Steps cost their products alone, at 1e8 a second: some 0.3 ms a token.
LoadOptions SimulatedLoad() {
  LoadOptions options = PolicyLoad();
  options.simulate = true;
  options.machine = testing::TempDir() + "/load-policies-profile.json";
  EXPECT_TRUE(SaveMachineProfile(MadeProfile(1e8, kNoLimit, kNoLimit), options.machine).ok());
  options.arrivals = "poisson:20";
  return options;
}

RepetitionRecord Recorded(const LoadOptions& options) {
  std::ostringstream out;
  const absl::Status status = RunLoad(options, out);
  EXPECT_TRUE(status.ok()) << status;
  const auto file = ParseLoadJson(out.str());
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? file->record.repetitions[0] : RepetitionRecord();
}

int64_t CountOf(const RepetitionRecord& run, LoadOutcome outcome) {
  return std::count_if(run.requests.begin(), run.requests.end(),
                       [outcome](const RequestRecord& r) { return r.outcome == outcome; });
}

double LongestMixedStep(const RepetitionRecord& run) {
  double longest = 0;
  for (const StepRecord& step : run.steps) {
    if (step.prompt_tokens == 0 || step.decode_tokens == 0 || step.over_itl_target != 0) continue;
    longest = std::max(longest, step.end_seconds - step.start_seconds);
  }
  return longest;
}

TEST(LoadPolicies, ATargetBoundsTheStepsThatStreamsWaitFor) {
  LoadOptions options = SimulatedLoad();
  options.prompt = "uniform:100,200";
  options.predict = true;
  const double unbounded = LongestMixedStep(Recorded(options));
  options.itl_target_seconds = unbounded / 3;
  const RepetitionRecord bounded = Recorded(options);
  EXPECT_GT(unbounded, 0);
  EXPECT_LE(LongestMixedStep(bounded), options.itl_target_seconds * (1 + 1e-9));
  EXPECT_GT(LongestMixedStep(bounded), options.itl_target_seconds / 4);
  EXPECT_EQ(CountOf(bounded, LoadOutcome::kCompleted), options.requests);
}

TEST(LoadPolicies, StreamsThatMissTheTargetThemselvesAreSaidToDoSo) {
  LoadOptions options = SimulatedLoad();
  options.predict = true;
  options.itl_target_seconds = 1e-5;
  const RepetitionRecord run = Recorded(options);
  int64_t over = 0;
  for (const StepRecord& step : run.steps) {
    over += step.over_itl_target;
    if (step.decode_tokens > 0) {
      EXPECT_LE(step.prompt_tokens, 16);
    }
  }
  EXPECT_GT(over, 0);
  options.json = false;
  std::ostringstream out;
  EXPECT_TRUE(RunLoad(options, out).ok());
  EXPECT_THAT(out.str(), HasSubstr("predicted to miss --itl-target"));
}

TEST(LoadPolicies, VictimsSwapOnTheEngineAndEndAsAsked) {
  LoadOptions options = PolicyLoad();
  options.arrivals = "all";
  options.cache_blocks = 20;
  for (const char* mode : {"recompute", "swap"}) {
    options.preempt.mode = mode;
    options.preempt.victim = "largest";
    const RepetitionRecord run = Recorded(options);
    EXPECT_EQ(CountOf(run, LoadOutcome::kCompleted), options.requests) << mode;
    int64_t preemptions = 0;
    for (const RequestRecord& request : run.requests) {
      preemptions += static_cast<int64_t>(request.preemptions.size());
      EXPECT_EQ(static_cast<int64_t>(request.token_seconds.size()), request.output_tokens);
    }
    EXPECT_GT(preemptions, 0) << mode;
  }
}

TEST(LoadPolicies, AFullQueueRefusesAndDeadlinesEndWhatIsLate) {
  LoadOptions options = SimulatedLoad();
  options.arrivals = "all";
  options.max_running = 2;
  options.most_queued = 5;
  const RepetitionRecord refused = Recorded(options);
  EXPECT_GT(CountOf(refused, LoadOutcome::kRefused), 0);
  EXPECT_EQ(CountOf(refused, LoadOutcome::kRefused) + CountOf(refused, LoadOutcome::kCompleted),
            options.requests);
  options.most_queued = 0;
  options.deadline_seconds = 0.2;
  const RepetitionRecord late = Recorded(options);
  EXPECT_GT(CountOf(late, LoadOutcome::kExpired), 0);
  EXPECT_GT(CountOf(late, LoadOutcome::kCompleted), 0);
}

TEST(LoadPolicies, HigherPrioritiesWaitLess) {
  LoadOptions options = SimulatedLoad();
  options.arrivals = "all";
  options.max_running = 2;
  options.order = "priority";
  options.priority_levels = 2;
  options.ageing = 1000;
  const RepetitionRecord run = Recorded(options);
  double last_high = 0;
  double first_low = std::numeric_limits<double>::infinity();
  for (const RequestRecord& request : run.requests) {
    if (request.id % 2 == 1) {
      last_high = std::max(last_high, request.first_scheduled_seconds);
    } else {
      first_low = std::min(first_low, request.first_scheduled_seconds);
    }
  }
  EXPECT_LE(last_high, first_low);
}

TEST(LoadPolicies, OnlyARunWithTheSamePoliciesIsRepeated) {
  LoadOptions options = SimulatedLoad();
  options.files.json = testing::TempDir() + "/load-policies-run.json";
  Recorded(options);
  LoadOptions replay = PolicyLoad();
  replay.simulate = true;
  replay.replay = options.files.json;
  std::ostringstream out;
  EXPECT_TRUE(RunLoad(replay, out).ok());
  replay.order = "shortest-prompt";
  EXPECT_TRUE(absl::IsFailedPrecondition(RunLoad(replay, out)));
  // The tokens that were shared are not in the file.
  options.prefix_groups = 1;
  options.prefix_tokens = 64;
  options.order = "first-come";
  EXPECT_GT(Recorded(options).requests.back().prefix_hit_tokens, 0);
  replay.order = "first-come";
  EXPECT_TRUE(absl::IsFailedPrecondition(RunLoad(replay, out)));
}

}  // namespace
}  // namespace plumbline::load_policies_test
