// Who starts next, of those that wait.
//
// All three orders give a request a virtual arrival, and start the earliest first. It is fixed when
// the request comes, so the queue need never be sorted anew: everybody ages at the same pace. Hence
// starvation is bounded: nobody starts before a request whose virtual arrival lies before theirs,
// so whoever really arrives after that moment cannot overtake it.
#ifndef PLUMBLINE_SCHEDULER_QUEUE_ORDER_H_
#define PLUMBLINE_SCHEDULER_QUEUE_ORDER_H_

#include <cstdint>
#include <tuple>

#include "absl/strings/string_view.h"
#include "scheduler/request.h"

namespace plumbline {

enum class QueueOrder : uint8_t {
  kFirstCome,       // first come, first served, in order of Add
  kShortestPrompt,  // shortest prompt first; waiting makes up for length
  kPriority,        // highest Request::priority first; waiting makes up for rank
};
// "first-come", "shortest-prompt", "priority".
absl::string_view QueueOrderName(QueueOrder order);

struct QueuePolicy {
  QueueOrder order = QueueOrder::kFirstCome;
  // kShortestPrompt: a second of waiting makes up for this many prompt tokens. A request of n
  // tokens is overtaken only by what arrives less than n / ageing_tokens_per_second after it.
  double ageing_tokens_per_second = 1000;  // above 0
  // kPriority: this many seconds of waiting make up for one level. A request is overtaken by one
  // of k levels above it only if that arrives less than k * ageing_seconds_per_level after it.
  double ageing_seconds_per_level = 10;  // above 0
};

// A place in the queue; the least is first. Preempted requests stand before all that never started,
// in the order in which they first started.
struct QueueKey {
  bool fresh = true;           // never started
  double virtual_arrival = 0;  // seconds; 0 for preempted ones and for kFirstCome
  int64_t number = 0;          // fresh: the request's id; else of its first start

  bool operator<(const QueueKey& other) const {
    return std::tie(fresh, virtual_arrival, number) <
           std::tie(other.fresh, other.virtual_arrival, other.number);
  }
};

// REQUIRES: the request's arrival is finite and its priority within kMaxPriority; ageing is above
// 0.
QueueKey FreshKey(const QueuePolicy& policy, const Request& request, RequestId id);
QueueKey PreemptedKey(int64_t start_number);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_QUEUE_ORDER_H_
