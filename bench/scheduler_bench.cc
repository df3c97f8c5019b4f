// What the scheduler's own part of a step costs: Plan, the flat batch and Commit, and the ledger's
// records by themselves. Bound: 50 microseconds at 256 running and 10,000 waiting requests, and
// linear in the running ones.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "cache/block_pool.h"
#include "engine/step_batch.h"
#include "engine/work.h"
#include "scheduler/clock.h"
#include "scheduler/ledger.h"
#include "scheduler/scheduler.h"

namespace plumbline {
namespace {

constexpr int kBlockTokens = 16;
constexpr int kPromptTokens = 512;
constexpr int kNewTokens = 2000;
constexpr int kSteps = 1500;  // fewer than kNewTokens: nobody ends
constexpr int kWaiting = 10000;
constexpr int kVocab = 32000;

// Of a model of 160 million parameters.
CostShape Shape() {
  CostShape shape;
  shape.L = 12;
  shape.d = 768;
  shape.h = shape.g = 12;
  shape.e = 64;
  shape.F = 3072;
  shape.m = 3;
  shape.V = kVocab;
  shape.block_tokens = kBlockTokens;
  return shape;
}

struct Options {
  int running = 0;
  QueueOrder order = QueueOrder::kFirstCome;
  bool prefix_sharing = false;
};

struct StepCost {
  double seconds = 0;  // Plan, the flat batch and Commit
  double ledger_seconds = 0;
};

std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }
double Seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// A scheduler in a steady state: all who run decode, the others wait for a place.
class SteadyScheduler {
 public:
  explicit SteadyScheduler(const Options& options)
      : pool_(options.running * ((kPromptTokens + kNewTokens) / kBlockTokens + 1)),
        scheduler_(SchedulerFor(options), Shape(), pool_, clock_) {
    for (int i = 0; i < options.running + kWaiting; ++i) {
      Request request;
      for (int token = 0; token < kPromptTokens; ++token) {
        request.prompt.push_back((i * 31 + token * 7) % kVocab);
      }
      request.max_new_tokens = kNewTokens;
      request.arrival_seconds = clock_.NowSeconds();
      request.priority = i % 7;
      if (!scheduler_.Add(std::move(request)).ok()) std::abort();
    }
    do {
      Step();
    } while (batch_.num_tokens() != scheduler_.num_running() ||
             scheduler_.num_running() < options.running);
  }

  StepCost Step() {
    const auto start = Now();
    const StepPlan& plan = scheduler_.Plan();
    BuildBatch(plan, &batch_);
    const auto planned = Now();
    work_.Reset(static_cast<int>(plan.spans.size()));
    RecordStep(plan, work_, shape_);
    const auto recorded = Now();
    outcomes_.clear();
    for (const PlannedSpan& span : plan.spans) {
      if (span.logit_rows > 0) outcomes_.emplace_back(SampledToken{7, {}});
    }
    const auto ran = Now();
    scheduler_.Commit(plan, absl::MakeSpan(outcomes_));
    return {Seconds(planned - start) + Seconds(Now() - ran), Seconds(recorded - planned)};
  }

 private:
  static SchedulerOptions SchedulerFor(const Options& options) {
    SchedulerOptions made;
    made.step_tokens = 2048;
    made.max_running = options.running;
    made.context = kPromptTokens + kNewTokens;
    made.vocab = kVocab;
    made.geometry.block_tokens = kBlockTokens;
    made.geometry.groups.push_back({12, 12, 64, 64, KvDtype::kF32});
    made.queue.order = options.order;
    made.prefix_sharing = options.prefix_sharing;
    return made;
  }

  SteadyClock clock_;
  BlockPool pool_;
  Scheduler scheduler_;
  const CostShape shape_ = Shape();
  StepBatch batch_;
  StepWork work_;
  std::vector<SampleOutcome> outcomes_;
};

double Median(std::vector<double>& samples) {
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

void Measure(benchmark::State& state, const Options& options) {
  SteadyScheduler scheduler(options);
  std::vector<double> steps;
  std::vector<double> ledgers;
  for (auto _ : state) {
    const StepCost cost = scheduler.Step();
    state.SetIterationTime(cost.seconds);
    steps.push_back(cost.seconds);
    ledgers.push_back(cost.ledger_seconds);
  }
  state.counters["median_us"] = 1e6 * Median(steps);
  state.counters["ledger_us"] = 1e6 * Median(ledgers);
  state.SetComplexityN(state.range(0));
}

// Argument: running requests; 10,000 more wait.
void BM_Step(benchmark::State& state) {
  Measure(state, {.running = static_cast<int>(state.range(0))});
}
BENCHMARK(BM_Step)
    ->RangeMultiplier(2)
    ->Range(8, 256)
    ->UseManualTime()
    ->Iterations(kSteps)
    ->Unit(benchmark::kMicrosecond)
    ->Complexity(benchmark::oN);

// The same at 256, with priorities and shared prefixes.
void BM_StepWithPolicies(benchmark::State& state) {
  Measure(state, {.running = static_cast<int>(state.range(0)),
                  .order = QueueOrder::kPriority,
                  .prefix_sharing = true});
}
BENCHMARK(BM_StepWithPolicies)
    ->Arg(256)
    ->UseManualTime()
    ->Iterations(kSteps)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace plumbline

BENCHMARK_MAIN();
