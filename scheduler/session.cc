#include "scheduler/session.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "scheduler/ledger.h"

namespace plumbline {
namespace {

SchedulerOptions ForExecutor(SchedulerOptions options, const Executor& executor) {
  options.vocab = executor.vocab();
  options.context =
      options.context > 0 ? std::min(options.context, executor.context()) : executor.context();
  return options;
}

}  // namespace

Session::Session(const SessionOptions& options, Executor& executor, BlockPool& pool,
                 const Clock& clock)
    : options_(options),
      executor_(executor),
      clock_(clock),
      scheduler_(ForExecutor(options.scheduler, executor), executor.cost_shape(), pool, clock),
      shape_(executor.cost_shape()) {}

Session::~Session() {
  CancelAll();
  Step();
}

uint64_t Session::Submit(Request request, FinishCallback on_finish) {
  const uint64_t ticket = next_ticket_.fetch_add(1);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    inbox_.push_back({ticket, std::move(request), std::move(on_finish)});
  }
  mail_came_.notify_one();
  return ticket;
}

void Session::Cancel(uint64_t ticket) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancels_.push_back(ticket);
  }
  mail_came_.notify_one();
}

void Session::CancelAll() {
  const uint64_t mark = next_ticket_.load();
  uint64_t before = cancel_before_.load();
  while (before < mark && !cancel_before_.compare_exchange_weak(before, mark)) {
  }
}

void Session::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  mail_came_.notify_all();
}

bool Session::Step() {
  const bool mail = TakeMail();
  ApplyCancelAll();
  const StepPlan& plan = scheduler_.Plan();
  const bool ran = !plan.empty();
  if (ran) RunPlan(plan);
  const bool finished = DeliverFinished();
  if (options_.check_invariants && invariants_.ok()) invariants_ = scheduler_.CheckInvariants();
  return mail || ran || finished;
}

void Session::RunUntilIdle() {
  while (Step()) {
  }
}

void Session::Serve() {
  while (true) {
    if (Step()) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    mail_came_.wait(lock, [this] { return stop_ || !inbox_.empty() || !cancels_.empty(); });
    if (stop_ && inbox_.empty() && cancels_.empty()) return;
  }
}

bool Session::TakeMail() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    taken_mail_.swap(inbox_);
    taken_cancels_.swap(cancels_);
  }
  const bool any = !taken_mail_.empty() || !taken_cancels_.empty();
  for (Mail& mail : taken_mail_) Accept(std::move(mail));
  for (const uint64_t ticket : taken_cancels_) {
    if (auto it = ids_.find(ticket); it != ids_.end()) scheduler_.Cancel(it->second);
  }
  taken_mail_.clear();
  taken_cancels_.clear();
  return any;
}

void Session::Accept(Mail mail) {
  if (absl::Status status = scheduler_.Check(mail.request); !status.ok()) {
    RequestResult result;
    result.reason = FinishReason::kError;
    result.status = std::move(status);
    result.arrival_seconds = mail.request.arrival_seconds;
    result.finish_seconds = clock_.NowSeconds();
    result.prompt = std::move(mail.request.prompt);
    if (mail.on_finish) mail.on_finish(std::move(result));
    return;
  }
  const absl::StatusOr<RequestId> id = scheduler_.Add(std::move(mail.request));
  ids_[mail.ticket] = *id;
  clients_[*id] = {mail.ticket, std::move(mail.on_finish)};
  // The mark may have passed a ticket whose mail was still on its way.
  if (mail.ticket < cancelled_before_) scheduler_.Cancel(*id);
}

void Session::ApplyCancelAll() {
  const uint64_t before = cancel_before_.load();
  if (before == cancelled_before_) return;
  cancelled_before_ = before;
  for (const auto& [ticket, id] : ids_) {
    if (ticket < before) scheduler_.Cancel(id);
  }
}

void Session::RunPlan(const StepPlan& plan) {
  BuildBatch(plan, &batch_);
  work_.Reset(static_cast<int>(plan.spans.size()));
  const absl::StatusOr<absl::Span<const float>> logits = executor_.Run(batch_, &work_);
  if (logits.ok() && options_.keep_steps) RecordStep(plan, work_, shape_, options_.profile);
  if (options_.on_step) Observe(plan);
  if (logits.ok()) {
    SampleRows(plan, *logits);
    scheduler_.Commit(plan, absl::MakeSpan(outcomes_));
  } else {
    scheduler_.Abort(plan, logits.status());
  }
  event_.end_seconds = plan.end_seconds;
  if (options_.on_step) options_.on_step(event_);
}

// Before Commit, which takes finished sequences away.
void Session::Observe(const StepPlan& plan) {
  scheduler_.Describe(plan, &event_);
  event_.predicted_seconds.reset();
  const std::vector<RequestStep>& steps = plan.spans.front().sequence->result.steps;
  // One that has no end is of this step.
  if (!steps.empty() && steps.back().end_seconds < 0 && steps.back().predicted.has_value()) {
    event_.predicted_seconds = steps.back().predicted->seconds();
  }
}

void Session::SampleRows(const StepPlan& plan, absl::Span<const float> logits) {
  outcomes_.clear();
  const auto vocab = static_cast<size_t>(executor_.vocab());
  size_t row = 0;
  for (const PlannedSpan& span : plan.spans) {
    if (span.logit_rows == 0) continue;
    const Sequence& sequence = *span.sequence;
    outcomes_.push_back(sampler_.Sample(logits.subspan(vocab * row++, vocab),
                                        sequence.request.sampling, sequence.tokens,
                                        sequence.output_tokens(), sequence.request.logprobs));
  }
}

bool Session::DeliverFinished() {
  std::vector<RequestResult> results = scheduler_.TakeFinished();
  for (RequestResult& result : results) {
    const auto it = clients_.find(result.id);
    const Client client = std::move(it->second);
    ids_.erase(client.ticket);
    clients_.erase(it);
    if (client.on_finish) client.on_finish(std::move(result));
  }
  return !results.empty();
}

}  // namespace plumbline
