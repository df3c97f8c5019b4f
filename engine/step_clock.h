// The wall clock of one forward pass, cut into classes of work at the ends of its parts; and the
// cheap counter with which attention's threads tell apart what runs interleaved in every tile.
#ifndef PLUMBLINE_ENGINE_STEP_CLOCK_H_
#define PLUMBLINE_ENGINE_STEP_CLOCK_H_

#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#elif !defined(__aarch64__)
#include <chrono>
#endif

#include "engine/work.h"

namespace plumbline {

// A counter that runs at one fixed rate and costs a few nanoseconds: good for proportions, since
// its unit is not known. Not ordered against the instructions around it, so that laps of a few
// dozen cycles mean nothing.
inline int64_t ReadTicks() {
#if defined(__x86_64__)
  return static_cast<int64_t>(__rdtsc());
#elif defined(__aarch64__)
  int64_t ticks = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return std::chrono::steady_clock::now().time_since_epoch().count();
#endif
}

// What one thread spent on each part of attention. One thread at a time.
class AttentionTicks {
 public:
  // Forgets everything.
  void Reset() { ticks_ = {}; }
  // The next lap starts here.
  void Start() { last_ = ReadTicks(); }
  // What passed since the last lap, or Start, went into this part.
  void LapScores() { Lap(0); }
  void LapSoftmax() { Lap(1); }
  void LapValues() { Lap(2); }
  // It went into keys and values alike: half to scores, half to weighted values.
  void LapKeysAndValues();
  // As LapScores and so on, with the ticks given.
  void Add(int64_t scores, int64_t softmax, int64_t values);
  AttentionTicks& operator+=(const AttentionTicks& other);

  int64_t scores() const { return ticks_[0]; }
  int64_t softmax() const { return ticks_[1]; }
  int64_t values() const { return ticks_[2]; }

 private:
  void Lap(size_t part) {
    const int64_t now = ReadTicks();
    ticks_[part] += now - last_;
    last_ = now;
  }

  std::array<int64_t, 3> ticks_ = {};
  int64_t last_ = 0;
};

// Seconds of std::chrono::steady_clock.
double SteadySeconds();

// Adds laps to the classes of `*seconds`, which is not owned: together they are the time from
// construction to the last lap. One thread at a time.
class StepClock {
 public:
  using Now = double (*)();

  explicit StepClock(ClassSeconds* seconds, Now now = &SteadySeconds);
  // What passed since the last lap went into this class.
  void Lap(WorkClass work_class);
  // It went into attention: shared by scores, softmax and weighted values in proportion of their
  // threads' ticks (to scores alone where there are none).
  void LapAttention(const AttentionTicks& ticks);

 private:
  double Elapsed();

  ClassSeconds& seconds_;
  const Now now_;
  double last_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_STEP_CLOCK_H_
