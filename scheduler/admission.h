// How much may wait: limits on the queue, and when to come back where it is full.
#ifndef PLUMBLINE_SCHEDULER_ADMISSION_H_
#define PLUMBLINE_SCHEDULER_ADMISSION_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"

namespace plumbline {

// Of requests that never started. 0: no limit.
struct AdmissionLimits {
  int64_t queued_requests = 0;
  int64_t queued_tokens = 0;  // of their prompts
};

struct QueueLoad {
  int64_t requests = 0;
  int64_t tokens = 0;
};

// The pace at which requests lately left the queue. Plain data; not thread-safe.
class QueueDrain {
 public:
  // A request of `tokens` prompt tokens started.
  void Left(double now_seconds, int64_t tokens);
  // Seconds until as much as `load` will have left at the pace of the last departures, up to
  // kWindow of them, counted until now: a queue that stands still slows its own estimate. None
  // where fewer than two left, or no time has passed.
  std::optional<double> SecondsFor(const QueueLoad& load, double now_seconds) const;

 private:
  static constexpr int kWindow = 32;
  struct Departure {
    double seconds = 0;
    int64_t tokens = 0;
  };
  std::array<Departure, kWindow> last_ = {};  // a ring
  int64_t departures_ = 0;
};

// Whether `wish` may join `queued`. ResourceExhausted says what was needed and had, and when to
// come back: in words, and by RetryAfterSeconds where it can be told. A wish that is over a limit
// by itself can never join, and its status has no time.
absl::Status CheckAdmission(const AdmissionLimits& limits, const QueueLoad& queued,
                            const QueueLoad& wish, const QueueDrain& drain, double now_seconds);

// The estimate that a refusal carries; none in any other status.
std::optional<double> RetryAfterSeconds(const absl::Status& status);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_ADMISSION_H_
