#include "scheduler/admission.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace plumbline {
namespace {

constexpr absl::string_view kRetryAfter = "plumbline/retry-after-seconds";

// Written so that no limit overflows.
bool Over(int64_t limit, int64_t had, int64_t wanted) {
  return limit > 0 && (wanted > limit || had > limit - wanted);
}

std::string Of(int64_t had, int64_t limit) {
  return limit > 0 ? absl::StrCat(had, " of ", limit) : absl::StrCat(had);
}

}  // namespace

void QueueDrain::Left(double now_seconds, int64_t tokens) {
  last_[static_cast<size_t>(departures_++ % kWindow)] = {now_seconds, tokens};
}

std::optional<double> QueueDrain::SecondsFor(const QueueLoad& load, double now_seconds) const {
  const int64_t kept = std::min<int64_t>(departures_, kWindow);
  if (kept < 2) return std::nullopt;
  const auto oldest = static_cast<size_t>((departures_ - kept) % kWindow);
  const double elapsed = now_seconds - last_[oldest].seconds;
  if (!(elapsed > 0)) return std::nullopt;
  // The oldest only marks the beginning.
  int64_t tokens = -last_[oldest].tokens;
  for (int64_t i = 0; i < kept; ++i) tokens += last_[static_cast<size_t>(i)].tokens;
  const double by_requests =
      static_cast<double>(load.requests) * elapsed / static_cast<double>(kept - 1);
  const double by_tokens = static_cast<double>(load.tokens) * elapsed / static_cast<double>(tokens);
  return std::max(by_requests, by_tokens);
}

absl::Status CheckAdmission(const AdmissionLimits& limits, const QueueLoad& queued,
                            const QueueLoad& wish, const QueueDrain& drain, double now_seconds) {
  const bool requests_over = Over(limits.queued_requests, queued.requests, wish.requests);
  const bool tokens_over = Over(limits.queued_tokens, queued.tokens, wish.tokens);
  if (!requests_over && !tokens_over) return absl::OkStatus();
  const std::string needed =
      absl::StrCat("queue: room for ", wish.requests, wish.requests == 1 ? " request" : " requests",
                   " of ", wish.tokens, " prompt tokens is needed, and ");
  if (Over(limits.queued_requests, 0, wish.requests) ||
      Over(limits.queued_tokens, 0, wish.tokens)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        needed, "even the empty queue holds only ",
        limits.queued_requests > 0 ? absl::StrCat(limits.queued_requests, " requests") : "",
        limits.queued_requests > 0 && limits.queued_tokens > 0 ? " and " : "",
        limits.queued_tokens > 0 ? absl::StrCat(limits.queued_tokens, " tokens") : "",
        "; shorten the prompt, or raise the limit"));
  }
  QueueLoad excess;
  if (requests_over) excess.requests = queued.requests - (limits.queued_requests - wish.requests);
  if (tokens_over) excess.tokens = queued.tokens - (limits.queued_tokens - wish.tokens);
  const std::optional<double> wait = drain.SecondsFor(excess, now_seconds);
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat(needed, Of(queued.requests, limits.queued_requests), " requests with ",
                   Of(queued.tokens, limits.queued_tokens), " tokens are queued; come back ",
                   wait ? absl::StrFormat("in about %.3g s", *wait)
                        : "later: nothing tells yet how fast it moves",
                   ", or raise the limit"));
  if (wait) status.SetPayload(kRetryAfter, absl::Cord(absl::StrFormat("%.17g", *wait)));
  return status;
}

std::optional<double> RetryAfterSeconds(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryAfter);
  double seconds = 0;
  if (!payload || !absl::SimpleAtod(std::string(*payload), &seconds)) return std::nullopt;
  return seconds;
}

}  // namespace plumbline
