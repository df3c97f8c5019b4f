#include "scheduler/session.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "scheduler/ledger.h"

namespace plumbline {
namespace {

SchedulerOptions ForExecutor(const SessionOptions& session, const Executor& executor) {
  SchedulerOptions options = session.scheduler;
  if (options.profile == nullptr) options.profile = session.profile;
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
      scheduler_(ForExecutor(options, executor), executor.cost_shape(), pool, clock),
      shape_(executor.cost_shape()) {
  scheduler_.Reserve(&batch_);
}

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
    if (auto it = clients_.find(ticket); it != clients_.end()) CancelSamples(it->second);
  }
  taken_mail_.clear();
  taken_cancels_.clear();
  return any;
}

void Session::Accept(Mail mail) {
  if (const absl::Status status = scheduler_.Check(mail.request); !status.ok()) {
    Reject(mail, status);
    return;
  }
  const int samples = mail.request.samples;
  const absl::StatusOr<RequestId> first = scheduler_.Add(std::move(mail.request));
  for (int sample = 0; sample < samples; ++sample) tickets_[*first + sample] = mail.ticket;
  const Client& client =
      clients_[mail.ticket] = {*first, samples, samples, std::move(mail.on_finish)};
  // The mark may have passed a ticket whose mail was still on its way.
  if (mail.ticket < cancelled_before_) CancelSamples(client);
}

void Session::Reject(const Mail& mail, const absl::Status& status) {
  if (!mail.on_finish) return;
  const int samples = mail.request.samples;
  const bool many = samples > 1 && samples <= kMaxSamples;
  for (int sample = 0; sample < (many ? samples : 1); ++sample) {
    RequestResult result;
    result.sample = sample;
    result.reason = FinishReason::kError;
    result.status = status;
    result.arrival_seconds = mail.request.arrival_seconds;
    result.finish_seconds = clock_.NowSeconds();
    result.prompt = mail.request.prompt;
    mail.on_finish(std::move(result));
  }
}

void Session::CancelSamples(const Client& client) {
  for (int sample = 0; sample < client.samples; ++sample) {
    scheduler_.Cancel(client.first_sample + sample);
  }
}

void Session::ApplyCancelAll() {
  const uint64_t before = cancel_before_.load();
  if (before == cancelled_before_) return;
  cancelled_before_ = before;
  for (const auto& [ticket, client] : clients_) {
    if (ticket < before) CancelSamples(client);
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
    const auto ticket = tickets_.find(result.id);
    const auto client = clients_.find(ticket->second);
    tickets_.erase(ticket);
    const bool last = --client->second.unfinished == 0;
    if (client->second.on_finish) client->second.on_finish(std::move(result));
    if (last) clients_.erase(client);
  }
  return !results.empty();
}

}  // namespace plumbline
