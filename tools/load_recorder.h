// Writes down what a target tells.
#ifndef PLUMBLINE_TOOLS_LOAD_RECORDER_H_
#define PLUMBLINE_TOOLS_LOAD_RECORDER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "tools/load_record.h"
#include "tools/load_target.h"

namespace plumbline {

// One thread.
class LoadRecorder final : public LoadSink {
 public:
  // `on_finish` is called after each request's end was written down; may be empty.
  explicit LoadRecorder(std::function<void(const LoadFinish&)> on_finish);

  // A request is about to be sent: its id becomes its place among those sent.
  // REQUIRES: request.id == sent().
  void Add(RequestRecord request);
  void SetReplica(int64_t id, int64_t replica);

  void OnToken(int64_t id, double seconds) override;
  void OnFinish(const LoadFinish& finish) override;
  void OnStep(const StepRecord& step, absl::Span<const LoadSpan> spans,
              absl::Span<const int64_t> preempted) override;
  void OnAnchors(const AnchorMark& mark) override { repetition_.anchor_marks.push_back(mark); }
  void OnRepeat(RepeatedStep step) override {
    repetition_.repeated_steps.push_back(std::move(step));
  }

  int64_t sent() const { return static_cast<int64_t>(repetition_.requests.size()); }
  int64_t ended() const { return ended_; }
  const RequestRecord& request(int64_t id) const;
  // For people who watch: output tokens so far, the last step, and the 99th percentile of the last
  // gaps between tokens (NaN: too few).
  int64_t tokens() const { return tokens_; }
  const StepRecord* last_step() const;
  double RecentP99Gap() const;

  // Everything; the recorder is empty afterwards.
  RepetitionRecord Take();

 private:
  void TakeSpan(const LoadSpan& span, const StepRecord& step);

  static constexpr size_t kRecentGaps = 1024;

  std::function<void(const LoadFinish&)> on_finish_;
  RepetitionRecord repetition_;
  int64_t ended_ = 0;
  int64_t tokens_ = 0;
  std::array<double, kRecentGaps> recent_gaps_ = {};  // a ring
  size_t gaps_ = 0;                                   // ever seen
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_RECORDER_H_
