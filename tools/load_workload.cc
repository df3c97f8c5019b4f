#include "tools/load_workload.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

constexpr int64_t kUsualRequests = 100;
constexpr int64_t kMostClosedRequests = 200000;  // where a closed loop ends by time
// Names of streams of random numbers.
enum LoadStream : uint64_t { kTimeStream, kLengthStream, kOwnStream, kGroupStream, kTraceStream };

absl::Status CheckWorkload(const WorkloadOptions& options, const Trace* trace) {
  if (options.requests < 0 || options.requests > kMostRequests) {
    return absl::InvalidArgumentError(
        absl::StrCat("a load has 1 to ", kMostRequests, " requests, not ", options.requests));
  }
  if (!(options.seconds > 0)) {
    return absl::InvalidArgumentError("a load lasts more than 0 seconds: raise --duration");
  }
  if (options.context < 1 || options.vocab < 1) {
    return absl::InvalidArgumentError("a load needs a context and a vocabulary of at least 1");
  }
  if (options.prefix_groups > 0 && options.prefix_tokens < 1) {
    return absl::InvalidArgumentError("groups share a prefix of at least 1 token: give its length");
  }
  if (options.arrivals.kind == ArrivalKind::kTrace && trace == nullptr) {
    return absl::InvalidArgumentError("the arrivals of a trace need the trace");
  }
  return absl::OkStatus();
}

// How many requests may be made at most.
int64_t MostRequests(const WorkloadOptions& options) {
  if (options.requests > 0) return options.requests;
  if (!std::isfinite(options.seconds)) return kUsualRequests;
  return options.arrivals.kind == ArrivalKind::kClosed ? kMostClosedRequests : kMostRequests;
}

}  // namespace

absl::StatusOr<LoadWorkload> LoadWorkload::Build(const WorkloadOptions& options,
                                                 const Trace* trace) {
  if (absl::Status status = CheckWorkload(options, trace); !status.ok()) return status;
  LoadWorkload workload;
  workload.options_ = options;
  const int64_t most = MostRequests(options);
  LoadRandom random(MixSeeds(options.seed, kTimeStream));
  const auto room = [&] { return most - static_cast<int64_t>(workload.requests_.size()); };
  if (options.arrivals.kind == ArrivalKind::kTrace) {
    workload.AddTraceRequests(*trace);
  } else if (options.arrivals.kind == ArrivalKind::kClosed) {
    workload.users_ = options.arrivals.users;
    for (int64_t number = 0; room() > 0; ++number) workload.AddConversation(number, 0, room());
  } else {
    // All at once has no end but the number of requests.
    const bool at_once = options.arrivals.kind == ArrivalKind::kAll && options.requests == 0;
    const int64_t starts = at_once ? std::min(most, kUsualRequests) : most;
    int64_t number = 0;
    for (const double seconds : ArrivalTimes(options.arrivals, starts, options.seconds, random)) {
      if (room() > 0) workload.AddConversation(number++, seconds, room());
    }
  }
  if (workload.requests_.empty()) {
    return absl::InvalidArgumentError(
        "the load has no request: no arrival lies within its duration; raise --duration or the "
        "rate");
  }
  return workload;
}

absl::StatusOr<LoadWorkload> LoadWorkload::Replay(const RepetitionRecord& repetition) {
  LoadWorkload workload;
  workload.options_.vocab = 1;
  for (const RequestRecord& sent : repetition.requests) {
    if (sent.outcome != LoadOutcome::kCompleted || sent.prefix_hit_tokens > 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "request ", sent.id, " of the recorded run ",
          sent.prefix_hit_tokens > 0 ? "found its prefix in the cache" : "did not complete",
          ", so that the run cannot be repeated from its record: record one without"));
    }
    PlannedRequest request;
    request.conversation = sent.id;
    request.seconds = sent.sent_seconds;
    request.own_tokens = sent.prompt_tokens;
    request.output_tokens = sent.output_tokens;
    workload.requests_.push_back(request);
  }
  return workload;
}

