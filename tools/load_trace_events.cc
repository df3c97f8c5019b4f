#include "tools/load_trace_events.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/replacing_file.h"
#include "tools/load_levels.h"
#include "tools/load_spans.h"
#include "tools/load_timing.h"

namespace plumbline {
namespace {

constexpr int64_t kStepsThread = 1;
constexpr int64_t kFirstLane = 2;

// Gives each interval the lowest lane that is free at its start. Starts must not descend.
class Lanes {
 public:
  int64_t Take(int64_t start, int64_t end) {
    while (!busy_.empty() && busy_.top().first <= start) {
      free_.insert(busy_.top().second);
      busy_.pop();
    }
    if (free_.empty()) free_.insert(count_++);
    const int64_t lane = *free_.begin();
    free_.erase(free_.begin());
    busy_.emplace(end, lane);
    return lane;
  }

 private:
  using Busy = std::pair<int64_t, int64_t>;  // end, lane
  std::priority_queue<Busy, std::vector<Busy>, std::greater<>> busy_;
  std::set<int64_t> free_;
  int64_t count_ = 0;
};

// The processes of one repetition.
class RepetitionTrace {
 public:
  RepetitionTrace(const RepetitionRecord& repetition, std::string prefix, int64_t first_process,
                  TraceWriter& writer)
      : repetition_(repetition),
        prefix_(std::move(prefix)),
        first_process_(first_process),
        index_(repetition.steps),
        writer_(writer) {}

  // Returns how many processes it has.
  int64_t Run() {
    const std::map<int64_t, LoadLevels> levels = LevelsByReplica(repetition_);
    for (const auto& [replica, own] : levels) {
      const int64_t process = first_process_ + static_cast<int64_t>(processes_.size());
      processes_[replica] = process;
      writer_.NameProcess(process, absl::StrCat(prefix_, "replica ", replica));
      AddCounter(process, "running", own.running);
      AddCounter(process, "waiting", own.waiting);
      AddCounter(process, "blocks used", own.blocks);
      if (repetition_.warm_up_seconds > 0) {
        writer_.Mark(process, kStepsThread, "warm-up ends",
                     TraceNanoseconds(repetition_.warm_up_seconds));
      }
    }
    AddSteps();
    AddRequests();
    return static_cast<int64_t>(processes_.size());
  }

 private:
  void AddCounter(int64_t process, absl::string_view name, const Levels& levels) {
    for (const LevelPoint& point : levels) {
      writer_.Counter(process, name, TraceNanoseconds(point.seconds), point.level);
    }
  }

  void AddSteps() {
    std::set<int64_t> named;
    for (const StepRecord& step : repetition_.steps) {
      const int64_t process = processes_.at(step.replica);
      if (named.insert(process).second) writer_.NameThread(process, kStepsThread, "steps");
      const int64_t start = TraceNanoseconds(step.start_seconds);
      const int64_t end = TraceNanoseconds(step.end_seconds);
      if (end < start) continue;  // no run makes such a step
      TraceArgs args;
      args.Add("prompt_tokens", step.prompt_tokens).Add("decode_tokens", step.decode_tokens);
      args.Add("running", step.running).Add("waiting", step.waiting);
      args.Add("blocks_used", step.blocks_used).Add("blocks_free", step.blocks_free);
      args.Add("cached_tokens", step.cached_tokens).Add("waste_tokens", step.waste_tokens);
      args.AddSeconds("predicted_seconds", step.predicted_seconds);
      args.AddSeconds("measured_seconds", step.end_seconds - step.start_seconds);
      if (step.preemptions > 0) args.Add("preemptions", step.preemptions);
      if (step.over_itl_target > 0) args.Add("over_itl_target", step.over_itl_target);
      writer_.Slice(process, kStepsThread, StepName(step), start, end, args);
    }
  }

  static const char* StepName(const StepRecord& step) {
    if (step.prompt_tokens == 0) return "decode";
    return step.decode_tokens == 0 ? "prefill" : "prefill and decode";
  }

