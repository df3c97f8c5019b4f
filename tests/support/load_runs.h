// Load tests' runs, in virtual time.
#ifndef PLUMBLINE_TESTS_SUPPORT_LOAD_RUNS_H_
#define PLUMBLINE_TESTS_SUPPORT_LOAD_RUNS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/fake_load_target.h"
#include "tools/load_driver.h"
#include "tools/load_simulation.h"

namespace plumbline {

// Half a second for each token of a step.
inline TargetFactory OnFakeExecutor(int num_blocks, int step_tokens) {
  return [=](LoadSink& sink) -> absl::StatusOr<std::unique_ptr<LoadTarget>> {
    return std::make_unique<FakeLoadTarget>(FakeExecutorOptions{.num_blocks = num_blocks},
                                            step_tokens, sink);
  };
}

inline TargetFactory Simulated(const SimulationOptions& options) {
  return [options](LoadSink& sink) -> absl::StatusOr<std::unique_ptr<LoadTarget>> {
    return std::make_unique<SimulationTarget>(options, sink);
  };
}

// 64 blocks of 16 tokens, a context of 200, and steps that all take as long.
inline SimulationOptions EvenSteps(double seconds_per_step, int max_running = 256) {
  SimulationOptions options;
  options.context = 200;
  options.num_blocks = 64;
  options.shape.block_tokens = 16;
  options.session.scheduler.geometry.block_tokens = 16;
  options.session.scheduler.geometry.groups.push_back({1, 1, 4, 4, KvDtype::kF32});
  options.session.scheduler.max_running = max_running;
  options.step_seconds = [seconds_per_step](absl::Span<const SpanShape> /*spans*/,
                                            double /*now_seconds*/) { return seconds_per_step; };
  return options;
}

// Adds a test failure, and returns nothing that ran, where it fails.
inline RepetitionRecord DriveToEnd(const LoadWorkload& workload, const TargetFactory& factory,
                                   const DriveOptions& options = {}) {
  auto repetition = Drive(workload, factory, options);
  EXPECT_TRUE(repetition.ok()) << repetition.status();
  return repetition.ok() ? *std::move(repetition) : RepetitionRecord();
}

// Requests of one token each, with an answer of one token.
inline WorkloadOptions SmallRequests(const std::string& arrivals, int64_t requests) {
  WorkloadOptions options;
  const auto spec = ParseArrivals(arrivals);
  EXPECT_TRUE(spec.ok()) << spec.status();
  if (spec.ok()) options.arrivals = *spec;
  options.requests = requests;
  options.context = 100;
  options.vocab = 50;
  return options;
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_LOAD_RUNS_H_
