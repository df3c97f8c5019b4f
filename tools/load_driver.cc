#include "tools/load_driver.h"

#include <cstddef>
#include <limits>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace plumbline {
namespace {

// A request that waits for its time.
struct DueRequest {
  double seconds = 0;
  int64_t planned = 0;  // index into the workload
  int64_t user = -1;
  std::vector<int32_t> former;  // what was said before

  // For a queue whose top is the earliest.
  bool operator<(const DueRequest& other) const {
    return std::pair(seconds, planned) > std::pair(other.seconds, other.planned);
  }
};

class LoadDrive {
 public:
  LoadDrive(const LoadWorkload& workload, const DriveOptions& options)
      : workload_(workload),
        options_(options),
        recorder_([this](const LoadFinish& finish) { Follow(finish); }) {}

  absl::StatusOr<RepetitionRecord> Run(const TargetFactory& make_target) {
    absl::StatusOr<std::unique_ptr<LoadTarget>> target = make_target(recorder_);
    if (!target.ok()) return target.status();
    target_ = target->get();
    for (int64_t user = 0; user < workload_.users(); ++user) BeginConversation(std::nullopt, user);
    if (absl::Status status = Loop(); !status.ok()) return status;
    RepetitionRecord repetition = recorder_.Take();
    repetition.interrupted = interrupted_;
    return repetition;
  }

 private:
  const std::vector<PlannedRequest>& planned() const { return workload_.requests(); }
  int64_t in_flight() const { return recorder_.sent() - recorder_.ended(); }

  absl::Status Loop() {
    while (true) {
      const double now = target_->Now();
      CheckInterrupt(now);
      SendDue(now);
      const double next = NextDue();
      if (options_.on_progress) options_.on_progress(recorder_, now);
      if (in_flight() > 0) {
        if (absl::Status status = target_->Step(next); !status.ok()) return status;
      } else if (next < std::numeric_limits<double>::infinity()) {
        target_->WaitUntil(next);
      } else {
        return absl::OkStatus();
      }
    }
  }

  void CheckInterrupt(double now) {
    if (!interrupted_ && options_.interrupted && options_.interrupted()) {
      interrupted_ = true;
      drain_until_ = now + options_.drain_seconds;
      next_open_ = static_cast<int64_t>(planned().size());
      due_ = {};
    }
    if (interrupted_ && now >= drain_until_) target_->CancelAll();
  }

  // Open arrivals come from the workload in order; everything else is due some time after an end.
  double NextDue() {
    SkipToOpenArrival();
    double next = std::numeric_limits<double>::infinity();
    if (next_open_ < static_cast<int64_t>(planned().size()) && workload_.users() == 0) {
      next = planned()[static_cast<size_t>(next_open_)].seconds;
    }
    if (!due_.empty() && due_.top().seconds < next) next = due_.top().seconds;
    return next;
  }

  void SkipToOpenArrival() {
    while (workload_.users() == 0 && next_open_ < static_cast<int64_t>(planned().size()) &&
           planned()[static_cast<size_t>(next_open_)].turn > 0) {
      ++next_open_;
    }
  }

  void SendDue(double now) {
    while (true) {
      const double next = NextDue();
      if (!(next <= now)) return;
      if (!due_.empty() && due_.top().seconds <= next) {
        DueRequest due = due_.top();
        due_.pop();
        Send(due);
      } else {
        Send({next, next_open_++, -1, {}});
      }
    }
  }

  void Send(const DueRequest& due) {
    const PlannedRequest& plan = planned()[static_cast<size_t>(due.planned)];
    RequestRecord request;
    request.id = recorder_.sent();
    request.user =
        due.user >= 0 ? due.user : (plan.last_turn && plan.turn == 0 ? -1 : plan.conversation);
    request.turn = plan.turn;
    request.group = plan.group;
    request.prompt_tokens = plan.prompt_tokens();
    request.output_tokens = plan.output_tokens;
    request.intended_seconds = due.seconds;
    LoadSend send{request.id,
                  workload_.Prompt(due.planned, due.former),
                  plan.output_tokens,
                  due.seconds,
                  static_cast<int>(request.id % options_.priority_levels),
                  options_.deadline_seconds};
    planned_of_.push_back({due.planned, due.user});
    request.sent_seconds = target_->Now();
    const int64_t id = request.id;
    recorder_.Add(std::move(request));
    recorder_.SetReplica(id, target_->Submit(std::move(send)));
  }

  // A user's next conversation, after the end of the former one; none where the workload is used
  // up.
  void BeginConversation(std::optional<double> end_seconds, int64_t user) {
    const auto size = static_cast<int64_t>(planned().size());
    if (next_open_ >= size) return;
    const PlannedRequest& plan = planned()[static_cast<size_t>(next_open_)];
    Wait({end_seconds.has_value() ? *end_seconds + plan.seconds : 0, next_open_, user, {}});
    for (++next_open_; next_open_ < size; ++next_open_) {
      if (planned()[static_cast<size_t>(next_open_)].turn == 0) break;
    }
  }

  void Wait(DueRequest due) {
    if (due.seconds < workload_.stop_seconds()) due_.push(std::move(due));
  }

  // What a user does after an answer.
  void Follow(const LoadFinish& finish) {
    if (interrupted_) return;
    const auto [index, user] = planned_of_[static_cast<size_t>(finish.id)];
    const PlannedRequest& plan = planned()[static_cast<size_t>(index)];
    if (!plan.last_turn && finish.outcome == LoadOutcome::kCompleted) {
      DueRequest due;
      due.planned = index + 1;
      due.user = user;
      due.seconds = finish.seconds + planned()[static_cast<size_t>(due.planned)].seconds;
      due.former.assign(finish.prompt.begin(), finish.prompt.end());
      due.former.insert(due.former.end(), finish.output.begin(), finish.output.end());
      Wait(std::move(due));
    } else if (user >= 0) {
      BeginConversation(finish.seconds, user);
    }
  }

  struct SentPlan {
    int64_t planned;
    int64_t user;
  };

  const LoadWorkload& workload_;
  const DriveOptions& options_;
  LoadRecorder recorder_;
  LoadTarget* target_ = nullptr;
  int64_t next_open_ = 0;  // the next conversation to begin, or a turn before it
  std::priority_queue<DueRequest> due_;
  std::vector<SentPlan> planned_of_;  // by request id
  bool interrupted_ = false;
  double drain_until_ = 0;
};

}  // namespace

absl::StatusOr<RepetitionRecord> Drive(const LoadWorkload& workload,
                                       const TargetFactory& make_target,
                                       const DriveOptions& options) {
  return LoadDrive(workload, options).Run(make_target);
}

}  // namespace plumbline
