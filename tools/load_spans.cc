#include "tools/load_spans.h"

#include <algorithm>
#include <cstddef>

namespace plumbline {
namespace {

// By start; an eviction ends where a step begins, so it comes before that step.
bool Earlier(const RequestSpan& a, const RequestSpan& b) {
  return std::pair(a.start_seconds, a.end_seconds) < std::pair(b.start_seconds, b.end_seconds);
}

RequestSpan SpanOfChunk(const ChunkRecord& chunk, absl::Span<const StepRecord> steps) {
  const StepRecord& step = steps[static_cast<size_t>(chunk.step)];
  return {LoadSpanKind::kPrefill, step.start_seconds, step.end_seconds, chunk.tokens, chunk.first};
}

// Appends spans that touch; time that nobody claims is a stall.
class SpanWalk {
 public:
  SpanWalk(double start_seconds, std::vector<RequestSpan>* spans)
      : cursor_(start_seconds), spans_(spans) {}

  double cursor() const { return cursor_; }
  void Add(const RequestSpan& span) {
    Fill(LoadSpanKind::kStalled, span.start_seconds);
    Push(span);
    cursor_ = span.end_seconds;
  }
  void Fill(LoadSpanKind kind, double end_seconds) {
    Push({kind, cursor_, end_seconds});
    cursor_ = end_seconds;
  }
  // One token more of a stream that went on decoding.
  void Decode(double end_seconds) {
    if (!spans_->empty() && spans_->back().kind == LoadSpanKind::kDecode &&
        spans_->back().end_seconds == cursor_) {
      spans_->back().end_seconds = cursor_ = end_seconds;
      ++spans_->back().tokens;
      return;
    }
    Push({LoadSpanKind::kDecode, cursor_, end_seconds, 1});
    cursor_ = end_seconds;
  }

 private:
  void Push(const RequestSpan& span) {
    if (span.end_seconds != span.start_seconds) spans_->push_back(span);
  }

  double cursor_;
  std::vector<RequestSpan>* spans_;
};

// The second half of a life: from the first token (or, where none came, the first step) to its end.
class LaterSpans {
 public:
  LaterSpans(const RequestRecord& request, const StepIndex& index, double end_seconds,
             std::vector<RequestSpan>* spans)
      : request_(request),
        index_(index),
        end_seconds_(end_seconds),
        start_seconds_(request.token_seconds.empty() ? request.first_scheduled_seconds
                                                     : request.token_seconds.front()),
        walk_(start_seconds_, spans) {}

  void Run() {
    CollectParts();
    if (!request_.token_seconds.empty()) {
      last_order_ = index_.Find(request_.replica, request_.token_seconds.front()).order;
    }
    size_t part = 0;
    for (size_t i = 1; i < request_.token_seconds.size(); ++i) {
      const double seconds = request_.token_seconds[i];
      for (; part < parts_.size() && parts_[part].start_seconds < seconds; ++part) Take(part);
      TakeToken(seconds);
    }
    for (; part < parts_.size(); ++part) Take(part);
    walk_.Fill(LoadSpanKind::kStalled, std::max(end_seconds_, walk_.cursor()));
  }

 private:
  // Chunks and preemptions that FirstTokenSpans has not told of.
  void CollectParts() {
    const bool began = !request_.token_seconds.empty();
    for (const ChunkRecord& chunk : request_.chunks) {
      const RequestSpan span = SpanOfChunk(chunk, index_.steps());
      if (!began || span.end_seconds > start_seconds_) parts_.push_back(span);
    }
    for (const PreemptionRecord& gone : request_.preemptions) {
      if (began && gone.evicted_seconds < start_seconds_) continue;
      const double back = gone.resumed_seconds < 0 ? end_seconds_ : gone.resumed_seconds;
      parts_.push_back({LoadSpanKind::kPreempted, gone.evicted_seconds, back});
    }
    std::sort(parts_.begin(), parts_.end(), Earlier);
  }

  void Take(size_t part) {
    walk_.Add(parts_[part]);
    last_order_ = index_.Find(request_.replica, parts_[part].end_seconds).order;
  }