// Makes the request fit the context. False where a later turn has no room at all.
bool LoadWorkload::FitTurn(PlannedRequest* request) {
  // The last output token takes no room.
  const int64_t slots = options_.context + 1;
  if (request->prompt_tokens() + request->output_tokens <= slots) return true;
  if (request->turn > 0) return false;
  ++shortened_;
  request->output_tokens = std::min(request->output_tokens, slots - 1);
  request->own_tokens = std::min(request->own_tokens, slots - request->output_tokens);
  return true;
}

void LoadWorkload::AddConversation(int64_t number, double seconds, int64_t most_turns) {
  LoadRandom random(
      MixSeeds(MixSeeds(options_.seed, kLengthStream), static_cast<uint64_t>(number)));
  PlannedRequest request;
  request.conversation = number;
  if (options_.prefix_groups > 0) {
    request.group = std::uniform_int_distribution<int64_t>(0, options_.prefix_groups - 1)(random);
  }
  std::exponential_distribution<double> think(1);
  const int64_t turns = std::min(options_.turns.Draw(random), most_turns);
  for (; request.turn < turns; ++request.turn) {
    const double pause = options_.think_varies ? think(random) : 1;
    const bool opens = request.turn == 0 && users_ == 0;
    request.seconds = opens ? seconds : pause * options_.think_seconds;
    request.own_tokens = options_.prompt.Draw(random);
    if (request.turn == 0 && request.group >= 0) request.own_tokens += options_.prefix_tokens;
    request.output_tokens = options_.output.Draw(random);
    request.last_turn = request.turn + 1 == turns;
    if (!FitTurn(&request)) {
      dropped_turns_ += turns - request.turn;
      requests_.back().last_turn = true;
      return;
    }
    requests_.push_back(request);
    request.former_tokens += request.own_tokens + request.output_tokens;
  }
}

void LoadWorkload::AddTraceRequests(const Trace& trace) {
  const int64_t most = options_.requests > 0 ? options_.requests : kMostRequests;
  for (const TraceRequest& row : trace.requests) {
    const auto number = static_cast<int64_t>(requests_.size());
    PlannedRequest request;
    request.seconds = row.seconds * options_.time_scale;
    if (number >= most || request.seconds >= options_.seconds) return;
    request.conversation = number;
    request.own_tokens = row.prompt_tokens;
    request.output_tokens = row.output_tokens;
    request.trace_row = number;
    FitTurn(&request);
    requests_.push_back(request);
    hash_ids_.push_back(row.hash_ids);
  }
}

std::vector<int32_t> LoadWorkload::Prompt(int64_t index, absl::Span<const int32_t> former) const {
  const PlannedRequest& request = requests_[static_cast<size_t>(index)];
  const uint64_t base = MixSeeds(options_.seed, options_.salt);
  const auto vocab = static_cast<uint64_t>(options_.vocab);
  const auto token = [&](uint64_t stream, uint64_t name, int64_t place) {
    const uint64_t seed = MixSeeds(MixSeeds(base, stream), name);
    return static_cast<int32_t>(MixSeeds(seed, static_cast<uint64_t>(place)) % vocab);
  };
  const absl::Span<const int32_t> said = former.first(static_cast<size_t>(request.former_tokens));
  std::vector<int32_t> tokens(said.begin(), said.end());
  tokens.reserve(static_cast<size_t>(request.prompt_tokens()));
  const bool hashed =
      request.trace_row >= 0 && !hash_ids_[static_cast<size_t>(request.trace_row)].empty();
  // At least one token is the request's own.
  const int64_t prefix = request.turn == 0 && request.group >= 0
                             ? std::min(options_.prefix_tokens, request.own_tokens - 1)
                             : 0;
  for (int64_t place = 0; place < request.own_tokens; ++place) {
    if (hashed) {
      const auto block = static_cast<size_t>(place / kTraceBlockTokens);
      const int64_t id = hash_ids_[static_cast<size_t>(request.trace_row)][block];
      tokens.push_back(token(kTraceStream, static_cast<uint64_t>(id), place % kTraceBlockTokens));
    } else if (place < prefix) {
      tokens.push_back(token(kGroupStream, static_cast<uint64_t>(request.group), place));
    } else {
      tokens.push_back(token(kOwnStream, static_cast<uint64_t>(index), place));
    }
  }
  return tokens;
}

}  // namespace plumbline
