// Sizes prompt chunks so that a step takes no longer than the streams it also serves may wait for
// their next token: chunked prefill (Agrawal et al. 2023) bounded by predicted time beside the
// usual token budget.
#ifndef PLUMBLINE_SCHEDULER_STEP_TIME_BOUND_H_
#define PLUMBLINE_SCHEDULER_STEP_TIME_BOUND_H_

#include <cstdint>
#include <vector>

#include "engine/cost_model.h"
#include "engine/machine_profile.h"

namespace plumbline {

struct StepTimeStats {
  int64_t bounded_steps = 0;      // with prompt tokens beside decode spans, under a target
  int64_t over_target_steps = 0;  // of them, predicted to miss it even so
};

// Allocates nothing after construction while steps have no more than `max_spans` spans. Not
// thread-safe.
class StepTimeBound {
 public:
  // A step with decode spans runs this many prompt tokens at least, whatever the target.
  static constexpr int kLeastPromptTokens = 16;

  // `profile` is not owned. target_seconds of 0, or no profile: nothing is bounded.
  StepTimeBound(double target_seconds, const MachineProfile* profile, const CostShape& shape,
                int max_spans);

  bool active() const { return target_seconds_ > 0 && profile_ != nullptr; }
  // A new step, without spans.
  void Begin();
  // A stream's next token, which runs in any case.
  void AddDecode(int position);
  // Whether a further prompt gets a token, at `position` at most.
  bool HasRoom(int position);
  // How many of the `pending` prompt tokens from position `first` on run in this step, `most` at
  // most: as many as keep its predicted time within the target, and if they do not,
  // kLeastPromptTokens of all prompts together. All of `most` where no stream waits for the step.
  // They count as part of the step. At least 1. REQUIRES: pending and most are at least 1.
  int AddPrompt(int first, int pending, int most);
  // Whether the step, as it is now, has prompt tokens beside decode spans and is predicted to miss
  // the target. Counts it. REQUIRES: called once, when all spans are added.
  bool CloseStep();
  // How long the closed step really took; scales later predictions (correction()).
  void Observe(double measured_seconds);

  const StepTimeStats& stats() const { return stats_; }
  // Measured over predicted seconds of bounded steps: 1 at first, then an exponential average with
  // a weight of 1/8 for the newest ratio, each held within 1/4 and 4. It depends on nothing but
  // the sequence of measured and predicted times, moves chunks only, and so changes no token.
  double correction() const { return correction_; }

 private:
  double Predict() const;
  bool Fits(int first, int pending, int count);

  double target_seconds_;
  const MachineProfile* profile_;
  CostShape shape_;
  std::vector<SpanShape> spans_;  // of the step
  int64_t decode_spans_ = 0;
  int prompt_tokens_ = 0;
  double predicted_seconds_ = 0;  // of the closed step, uncorrected; 0: it was not bounded
  double correction_ = 1;
  StepTimeStats stats_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_STEP_TIME_BOUND_H_
