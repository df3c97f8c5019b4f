#include "scheduler/clock.h"

#include <chrono>

namespace plumbline {

double SteadyClock::NowSeconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace plumbline
