// A clock that moves only when told to.
#ifndef PLUMBLINE_TESTS_SUPPORT_MANUAL_CLOCK_H_
#define PLUMBLINE_TESTS_SUPPORT_MANUAL_CLOCK_H_

#include <atomic>

#include "scheduler/clock.h"

namespace plumbline {

class ManualClock final : public Clock {
 public:
  double NowSeconds() const override { return now_seconds_.load(); }
  // One thread advances; any thread may read.
  void Advance(double seconds) { now_seconds_.store(now_seconds_.load() + seconds); }

 private:
  std::atomic<double> now_seconds_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_MANUAL_CLOCK_H_
