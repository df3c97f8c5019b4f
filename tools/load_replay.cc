#include "tools/load_replay.h"

#include <algorithm>
#include <cstddef>
#include <memory>

namespace plumbline {
namespace {

// Gives one number after the other, then zeroes.
std::function<double()> InOrder(const std::vector<double>& seconds) {
  const auto times = std::make_shared<const std::vector<double>>(seconds);
  return
      [times, next = size_t{0}]() mutable { return next < times->size() ? (*times)[next++] : 0.0; };
}

}  // namespace

RecordedTimes TimesOf(const RepetitionRecord& repetition) {
  std::vector<double> ends;
  for (const RequestRecord& request : repetition.requests) ends.push_back(request.finish_seconds);
  std::sort(ends.begin(), ends.end());
  RecordedTimes times;
  double ready = 0;  // end of the step before
  size_t sent = 0;   // requests by then
  for (const StepRecord& step : repetition.steps) {
    const auto ended =
        static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), ready) - ends.begin());
    const auto& requests = repetition.requests;
    while (sent < requests.size() && requests[sent].sent_seconds <= ready) ++sent;
    if (ended >= sent && sent < requests.size()) ready = requests[sent].sent_seconds;
    times.step_seconds.push_back(step.end_seconds - step.start_seconds);
    times.pause_seconds.push_back(std::max(0.0, step.start_seconds - ready));
    ready = step.end_seconds;
  }
  return times;
}

void ReplayTimes(const RecordedTimes& times, SimulationOptions* options) {
  options->step_seconds = [next = InOrder(times.step_seconds)](
                              absl::Span<const SpanShape> /*spans*/, double /*now_seconds*/) {
    return next();
  };
  options->pause_seconds = InOrder(times.pause_seconds);
}

}  // namespace plumbline
