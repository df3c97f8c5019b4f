#include "tools/load_replica.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

LoadOutcome OutcomeOf(const RequestResult& result, int64_t wanted_tokens) {
  if (result.status.code() == absl::StatusCode::kDeadlineExceeded) return LoadOutcome::kExpired;
  switch (result.reason) {
    case FinishReason::kCancelled:
      return LoadOutcome::kCancelled;
    case FinishReason::kLength:
      return static_cast<int64_t>(result.output.size()) == wanted_tokens ? LoadOutcome::kCompleted
                                                                         : LoadOutcome::kFailed;
    default:
      break;
  }
  // The queue's limits, or a prompt that the cache could never hold.
  const bool refused = result.status.code() == absl::StatusCode::kResourceExhausted &&
                       result.first_scheduled_seconds < 0;
  return refused ? LoadOutcome::kRefused : LoadOutcome::kFailed;
}

}  // namespace

LoadReplica::LoadReplica(const SessionOptions& options, Executor& executor, int num_blocks,
                         const Clock& clock, int64_t number, LoadSink& sink,
                         BlockPool::ReleaseObserver on_release)
    : number_(number),
      sink_(sink),
      pool_(num_blocks, std::move(on_release)),
      session_(Observed(options), executor, pool_, clock) {}

SessionOptions LoadReplica::Observed(SessionOptions options) {
  options.on_step = [this](const StepEvent& event) { Tell(event); };
  return options;
}

void LoadReplica::Submit(LoadSend send) {
  const int64_t id = send.id;
  const int64_t wanted = send.output_tokens;
  Request request;
  request.tag = id;
  request.prompt = std::move(send.prompt);
  request.max_new_tokens = static_cast<int>(wanted);
  request.arrival_seconds = send.intended_seconds;
  request.priority = send.priority;
  request.deadline_seconds = send.deadline_seconds;
  // No end tokens: the output is as long as was asked for.
  request.on_token = [this, id](const TokenEvent& event) {
    sink_.OnToken(id, event.seconds);
    return true;
  };
  ++in_flight_;
  session_.Submit(std::move(request),
                  [this, id, wanted](const RequestResult& result) { Finish(id, wanted, result); });
}

void LoadReplica::Finish(int64_t id, int64_t wanted_tokens, const RequestResult& result) {
  --in_flight_;
  LoadFinish finish;
  finish.id = id;
  finish.outcome = OutcomeOf(result, wanted_tokens);
  finish.error = std::string(result.status.message());
  if (finish.outcome == LoadOutcome::kFailed && result.status.ok()) {
    finish.error = absl::StrCat("it made ", result.output.size(), " of ", wanted_tokens,
                                " tokens: context or cache hold no more");
  }
  finish.seconds = result.finish_seconds;
  finish.prompt = result.prompt;
  finish.output = result.output;
  sink_.OnFinish(finish);
}

void LoadReplica::Tell(const StepEvent& event) {
  StepRecord step;
  step.replica = number_;
  step.start_seconds = event.start_seconds;
  step.end_seconds = event.end_seconds;
  step.predicted_seconds = event.predicted_seconds.value_or(-1);
  step.running = event.running;
  step.waiting = event.waiting;
  step.blocks_used = event.blocks_used;
  step.blocks_free = event.blocks_free;
  step.cached_tokens = event.cached_tokens;
  step.waste_tokens = event.waste_tokens;
  step.over_itl_target = event.over_itl_target ? 1 : 0;
  spans_.clear();
  for (const SpanEvent& span : event.spans) {
    // The last token it knew, which was its own output: plain decode.
    const int known = span.prompt_tokens + span.output_tokens;
    const bool decode =
        span.count == 1 && span.output_tokens > 0 && span.first_position == known - 1;
    spans_.push_back({span.tag, span.first_position, span.count, decode});
  }
  sink_.OnStep(step, spans_, event.preempted);
}

}  // namespace plumbline
