#include "scheduler/queue_order.h"

namespace plumbline {

absl::string_view QueueOrderName(QueueOrder order) {
  switch (order) {
    case QueueOrder::kFirstCome:
      return "first-come";
    case QueueOrder::kShortestPrompt:
      return "shortest-prompt";
    case QueueOrder::kPriority:
      return "priority";
  }
  return "unknown";
}

QueueKey FreshKey(const QueuePolicy& policy, const Request& request, RequestId id) {
  QueueKey key{.fresh = true, .virtual_arrival = 0, .number = id};
  switch (policy.order) {
    case QueueOrder::kFirstCome:
      break;
    case QueueOrder::kShortestPrompt:
      key.virtual_arrival = request.arrival_seconds + static_cast<double>(request.prompt.size()) /
                                                          policy.ageing_tokens_per_second;
      break;
    case QueueOrder::kPriority:
      key.virtual_arrival =
          request.arrival_seconds - request.priority * policy.ageing_seconds_per_level;
      break;
  }
  return key;
}

QueueKey PreemptedKey(int64_t start_number) {
  return {.fresh = false, .virtual_arrival = 0, .number = start_number};
}

}  // namespace plumbline
