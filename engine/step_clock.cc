#include "engine/step_clock.h"

#include <chrono>
#include <cstddef>

namespace plumbline {

void AttentionTicks::LapKeysAndValues() {
  const int64_t now = ReadTicks();
  const int64_t half = (now - last_) / 2;
  ticks_[0] += half;
  ticks_[2] += now - last_ - half;
  last_ = now;
}

void AttentionTicks::Add(int64_t scores, int64_t softmax, int64_t values) {
  ticks_[0] += scores;
  ticks_[1] += softmax;
  ticks_[2] += values;
}

AttentionTicks& AttentionTicks::operator+=(const AttentionTicks& other) {
  Add(other.scores(), other.softmax(), other.values());
  return *this;
}

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

StepClock::StepClock(ClassSeconds* seconds, Now now)
    : seconds_(*seconds), now_(now), last_(now()) {}

double StepClock::Elapsed() {
  const double now = now_();
  const double elapsed = now - last_;
  last_ = now;
  return elapsed;
}

void StepClock::Lap(WorkClass work_class) {
  seconds_[static_cast<size_t>(work_class)] += Elapsed();
}

void StepClock::LapAttention(const AttentionTicks& ticks) {
  const double elapsed = Elapsed();
  const auto total = static_cast<double>(ticks.scores() + ticks.softmax() + ticks.values());
  const double unit = total > 0 ? elapsed / total : 0;
  const double softmax = unit * static_cast<double>(ticks.softmax());
  const double values = unit * static_cast<double>(ticks.values());
  seconds_[static_cast<size_t>(WorkClass::kSoftmax)] += softmax;
  seconds_[static_cast<size_t>(WorkClass::kWeightedValues)] += values;
  seconds_[static_cast<size_t>(WorkClass::kScores)] += elapsed - softmax - values;
}

}  // namespace plumbline
