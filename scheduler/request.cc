#include "scheduler/request.h"

namespace plumbline {

absl::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kExpired:
      return "expired";
    case FinishReason::kError:
      return "error";
  }
  return "unknown";
}

double RequestResult::queue_seconds() const {
  // A request that never ran was in the queue until it ended.
  const double until = first_scheduled_seconds < 0 ? finish_seconds : first_scheduled_seconds;
  return until - arrival_seconds;
}

double RequestResult::ttft_seconds() const {
  return first_token_seconds < 0 ? -1 : first_token_seconds - arrival_seconds;
}

}  // namespace plumbline
