// The requests of a load test: when each should be sent, and which tokens it holds. Knows nothing
// of what will serve them, and is a pure function of its options.
#ifndef PLUMBLINE_TOOLS_LOAD_WORKLOAD_H_
#define PLUMBLINE_TOOLS_LOAD_WORKLOAD_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tools/load_arrivals.h"
#include "tools/load_lengths.h"
#include "tools/load_record.h"
#include "tools/load_trace.h"

namespace plumbline {

inline constexpr int64_t kMostRequests = 2000000;

struct WorkloadOptions {
  ArrivalSpec arrivals;
  LengthDistribution prompt;  // of a conversation's turn: what is new in it
  LengthDistribution output;
  LengthDistribution turns;  // of a conversation; each turn's prompt holds all that was said before
  // Of all turns together. 0: as many as the trace, or `seconds`, has; else 100.
  int64_t requests = 0;
  double seconds = std::numeric_limits<double>::infinity();  // nothing is sent from then on
  double time_scale = 1;      // of a trace: 2 replays it at half its speed
  double think_seconds = 0;   // mean pause between an answer and the next prompt
  bool think_varies = false;  // exponentially, else it is always the mean
  int64_t prefix_groups =
      0;  // requests of one group begin with the same prefix_tokens tokens, which
  int64_t prefix_tokens = 0;  // come before the prompt's own
  uint64_t seed = 1;          // of times, lengths and tokens
  uint64_t salt = 0;    // of tokens alone: another salt makes other prompts of the same lengths
  int64_t context = 0;  // most tokens of prompt and output - 1
  int64_t vocab = 0;    // token ids lie below
};

struct PlannedRequest {
  int64_t conversation = 0;
  int64_t turn = 0;
  bool last_turn = true;
  int64_t group = -1;
  // First turns of open arrivals: after the start. Other turns, and a closed loop: after the end of
  // the request that its user waits for.
  double seconds = 0;
  int64_t former_tokens = 0;  // of earlier turns, prompts and outputs
  int64_t own_tokens = 0;     // new ones, the group's prefix included
  int64_t output_tokens = 0;
  int64_t trace_row = -1;

  int64_t prompt_tokens() const { return former_tokens + own_tokens; }
};

// Immutable once built; thread-safe.
class LoadWorkload {
 public:
  // `trace` is looked at for trace arrivals alone, and copied from. InvalidArgument for options
  // that make no request, more than kMostRequests, or need what is not there.
  static absl::StatusOr<LoadWorkload> Build(const WorkloadOptions& options, const Trace* trace);

  // The requests of a run that was recorded, each sent when it was sent then. FailedPrecondition
  // where that run cannot be repeated: a request did not complete, or found its prefix in the cache
  // (the record holds no tokens).
  static absl::StatusOr<LoadWorkload> Replay(const RepetitionRecord& repetition);

  // In order of conversations; a conversation's turns follow one another. Open arrivals: first
  // turns stand in order of their times.
  const std::vector<PlannedRequest>& requests() const { return requests_; }
  // Of a closed loop; 0: arrivals are open.
  int64_t users() const { return users_; }
  double stop_seconds() const { return options_.seconds; }
  // Requests that the context made shorter, and turns it left no room for.
  int64_t shortened() const { return shortened_; }
  int64_t dropped_turns() const { return dropped_turns_; }

  // The tokens of request `index`. `former`: prompt and output of the turn before it, of which the
  // request's former_tokens are taken. REQUIRES: so many are there.
  std::vector<int32_t> Prompt(int64_t index, absl::Span<const int32_t> former) const;

 private:
  void AddConversation(int64_t number, double seconds, int64_t most_turns);
  void AddTraceRequests(const Trace& trace);
  bool FitTurn(PlannedRequest* request);

  WorkloadOptions options_;
  std::vector<PlannedRequest> requests_;
  std::vector<std::vector<int64_t>> hash_ids_;  // by trace row
  int64_t users_ = 0;
  int64_t shortened_ = 0;
  int64_t dropped_turns_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_WORKLOAD_H_
