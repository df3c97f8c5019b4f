#include "tools/scale_passes.h"

#include <utility>

namespace plumbline {
namespace {

absl::StatusOr<ScaleSample> RunOne(const CounterOptions& options, const CounterPass& pass) {
  if (options.keep_going && !options.keep_going()) return absl::CancelledError("interrupted");
  return pass.run();
}

}  // namespace

absl::Status RunPasses(const CounterOptions& options, const std::vector<CounterPass>& passes,
                       ScaleData* data) {
  // Pages are touched and primitives compiled in a round that does not count.
  for (const CounterPass& pass : passes) {
    if (absl::Status status = RunOne(options, pass).status(); !status.ok()) return status;
  }
  const auto first = static_cast<int64_t>(data->points.size());
  for (const CounterPass& pass : passes) data->points.push_back(pass.point);
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    for (size_t i = 0; i < passes.size(); ++i) {
      absl::StatusOr<ScaleSample> sample = RunOne(options, passes[i]);
      if (!sample.ok()) return sample.status();
      const std::chrono::duration<double> now =
          std::chrono::steady_clock::now() - options.study_start;
      sample->point = first + static_cast<int64_t>(i);
      sample->repetition = repetition;
      sample->start_seconds = now.count() - sample->seconds;
      data->samples.push_back(*std::move(sample));
    }
  }
  return absl::OkStatus();
}

}  // namespace plumbline
