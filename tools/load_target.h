// What a load test drives, and what it hears back. The engine in this process is one target, the
// same scheduler in virtual time another; a server behind HTTP would be a third.
#ifndef PLUMBLINE_TOOLS_LOAD_TARGET_H_
#define PLUMBLINE_TOOLS_LOAD_TARGET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tools/load_record.h"

namespace plumbline {

struct LoadSend {
  int64_t id = 0;  // of the request in the workload
  std::vector<int32_t> prompt;
  int64_t output_tokens = 0;    // exactly so many: end tokens are ordinary ones
  double intended_seconds = 0;  // its arrival, for whoever orders by it
  int priority = 0;             // higher ones start sooner, where the order looks at it
  double deadline_seconds = 0;  // after its arrival; 0: none
};

struct LoadFinish {
  int64_t id = 0;
  LoadOutcome outcome = LoadOutcome::kCompleted;
  std::string error;
  double seconds = 0;
  absl::Span<const int32_t> prompt;
  absl::Span<const int32_t> output;
};

// Tokens of one request that ran in a step.
struct LoadSpan {
  int64_t id = 0;
  int64_t first = 0;  // position
  int64_t tokens = 0;
  bool decode = false;  // one token, the last of its output so far
};

// Hears what becomes of requests, on the thread that calls LoadTarget::Step. Times are on the
// target's clock.
class LoadSink {
 public:
  virtual ~LoadSink() = default;
  virtual void OnToken(int64_t id, double seconds) = 0;
  virtual void OnFinish(const LoadFinish& finish) = 0;
  // After the step's tokens, before what it finished. Targets that cannot see steps never call it.
  virtual void OnStep(const StepRecord& step, absl::Span<const LoadSpan> spans,
                      absl::Span<const int64_t> preempted) = 0;
  // Between steps, where the target measures its machine through a run.
  virtual void OnAnchors(const AnchorMark& mark) = 0;
  // Within a step, which it ran twice.
  virtual void OnRepeat(RepeatedStep step) = 0;
};

// One thread at a time. Its clock begins near 0 and never goes back.
class LoadTarget {
 public:
  virtual ~LoadTarget() = default;
  virtual double Now() const = 0;
  // Hands a request over; what becomes of it reaches the sink within later calls of Step. Returns
  // the replica that serves it.
  virtual int64_t Submit(LoadSend send) = 0;
  // Lets requests go on: one step of an engine, or until something happens. Does not begin a step
  // at or after `wake_seconds` before that time was there (there is something to send then), where
  // the target knows when its steps begin. Internal where requests are in flight and none can go
  // on.
  virtual absl::Status Step(double wake_seconds) = 0;
  // Nothing is in flight: waits for `seconds`, or some of the way (so that the caller can look
  // around).
  virtual void WaitUntil(double seconds) = 0;
  // All that is in flight ends with kCancelled in the next Step.
  virtual void CancelAll() = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_TARGET_H_
