// Time, injected: the real clock, or a virtual one that tests and simulations move by hand.
#ifndef PLUMBLINE_SCHEDULER_CLOCK_H_
#define PLUMBLINE_SCHEDULER_CLOCK_H_

namespace plumbline {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since some fixed moment; never goes back. Safe from any thread.
  virtual double NowSeconds() const = 0;
};

// std::chrono::steady_clock.
class SteadyClock final : public Clock {
 public:
  double NowSeconds() const override;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_CLOCK_H_
