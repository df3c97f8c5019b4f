#include "tools/load_recorder.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "engine/quantile.h"

namespace plumbline {

LoadRecorder::LoadRecorder(std::function<void(const LoadFinish&)> on_finish)
    : on_finish_(std::move(on_finish)) {}

void LoadRecorder::Add(RequestRecord request) {
  repetition_.requests.push_back(std::move(request));
}

void LoadRecorder::SetReplica(int64_t id, int64_t replica) {
  repetition_.requests[static_cast<size_t>(id)].replica = replica;
}

const RequestRecord& LoadRecorder::request(int64_t id) const {
  return repetition_.requests[static_cast<size_t>(id)];
}

const StepRecord* LoadRecorder::last_step() const {
  return repetition_.steps.empty() ? nullptr : &repetition_.steps.back();
}

void LoadRecorder::OnToken(int64_t id, double seconds) {
  std::vector<double>& times = repetition_.requests[static_cast<size_t>(id)].token_seconds;
  if (!times.empty()) recent_gaps_[gaps_++ % kRecentGaps] = seconds - times.back();
  times.push_back(seconds);
  ++tokens_;
}

void LoadRecorder::OnFinish(const LoadFinish& finish) {
  RequestRecord& request = repetition_.requests[static_cast<size_t>(finish.id)];
  request.finish_seconds = finish.seconds;
  request.outcome = finish.outcome;
  request.error = finish.error;
  repetition_.end_seconds = std::max(repetition_.end_seconds, finish.seconds);
  ++ended_;
  if (on_finish_) on_finish_(finish);
}

void LoadRecorder::TakeSpan(const LoadSpan& span, const StepRecord& step) {
  RequestRecord& request = repetition_.requests[static_cast<size_t>(span.id)];
  if (request.first_scheduled_seconds < 0) {
    request.first_scheduled_seconds = step.start_seconds;
    request.prefix_hit_tokens = span.first;
  }
  if (!request.preemptions.empty() && request.preemptions.back().resumed_seconds < 0) {
    request.preemptions.back().resumed_seconds = step.start_seconds;
  }
  if (span.decode) return;
  request.chunks.push_back(
      {static_cast<int64_t>(repetition_.steps.size()), span.first, span.tokens});
}

void LoadRecorder::OnStep(const StepRecord& step, absl::Span<const LoadSpan> spans,
                          absl::Span<const int64_t> preempted) {
  for (const int64_t id : preempted) {
    repetition_.requests[static_cast<size_t>(id)].preemptions.push_back({step.start_seconds, -1});
  }
  StepRecord counted = step;
  counted.preemptions = static_cast<int64_t>(preempted.size());
  for (const LoadSpan& span : spans) {
    TakeSpan(span, step);
    (span.decode ? counted.decode_tokens : counted.prompt_tokens) += span.tokens;
  }
  repetition_.steps.push_back(counted);
}

double LoadRecorder::RecentP99Gap() const {
  constexpr size_t kLeast = 100;
  const size_t count = std::min(gaps_, kRecentGaps);
  if (count < kLeast) return std::numeric_limits<double>::quiet_NaN();
  return Quantile(absl::MakeConstSpan(recent_gaps_).first(count), 0.99);
}

RepetitionRecord LoadRecorder::Take() {
  ended_ = 0;
  tokens_ = 0;
  gaps_ = 0;
  return std::exchange(repetition_, {});
}

}  // namespace plumbline
