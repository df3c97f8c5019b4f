#include "scheduler/step_time_bound.h"

#include <algorithm>
#include <cstddef>

#include "engine/step_time.h"

namespace plumbline {
namespace {

constexpr double kNewestWeight = 1.0 / 8;
constexpr double kLeastRatio = 1.0 / 4;
constexpr double kMostRatio = 4;

}  // namespace

StepTimeBound::StepTimeBound(double target_seconds, const MachineProfile* profile,
                             const CostShape& shape, int max_spans)
    : target_seconds_(target_seconds), profile_(profile), shape_(shape) {
  // One more for the chunk that is tried.
  if (active()) spans_.reserve(static_cast<size_t>(max_spans) + 1);
}

void StepTimeBound::Begin() {
  spans_.clear();
  decode_spans_ = 0;
  prompt_tokens_ = 0;
  predicted_seconds_ = 0;
}

void StepTimeBound::AddDecode(int position) {
  spans_.push_back({position, 1, 1});
  ++decode_spans_;
}

// Streams wait for the search of the largest logits, too.
double StepTimeBound::Predict() const {
  return PredictStep(*profile_, shape_, spans_).seconds() +
         PredictSampling(*profile_, shape_, spans_);
}

bool StepTimeBound::Fits(int first, int pending, int count) {
  spans_.push_back({first, count, count == pending ? 1 : 0});
  const double seconds = Predict() * correction_;
  spans_.pop_back();
  return seconds <= target_seconds_;
}

bool StepTimeBound::HasRoom(int position) {
  return !active() || decode_spans_ == 0 || prompt_tokens_ < kLeastPromptTokens ||
         Fits(position, 1, 1);
}

int StepTimeBound::AddPrompt(int first, int pending, int most) {
  int high = std::min(pending, most);
  if (!active()) return high;
  if (decode_spans_ > 0 && !Fits(first, pending, high)) {
    // `low` tokens run in any case, or fit; `high` do not fit. The prediction is not strictly
    // monotone (a whole call of the matmul may take less than two parts of it), so what is found
    // may not be the most that fits, but it does fit.
    int low = std::min(high, std::max(1, kLeastPromptTokens - prompt_tokens_));
    while (high - low > 1) {
      const int middle = low + (high - low) / 2;
      (Fits(first, pending, middle) ? low : high) = middle;
    }
    high = low;
  }
  spans_.push_back({first, high, high == pending ? 1 : 0});
  prompt_tokens_ += high;
  return high;
}

bool StepTimeBound::CloseStep() {
  if (!active() || decode_spans_ == 0 || prompt_tokens_ == 0) return false;
  predicted_seconds_ = Predict();
  ++stats_.bounded_steps;
  const bool over = predicted_seconds_ * correction_ > target_seconds_;
  if (over) ++stats_.over_target_steps;
  return over;
}

void StepTimeBound::Observe(double measured_seconds) {
  if (predicted_seconds_ <= 0) return;
  const double ratio = std::clamp(measured_seconds / predicted_seconds_, kLeastRatio, kMostRatio);
  correction_ += kNewestWeight * (ratio - correction_);
}

}  // namespace plumbline
