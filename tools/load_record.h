// What a load test writes down: raw timestamps and sizes, nothing derived. Every figure of every
// report (load_metrics.h) is computed from these, and a file of them can be read back.
//
// All times are seconds on one clock, whose zero is the start of their repetition: of the wall, or
// the virtual one of a simulation. -1: did not happen, or the target cannot know (a server reached
// over HTTP tells no steps). Plain data; not thread-safe.
#ifndef PLUMBLINE_TOOLS_LOAD_RECORD_H_
#define PLUMBLINE_TOOLS_LOAD_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/work.h"

namespace plumbline {

// How a request ended.
enum class LoadOutcome : uint8_t {
  kCompleted,   // all its output tokens came
  kCancelled,   // Ctrl-C, or the end of a run whose length is limited
  kExpired,     // its deadline passed
  kRefused,     // admission had no room
  kFailed,      // any other error
  kUnfinished,  // no end was seen (never in a run that was drained)
};

// Tokens of a request that ran in one step, other than the plain decode of one token: chunks of
// its prompt, and of what it recomputes after a preemption. Steps in which it decoded are the ones
// whose end is the time of one of its later tokens.
struct ChunkRecord {
  int64_t step = 0;   // index into RepetitionRecord::steps
  int64_t first = 0;  // position of the first token
  int64_t tokens = 0;

  bool operator==(const ChunkRecord&) const = default;
};

// From the moment it gave its blocks away (start of the step that took them) to the start of the
// step that has it run again; -1: it never did.
struct PreemptionRecord {
  double evicted_seconds = 0;
  double resumed_seconds = -1;

  bool operator==(const PreemptionRecord&) const = default;
};

struct RequestRecord {
  // What was asked for.
  int64_t id = 0;               // its place in the workload, from 0
  int64_t user = -1;            // of a closed loop, or conversation; -1: stands alone
  int64_t turn = 0;             // of that user or conversation, from 0
  int64_t group = -1;           // whose prefix it shares; -1: none
  int64_t prompt_tokens = 0;    // as sent
  int64_t output_tokens = 0;    // as asked for
  int64_t replica = 0;          // who served it
  double intended_seconds = 0;  // when it should have been sent: latencies count from here
  // What became of it.
  double sent_seconds = -1;
  double first_scheduled_seconds = -1;  // start of the first step with its tokens
  std::vector<double> token_seconds;    // when each output token came
  double finish_seconds = -1;
  LoadOutcome outcome = LoadOutcome::kUnfinished;
  std::string error;              // why, where it did not complete
  int64_t prefix_hit_tokens = 0;  // of its prompt, found in the cache at its first start
  std::vector<ChunkRecord> chunks;
  std::vector<PreemptionRecord> preemptions;

  bool operator==(const RequestRecord&) const = default;
};

// One step of one replica. Running, waiting and the cache are as they were while it ran: with all
// its tokens stored, and before what finished gave its blocks back.
struct StepRecord {
  int64_t replica = 0;
  double start_seconds = 0;  // of Plan
  double end_seconds = 0;    // of Commit: the time of its tokens, to the bit
  double predicted_seconds =
      -1;                     // of the forward pass, by the cost model; -1: nothing to predict by
  int64_t prompt_tokens = 0;  // in chunks (also recomputed ones)
  int64_t decode_tokens = 0;  // one for each stream that decoded
  int64_t running = 0;        // sequences that hold blocks
  int64_t waiting = 0;        // sequences that do not
  int64_t blocks_used = 0;    // held by running sequences
  int64_t blocks_free = 0;    // the rest: can be taken at once
  int64_t cached_tokens = 0;  // stored in the running sequences' blocks, in a shared one once
  int64_t waste_tokens = 0;   // slots of those blocks that hold no token
  int64_t preemptions = 0;    // by the plan of this step
  // 1: it ran prompt tokens beside streams, and was predicted to miss the target for them even so.
  int64_t over_itl_target = 0;

  bool operator==(const StepRecord&) const = default;
};

// A step of the run that was run once more, right behind itself, as an anchor. The run's clock
// stood still meanwhile, so that it is in no other figure.
struct RepeatedStep {
  double seconds = 0;            // when
  double cost_seconds = 0;       // what running it took, by the wall
  std::vector<SpanShape> spans;  // what ran
  ClassSeconds classes = {};     // what the forward pass took the second time

  bool operator==(const RepeatedStep&) const = default;
};

// What the machine did between two steps of a run. The run's clock stood still meanwhile, so that
// it is in no other figure.
struct AnchorMark {
  double seconds = 0;       // when
  double cost_seconds = 0;  // what measuring took, by the wall
  Anchors anchors;

  bool operator==(const AnchorMark&) const = default;
};

struct RepetitionRecord {
  std::vector<RequestRecord> requests;  // by id
  std::vector<StepRecord> steps;        // by end; of one replica in order
  // Requests intended before it are warm-up: they load the system and are left out of figures.
  double warm_up_seconds = 0;
  double end_seconds = 0;  // the last request had ended
  bool interrupted = false;
  // What the machine did right before and after; none in virtual time.
  std::optional<Anchors> anchors_before;
  std::optional<Anchors> anchors_after;
  std::vector<AnchorMark> anchor_marks;      // through the run, in order
  std::vector<RepeatedStep> repeated_steps;  // the same

  bool operator==(const RepetitionRecord&) const = default;
};

// One run of `plumbline load`.
struct LoadRecord {
  std::string model;    // as named by the user
  std::string target;   // "engine", "simulation" or "replay"
  std::string weights;  // dtype
  std::string kv_dtype;
  std::string workload;  // arrivals, lengths and the like, in words
  std::vector<std::pair<std::string, std::string>> policy;  // the scheduler's settings: name, value
  uint64_t seed = 0;
  uint64_t salt = 0;  // 0: prompts are the same in every run
  int64_t threads = 1;
  int64_t replicas = 1;
  int64_t step_tokens = 0;  // budget of a step
  int64_t block_tokens = 0;
  int64_t blocks = 0;               // of one replica's cache
  int64_t block_bytes = 0;          // of one block, as the store lays it out
  int64_t token_bytes = 0;          // of one token in the cache, by the formula
  int64_t article_token_bytes = 0;  // what the articles' formula gives for it
  int64_t unix_seconds = 0;         // when it was begun
  std::vector<RepetitionRecord> repetitions;

  bool operator==(const LoadRecord&) const = default;
};

// The numbers of the repetitions that are not discarded.
std::vector<int64_t> SteadyRepetitions(const LoadRecord& record);

// The mean of the anchors around the repetitions that are not discarded. FailedPrecondition where
// there is none: no anchors were taken, or all drifted too far.
absl::StatusOr<Anchors> MeanAnchors(const LoadRecord& record);
// Of neighbouring marks the middle is taken: a mark whose few milliseconds a neighbour disturbed
// says nothing of the seconds around it.
inline constexpr int kMarksTogether = 5;

// Each mark with the middle value, figure by figure, of the kMarksTogether marks around it, of
// which there are fewer at the ends.
std::vector<AnchorMark> SmoothMarks(absl::Span<const AnchorMark> marks);

// The relative change of the anchor that changed most: from before the run to after it, or from its
// least to its most through the run (SmoothMarks). 0 where there are none.
double AnchorDrift(const RepetitionRecord& repetition);
// A repetition whose anchors drifted by more is discarded, and said to be.
inline constexpr double kMostDrift = 0.10;

// "completed", "cancelled", "expired", "refused", "failed", "unfinished".
const char* LoadOutcomeName(LoadOutcome outcome);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_RECORD_H_