  void TakeToken(double seconds) {
    if (walk_.cursor() == seconds) return;  // of the step that held its last chunk
    const StepIndex::Place place = index_.Find(request_.replica, seconds);
    const bool next_step = last_order_ >= 0 && place.order == last_order_ + 1;
    if (place.step >= 0 && !next_step) {
      const StepRecord& step = index_.steps()[static_cast<size_t>(place.step)];
      walk_.Fill(LoadSpanKind::kStalled, step.start_seconds);
    }
    walk_.Decode(seconds);
    last_order_ = place.order;
  }

  const RequestRecord& request_;
  const StepIndex& index_;
  const double end_seconds_;
  const double start_seconds_;
  SpanWalk walk_;
  std::vector<RequestSpan> parts_;
  int64_t last_order_ = -1;  // of the last step that held tokens of its own
};

}  // namespace

const char* LoadSpanName(LoadSpanKind kind) {
  switch (kind) {
    case LoadSpanKind::kQueue:
      return "queue";
    case LoadSpanKind::kPrefill:
      return "prefill";
    case LoadSpanKind::kStalled:
      return "stalled";
    case LoadSpanKind::kPreempted:
      return "preempted";
    case LoadSpanKind::kDecode:
      return "decode";
    case LoadSpanKind::kUnsplit:
      return "to first token";
  }
  return "unknown";
}

std::vector<RequestSpan> FirstTokenSpans(const RequestRecord& request,
                                         absl::Span<const StepRecord> steps) {
  std::vector<RequestSpan> spans;
  if (request.token_seconds.empty() || request.first_scheduled_seconds < 0) return spans;
  const double first_token = request.token_seconds.front();
  std::vector<RequestSpan> parts;
  for (const ChunkRecord& chunk : request.chunks) {
    const RequestSpan span = SpanOfChunk(chunk, steps);
    if (span.end_seconds > first_token) break;
    parts.push_back(span);
  }
  for (const PreemptionRecord& gone : request.preemptions) {
    if (gone.evicted_seconds >= first_token) break;
    parts.push_back({LoadSpanKind::kPreempted, gone.evicted_seconds, gone.resumed_seconds});
  }
  std::sort(parts.begin(), parts.end(), Earlier);
  SpanWalk walk(request.intended_seconds, &spans);
  walk.Fill(LoadSpanKind::kQueue, request.first_scheduled_seconds);
  for (const RequestSpan& part : parts) walk.Add(part);
  walk.Fill(LoadSpanKind::kStalled, first_token);
  return spans;
}

StepIndex::StepIndex(absl::Span<const StepRecord> steps) : steps_(steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    ends_[steps[i].replica].emplace_back(steps[i].end_seconds, static_cast<int64_t>(i));
  }
  for (auto& [replica, ends] : ends_) std::sort(ends.begin(), ends.end());
}

StepIndex::Place StepIndex::Find(int64_t replica, double end_seconds) const {
  const auto ends = ends_.find(replica);
  if (ends == ends_.end()) return {};
  const auto found = std::lower_bound(
      ends->second.begin(), ends->second.end(), end_seconds,
      [](const std::pair<double, int64_t>& end, double seconds) { return end.first < seconds; });
  if (found == ends->second.end() || found->first != end_seconds) return {};
  return {found->second, found - ends->second.begin()};
}

std::vector<RequestSpan> LifeSpans(const RequestRecord& request, const StepIndex& index,
                                   double run_end_seconds) {
  const double end = request.finish_seconds < 0 ? run_end_seconds : request.finish_seconds;
  std::vector<RequestSpan> spans = FirstTokenSpans(request, index.steps());
  if (request.first_scheduled_seconds < 0) {
    SpanWalk walk(request.intended_seconds, &spans);
    if (request.token_seconds.empty()) {
      walk.Fill(LoadSpanKind::kQueue, std::max(end, request.intended_seconds));
      return spans;
    }
    walk.Fill(LoadSpanKind::kUnsplit, request.token_seconds.front());
  } else if (request.token_seconds.empty()) {
    SpanWalk walk(request.intended_seconds, &spans);
    walk.Fill(LoadSpanKind::kQueue, request.first_scheduled_seconds);
  }
  LaterSpans(request, index, end, &spans).Run();
  return spans;
}

}  // namespace plumbline
