// What one step did, for whoever measures from outside (SessionOptions::on_step).
#ifndef PLUMBLINE_SCHEDULER_STEP_EVENT_H_
#define PLUMBLINE_SCHEDULER_STEP_EVENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace plumbline {

// Requests are told apart by Request::tag.
struct SpanEvent {
  int64_t tag = 0;
  int first_position = 0;
  int count = 0;
  int prompt_tokens = 0;  // of the request
  int output_tokens = 0;  // it had before the step
};

// Sequences and cache as they were while the step ran: its tokens are stored, and what it finished
// still holds its blocks.
struct StepEvent {
  double start_seconds = 0;                 // clock time at the start of Plan
  double end_seconds = 0;                   // of Commit: TokenEvent::seconds of its tokens
  std::optional<double> predicted_seconds;  // of the forward pass; none without a machine profile
  std::vector<SpanEvent> spans;             // in the plan's order
  std::vector<int64_t> preempted;           // tags; by this step's plan
  bool over_itl_target = false;             // as in StepPlan
  int running = 0;
  int waiting = 0;
  int64_t blocks_used = 0;    // held by running sequences
  int64_t blocks_free = 0;    // the rest, with those that are kept for later
  int64_t cached_tokens = 0;  // stored in them: those of a shared block once
  int64_t waste_tokens = 0;   // slots of those blocks without a token
};

using StepObserver = std::function<void(const StepEvent&)>;

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_STEP_EVENT_H_