  void AddRequests() {
    std::vector<const RequestRecord*> requests;
    requests.reserve(repetition_.requests.size());
    for (const RequestRecord& request : repetition_.requests) requests.push_back(&request);
    std::stable_sort(requests.begin(), requests.end(),
                     [](const RequestRecord* a, const RequestRecord* b) {
                       return a->intended_seconds < b->intended_seconds;
                     });
    for (const RequestRecord* request : requests) AddRequest(*request);
  }

  void AddRequest(const RequestRecord& request) {
    const std::vector<RequestSpan> spans = LifeSpans(request, index_, repetition_.end_seconds);
    const int64_t start = TraceNanoseconds(request.intended_seconds);
    const double last = spans.empty() ? request.intended_seconds : spans.back().end_seconds;
    const int64_t end = std::max(start, TraceNanoseconds(last));
    const int64_t process = processes_.at(request.replica);
    const int64_t thread = kFirstLane + lanes_[process].Take(start, end);
    if (named_.emplace(process, thread).second) {
      writer_.NameThread(process, thread, absl::StrCat("requests ", thread - kFirstLane + 1));
    }
    writer_.Slice(process, thread, absl::StrCat("request ", request.id), start, end,
                  RequestArgs(request));
    int64_t told = start;  // spans up to here are written
    for (const RequestSpan& span : spans) {
      const int64_t from = TraceNanoseconds(span.start_seconds);
      const int64_t to = TraceNanoseconds(span.end_seconds);
      // Too short to see; or of a record that no run could have made.
      if (to <= from || from < told || to > end) continue;
      told = to;
      TraceArgs args;
      if (span.tokens > 0) args.Add("tokens", span.tokens);
      if (span.position >= 0) args.Add("position", span.position);
      writer_.Slice(process, thread, LoadSpanName(span.kind), from, to, args);
    }
  }

  TraceArgs RequestArgs(const RequestRecord& request) const {
    const RequestTiming timing = TimingOf(request, repetition_.steps);
    TraceArgs args;
    args.Add("prompt_tokens", request.prompt_tokens).Add("output_tokens", request.output_tokens);
    args.Add("prefix_hit_tokens", request.prefix_hit_tokens);
    if (request.user >= 0) args.Add("user", request.user).Add("turn", request.turn);
    if (request.group >= 0) args.Add("group", request.group);
    args.AddSeconds("sent_seconds", request.sent_seconds);
    args.AddSeconds("ttft_seconds", timing.ttft).AddSeconds("e2e_seconds", timing.e2e);
    args.AddSeconds("longest_gap_seconds", timing.longest_gap);
    args.Add("outcome", LoadOutcomeName(request.outcome));
    if (!request.error.empty()) args.Add("error", request.error);
    return args;
  }

  const RepetitionRecord& repetition_;
  const std::string prefix_;
  const int64_t first_process_;
  const StepIndex index_;
  TraceWriter& writer_;
  std::map<int64_t, int64_t> processes_;         // by replica
  std::map<int64_t, Lanes> lanes_;               // by process
  std::set<std::pair<int64_t, int64_t>> named_;  // threads of requests
};

}  // namespace

absl::Status TraceEvents(const LoadRecord& record, const TextSink& sink) {
  TraceWriter writer(sink);
  int64_t process = 1;
  for (size_t r = 0; r < record.repetitions.size(); ++r) {
    const std::string prefix =
        record.repetitions.size() > 1 ? absl::StrCat("repetition ", r + 1, ", ") : "";
    process += RepetitionTrace(record.repetitions[r], prefix, process, writer).Run();
  }
  return writer.End();
}

absl::Status WriteTraceEvents(const LoadRecord& record, const std::string& path) {
  ReplacingFile file(path);
  if (absl::Status status = file.Create(); !status.ok()) return status;
  const TextSink sink = [&file](absl::string_view text) { return file.Write(text); };
  if (absl::Status status = TraceEvents(record, sink); !status.ok()) return status;
  return file.Commit();
}

}  // namespace plumbline
