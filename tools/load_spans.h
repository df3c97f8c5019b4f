// The life of one request in pieces that touch: what it waited for, and what it ran. One split for
// every figure, picture and trace (load_timing.h sums the part up to the first token).
#ifndef PLUMBLINE_TOOLS_LOAD_SPANS_H_
#define PLUMBLINE_TOOLS_LOAD_SPANS_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "tools/load_record.h"

namespace plumbline {

enum class LoadSpanKind : uint8_t {
  kQueue,      // intended send to the start of the first step with its tokens
  kPrefill,    // a step that held a chunk of its prompt, or of what it computed anew
  kStalled,    // it held blocks, but no token of its own ran
  kPreempted,  // its blocks were given away, until it ran again
  kDecode,     // steps that gave its later tokens, and the pauses between two such steps in a row
  kUnsplit     // intended send to the first token, where the target tells no steps
};
inline constexpr int kNumLoadSpanKinds = 6;

// "queue", "prefill", "stalled", "preempted", "decode", "to first token".
const char* LoadSpanName(LoadSpanKind kind);

struct RequestSpan {
  LoadSpanKind kind = LoadSpanKind::kQueue;
  double start_seconds = 0;
  double end_seconds = 0;  // the next span's start, to the bit
  int64_t tokens = 0;      // kPrefill: of the chunk; kDecode: that came
  int64_t position = -1;   // kPrefill: of the chunk's first token

  bool operator==(const RequestSpan&) const = default;
};

// From the intended send to the first token; spans of no length are left out. Empty where no token
// came, or the target tells no steps. Spans of a record that no run could have made may end before
// they start; they still touch. REQUIRES: chunks name steps that are there.
std::vector<RequestSpan> FirstTokenSpans(const RequestRecord& request,
                                         absl::Span<const StepRecord> steps);

// Finds the step that gave a token: a token's time is its step's end, to the bit. Plain data, not
// changed once made; thread-safe.
class StepIndex {
 public:
  // `steps` is not owned and must outlive the index.
  explicit StepIndex(absl::Span<const StepRecord> steps);

  struct Place {
    int64_t step = -1;   // index into the steps; -1: none ends then
    int64_t order = -1;  // among the steps of its replica
  };
  Place Find(int64_t replica, double end_seconds) const;
  absl::Span<const StepRecord> steps() const { return steps_; }

 private:
  absl::Span<const StepRecord> steps_;
  std::map<int64_t, std::vector<std::pair<double, int64_t>>> ends_;  // by replica; time, step
};

// From the intended send to the end, or to `run_end_seconds` where no end was seen. Each span
// touches the next one; none is empty. What FirstTokenSpans gives comes first.
std::vector<RequestSpan> LifeSpans(const RequestRecord& request, const StepIndex& index,
                                   double run_end_seconds);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_SPANS_H_
