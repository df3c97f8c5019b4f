// Virtual time: recorded runs are repeated to the timestamp, replicas share one time, and predicted
// steps take what the cost model says.
#include "tools/load_simulation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/load_runs.h"
#include "tests/support/made_profile.h"
#include "tools/load_driver.h"
#include "tools/load_engine.h"
#include "tools/load_replay.h"

namespace plumbline::load_simulation_test {
namespace {

using testing::ElementsAre;

constexpr int kVocab = 50;

LoadWorkload Workload(const std::string& arrivals, int64_t requests, const std::string& prompt,
                      const std::string& output, int64_t context = 200) {
  WorkloadOptions options;
  options.arrivals = *ParseArrivals(arrivals);
  options.requests = requests;
  options.prompt = *LengthDistribution::Parse(prompt);
  options.output = *LengthDistribution::Parse(output);
  options.context = context;
  options.vocab = kVocab;
  auto workload = LoadWorkload::Build(options, nullptr);
  EXPECT_TRUE(workload.ok()) << workload.status();
  return *std::move(workload);
}

// The largest difference of any two timestamps, over what is allowed: 1 ms + 0.1%. Infinite where
// the runs took different decisions.
double WorstDifference(const RepetitionRecord& real, const RepetitionRecord& simulated) {
  constexpr double kOther = std::numeric_limits<double>::infinity();
  if (real.requests.size() != simulated.requests.size()) return kOther;
  if (real.steps.size() != simulated.steps.size()) return kOther;
  double worst = 0;
  const auto compare = [&worst](double a, double b) {
    worst = std::max(worst, std::abs(a - b) / (1e-3 + 1e-3 * std::abs(a)));
  };
  for (size_t i = 0; i < real.requests.size(); ++i) {
    const RequestRecord& a = real.requests[i];
    const RequestRecord& b = simulated.requests[i];
    if (a.chunks != b.chunks || a.preemptions.size() != b.preemptions.size() ||
        a.token_seconds.size() != b.token_seconds.size()) {
      return kOther;
    }
    compare(a.sent_seconds, b.sent_seconds);
    compare(a.first_scheduled_seconds, b.first_scheduled_seconds);
    compare(a.finish_seconds, b.finish_seconds);
    for (size_t t = 0; t < a.token_seconds.size(); ++t) {
      compare(a.token_seconds[t], b.token_seconds[t]);
    }
    for (size_t p = 0; p < a.preemptions.size(); ++p) {
      compare(a.preemptions[p].evicted_seconds, b.preemptions[p].evicted_seconds);
      compare(a.preemptions[p].resumed_seconds, b.preemptions[p].resumed_seconds);
    }
  }
  for (size_t i = 0; i < real.steps.size(); ++i) {
    const StepRecord& a = real.steps[i];
    const StepRecord& b = simulated.steps[i];
    if (a.decode_tokens != b.decode_tokens || a.blocks_used != b.blocks_used) return kOther;
    compare(a.start_seconds, b.start_seconds);
    compare(a.end_seconds, b.end_seconds);
  }
  return worst;
}

// The options of a replay of `real` on the scheduler of `session`.
SimulationOptions ReplayOf(const RepetitionRecord& real, const SessionOptions& session,
                           int num_blocks, int context) {
  SimulationOptions options;
  options.session = session;
  options.context = context;
  options.num_blocks = num_blocks;
  options.shape.block_tokens = session.scheduler.geometry.block_tokens;
  ReplayTimes(TimesOf(real), &options);
  return options;
}

TEST(LoadSimulation, RepeatsARealRunToTheTimestamp) {
  const auto source = OpenModel(
      "synthetic:llama-160m,layers=2,width=64,heads=2,kv_heads=1,ffn=64,vocab=300,context=200");
  ASSERT_TRUE(source.ok()) << source.status();
  ModelOptions model_options;
  model_options.max_step_tokens = 48;
  model_options.max_step_spans = model_options.max_logit_rows = 12;
  const auto model = Model::Load(**source, model_options);
  ASSERT_TRUE(model.ok()) << model.status();
  SessionOptions session;
  session.scheduler.geometry = (*source)->config().CacheGeometry(KvDtype::kF32, 16);
  session.scheduler.step_tokens = 48;
  session.scheduler.max_running = 12;
  constexpr int kBlocks = 20;  // few enough for preemptions
  const auto store = KvStore::Create(session.scheduler.geometry, kBlocks);
  ASSERT_TRUE(store.ok()) << store.status();
  int64_t preemptions = 0;
  // Idle at times, and overloaded; and all the while, since users wait.
  for (const char* arrivals : {"poisson:150", "gamma:2000,0.3", "closed:9"}) {
    const LoadWorkload workload = Workload(arrivals, 50, "uniform:1,90", "uniform:1,40");
    const RepetitionRecord real =
        DriveToEnd(workload, [&](LoadSink& sink) -> absl::StatusOr<std::unique_ptr<LoadTarget>> {
          return std::make_unique<EngineTarget>(session, **model, **store, sink);
        });
    const auto again = LoadWorkload::Replay(real);
    ASSERT_TRUE(again.ok()) << again.status();
    const RepetitionRecord simulated = DriveToEnd(
        *again, Simulated(ReplayOf(real, session, kBlocks, (*source)->config().context)));
    EXPECT_LT(WorstDifference(real, simulated), 1) << arrivals;
    for (const StepRecord& step : real.steps) preemptions += step.preemptions;
  }
  EXPECT_GT(preemptions, 0);
}

TEST(LoadSimulation, AnotherRunIsNotTakenForTheSame) {
  // The check above sees a millisecond more per step.
  const LoadWorkload workload = Workload("poisson:5", 20, "uniform:1,20", "uniform:1,9");
  const RepetitionRecord real = DriveToEnd(workload, Simulated(EvenSteps(0.010)));
  const auto again = LoadWorkload::Replay(real);
  ASSERT_TRUE(again.ok());
  SimulationOptions slower = ReplayOf(real, EvenSteps(0).session, 64, 200);
  slower.step_seconds = EvenSteps(0.012).step_seconds;
  EXPECT_GT(WorstDifference(real, DriveToEnd(*again, Simulated(slower))), 1);
  EXPECT_LT(WorstDifference(
                real, DriveToEnd(*again, Simulated(ReplayOf(real, EvenSteps(0).session, 64, 200)))),
            1e-6);
}

TEST(LoadSimulation, RunsThatCannotBeRepeatedAreRefused) {
  RepetitionRecord run = DriveToEnd(Workload("all", 2, "5", "2"), Simulated(EvenSteps(1)));
  run.requests[1].prefix_hit_tokens = 16;
  EXPECT_THAT(std::string(LoadWorkload::Replay(run).status().message()),
              testing::HasSubstr("request 1 of the recorded run found its prefix"));
  run.requests[0].outcome = LoadOutcome::kCancelled;
  EXPECT_THAT(std::string(LoadWorkload::Replay(run).status().message()),
              testing::HasSubstr("request 0 of the recorded run did not complete"));
}

TEST(LoadSimulation, PredictedStepsTakeWhatTheCostModelSays) {
  const MachineProfile profile = MadeProfile(1e9, kNoLimit, kNoLimit);
  SimulationOptions options = EvenSteps(0);
  options.shape.L = 2;
  options.shape.d = options.shape.F = 64;
  options.shape.h = options.shape.g = 1;
  options.shape.e = 64;
  options.shape.m = 2;
  options.shape.V = 32000;  // far more than the simulation samples from
  options.step_seconds = [&](absl::Span<const SpanShape> spans, double /*now_seconds*/) {
    return PredictStep(profile, options.shape, spans).seconds();
  };
  const RepetitionRecord run = DriveToEnd(Workload("all", 1, "20", "3"), Simulated(options));
  double now = 0;
  const std::vector<SpanShape> steps = {{0, 20, 1}, {20, 1, 1}, {21, 1, 1}};
  for (size_t i = 0; i < 3; ++i) {
    now += PredictStep(profile, options.shape, {&steps[i], 1}).seconds();
    EXPECT_EQ(run.requests[0].token_seconds[i], now);
  }
  EXPECT_GT(now, 0);
}

TEST(LoadSimulation, ReplicasWorkSideBySide) {
  SimulationOptions options = EvenSteps(1);
  options.replicas = 2;
  options.session.scheduler.max_running = 1;
  const RepetitionRecord run = DriveToEnd(Workload("all", 4, "5", "2"), Simulated(options));
  // Two requests for each, two steps for each request.
  EXPECT_EQ(run.end_seconds, 4);
  std::vector<int64_t> replicas;
  for (const RequestRecord& request : run.requests) replicas.push_back(request.replica);
  EXPECT_THAT(replicas, ElementsAre(0, 1, 0, 1));
  EXPECT_EQ(run.requests[3].first_scheduled_seconds, 2);
}

TEST(LoadSimulation, AReplicaStartsWhenItsRequestComesThoughOthersWork) {
  // The first step takes 10 s on one; what comes at 4 starts at 4 on the other.
  SimulationOptions options = EvenSteps(10);
  options.replicas = 2;
  Trace trace;
  trace.requests = {{0, 1, 1, {}}, {4, 1, 1, {}}, {5, 1, 1, {}}};
  WorkloadOptions wanted;
  wanted.arrivals.kind = ArrivalKind::kTrace;
  wanted.context = 10;
  wanted.vocab = 2;
  const auto workload = LoadWorkload::Build(wanted, &trace);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = DriveToEnd(*workload, Simulated(options));
  EXPECT_EQ(run.requests[1].first_scheduled_seconds, 4);
  EXPECT_EQ(run.requests[1].finish_seconds, 14);
  EXPECT_EQ(run.requests[2].replica, 0);
  EXPECT_EQ(run.requests[2].sent_seconds, 5);
  EXPECT_EQ(run.requests[2].first_scheduled_seconds, 10);  // when that replica's step has ended
}

TEST(LoadSimulation, LeastLoadedRoutingAvoidsTheBusyReplica) {
  SimulationOptions options = EvenSteps(1);
  options.replicas = 2;
  options.route = LoadRoute::kLeastLoaded;
  // 0 has a long answer to give; the short ones, which come one after the other, all go to 1.
  Trace trace;
  trace.requests = {{0, 1, 50, {}}};
  for (int i = 0; i < 10; ++i) trace.requests.push_back({3.0 * i + 0.5, 1, 1, {}});
  WorkloadOptions wanted;
  wanted.arrivals.kind = ArrivalKind::kTrace;
  wanted.context = 100;
  wanted.vocab = 2;
  const auto workload = LoadWorkload::Build(wanted, &trace);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = DriveToEnd(*workload, Simulated(options));
  for (size_t i = 1; i < run.requests.size(); ++i) EXPECT_EQ(run.requests[i].replica, 1) << i;
  // A step's end that lies ahead is not yet known: what comes at 0.9 finds 1 busy until 1.5.
  trace.requests = {{0, 1, 50, {}}, {0.5, 1, 1, {}}, {0.9, 1, 1, {}}, {1.6, 1, 1, {}}};
  const auto close = LoadWorkload::Build(wanted, &trace);
  ASSERT_TRUE(close.ok());
  const RepetitionRecord tie = DriveToEnd(*close, Simulated(options));
  EXPECT_EQ(tie.requests[1].replica, 1);
  EXPECT_EQ(tie.requests[2].replica, 0);  // one each: the first
  EXPECT_EQ(tie.requests[3].replica, 1);
}

// Mean wait of 8000 Poisson requests on servers of one request each, at 80% of what they can do.
// `output`: a second for each token.
double MeanWait(int64_t replicas, LoadRoute route, const std::string& output, double mean_output) {
  SimulationOptions options = EvenSteps(1, 1);
  options.replicas = replicas;
  options.route = route;
  const double rate = 0.8 * static_cast<double>(replicas) / mean_output;
  const RepetitionRecord run = DriveToEnd(
      Workload("poisson:" + std::to_string(rate), 8000, "1", output), Simulated(options));
  double sum = 0;
  for (const RequestRecord& request : run.requests) {
    sum += request.first_scheduled_seconds - request.intended_seconds;
  }
  return sum / 8000;
}

TEST(LoadSimulation, RoutesAsQueueingTheorySays) {
  // With equal services, taking turns is the same as one queue for all, which nothing beats; and
  // one queue for four servers is far better than one for one.
  const double one = MeanWait(1, LoadRoute::kRoundRobin, "1", 1);
  const double turns = MeanWait(4, LoadRoute::kRoundRobin, "1", 1);
  const double least = MeanWait(4, LoadRoute::kLeastLoaded, "1", 1);
  EXPECT_LT(turns, least);
  EXPECT_LT(least, one / 2);
  EXPECT_GT(turns, 0);
  // With unequal ones, it pays to look.
  EXPECT_LT(MeanWait(4, LoadRoute::kLeastLoaded, "lognormal:8,16", 8),
            MeanWait(4, LoadRoute::kRoundRobin, "lognormal:8,16", 8));
}

}  // namespace
}  // namespace plumbline::load_simulation_test
