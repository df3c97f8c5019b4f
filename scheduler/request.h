// What a client asks for, and what becomes of it.
#ifndef PLUMBLINE_SCHEDULER_REQUEST_H_
#define PLUMBLINE_SCHEDULER_REQUEST_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/step_time.h"
#include "engine/work.h"

namespace plumbline {

using RequestId = int64_t;

inline constexpr int kMaxPriority = 100;
inline constexpr int kMaxSamples = 1024;

// Applied in this order: repeat penalty, temperature, top-k, top-p, min-p.
struct SamplingParams {
  double temperature = 0.0;     // 0: greedy (ties: the lowest id)
  int top_k = 0;                // 0: off
  double top_p = 1.0;           // 1: off
  double min_p = 0.0;           // 0: off; relative to the most likely token
  double repeat_penalty = 1.0;  // 1: off; over the prompt and the output so far (CTRL, eq. 5)
  uint64_t seed = 0;            // the n-th output token draws from (seed, n) alone
};

enum class FinishReason : uint8_t { kStop, kLength, kCancelled, kExpired, kError };
absl::string_view FinishReasonName(FinishReason reason);

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;  // natural logarithm, of the model's own distribution
};

// One output token as it leaves the session.
struct TokenEvent {
  RequestId request = 0;  // of the sample
  int sample = 0;
  int32_t token = 0;
  double seconds = 0;                       // clock time of its Commit
  absl::Span<const TokenLogprob> logprobs;  // the request's `logprobs` most likely, best first
};

struct Request {
  int64_t tag = 0;              // the client's own number for it, in StepEvents
  std::vector<int32_t> prompt;  // at least one token
  int max_new_tokens = 64;      // at least 1; clamped to what context and cache can hold
  SamplingParams sampling;
  // Completions of the prompt, 1 to kMaxSamples. Each has a result, a RequestId (they follow one
  // another) and a copy of on_token of its own; number i, from 0, draws with sampling.seed + i.
  // They share the prompt's blocks.
  int samples = 1;
  std::vector<int32_t> end_tokens;  // finish with kStop when sampled
  int logprobs = 0;                 // top candidates to report with each token
  double arrival_seconds = 0;       // on the session's clock; finite
  int priority = 0;                 // -kMaxPriority to kMaxPriority; higher starts sooner, where
                                    // the queue's order looks at it
  double deadline_seconds = 0;      // after arrival; it ends with kExpired where it has not by
                                    // then. 0: none
  // Called with every output token, in order, on the session's thread, the end token included.
  // Returns false to finish the request with kStop (a stop string was seen). May be empty.
  std::function<bool(const TokenEvent&)> on_token;
};

// One step, as one request saw it.
struct RequestStep {
  double end_seconds = -1;  // clock time of Commit; -1: not committed yet
  double seconds = 0;       // Plan to Commit of the whole step
  int new_tokens = 0;       // of this request that ran
  int context_tokens = 0;   // keys seen by the last of them, itself included: t of S(t)
  int step_tokens = 0;      // of all requests
  MacCounts measured_macs;  // of this request
  MacCounts formula_macs;
  // Of the whole step, which several requests may share:
  ByteCounts measured_bytes = {};
  ByteCounts formula_bytes = {};
  int64_t measured_softmax_pairs = 0;
  int64_t formula_softmax_pairs = 0;
  ClassSeconds measured_seconds = {};  // of the forward pass
  std::optional<StepTime> predicted;   // of the same; none without a machine profile
};

// The cache of a request, taken just before its blocks return.
struct RequestCache {
  int block_tokens = 0;
  int64_t blocks = 0;
  int64_t shared_blocks = 0;  // of `blocks`, filled by others: found, or there already when full
  int64_t token_bytes = 0;
  int64_t used_bytes_measured = 0;  // tokens really stored times bytes of one slot in the store
  int64_t used_bytes_formula = 0;   // token_bytes x (prompt + output - 1)
  int64_t allocated_bytes_measured = 0;  // blocks held times bytes of one block in the store
  int64_t allocated_bytes_formula = 0;   // D_KV_PAGED_BYTES
  int64_t waste_tokens = 0;              // allocated slots that hold no token
};

// One preemption: from the loss of the blocks until the request ran again.
struct Eviction {
  double evicted_seconds = 0;       // start of the step that needed its blocks
  double rescheduled_seconds = -1;  // start of the step in which it ran again; -1: it ended first
  int64_t swapped_out_blocks = 0;   // moved to host memory; 0: to be computed again
  int64_t swapped_in_blocks = 0;    // moved back; others of them were still in the cache
};

struct RequestResult {
  RequestId id = 0;
  int sample = 0;
  FinishReason reason = FinishReason::kLength;
  absl::Status status;  // why, for kError; DeadlineExceeded for kExpired
  std::vector<int32_t> prompt;
  std::vector<int32_t> output;                      // the end token, where there is one, included
  std::vector<std::vector<TokenLogprob>> logprobs;  // [output][logprobs]; empty where none asked
  double arrival_seconds = 0;
  double first_scheduled_seconds = -1;  // start of the first step with its tokens; -1: never
  double first_token_seconds = -1;      // Commit of its first output token; -1: none
  double finish_seconds = 0;
  int preemptions = 0;
  std::vector<Eviction> evictions;  // one for each preemption
  int64_t prefix_hit_tokens = 0;    // found in the cache at its starts instead of computed
  std::vector<RequestStep> steps;
  RequestCache cache;

  double queue_seconds() const;  // arrival to first scheduled, or to the end where never
  double ttft_seconds() const;   // arrival to first token; -1: none
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_REQUEST_H_
