// Closed loops, queues, conversations and interrupts: what decides when a request is sent.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/load_runs.h"
#include "tools/load_driver.h"
#include "tools/load_timing.h"

namespace plumbline::load_loop_test {
namespace {

// All at once, four tokens with an answer of nine.
WorkloadOptions LongRequests(int64_t requests) {
  WorkloadOptions options = SmallRequests("all", requests);
  options.prompt = *LengthDistribution::Parse("4");
  options.output = *LengthDistribution::Parse("9");
  return options;
}

TEST(LoadLoop, ClosedLoopSendsWhenTheAnswerIsDoneAndThoughtAbout) {
  WorkloadOptions options = SmallRequests("closed:1", 4);
  options.think_seconds = 3;
  const auto workload = LoadWorkload::Build(options, nullptr);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = DriveToEnd(*workload, Simulated(EvenSteps(2, 1)));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(run.requests[i].intended_seconds, 5.0 * static_cast<double>(i));
    EXPECT_EQ(run.requests[i].finish_seconds, 5.0 * static_cast<double>(i) + 2);
    EXPECT_EQ(run.requests[i].user, 0);
  }
}

TEST(LoadLoop, ClosedLoopKeepsAsManyInFlightAsThereAreUsers) {
  const auto workload = LoadWorkload::Build(SmallRequests("closed:3", 12), nullptr);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = DriveToEnd(*workload, Simulated(EvenSteps(2, 1)));
  ASSERT_EQ(run.requests.size(), 12u);
  EXPECT_EQ(run.end_seconds, 24);  // never idle
  for (size_t i = 3; i < 12; ++i) {
    // One at a time, first come first served: two others are before it.
    EXPECT_EQ(run.requests[i].token_seconds[0] - run.requests[i].intended_seconds, 6);
  }
}

TEST(LoadLoop, PoissonArrivalsWaitAsTheMD1FormulaSays) {
  // One server of one second: the mean wait is rho / (2 (1 - rho)) (Pollaczek and Khinchine).
  for (const double rho : {0.3, 0.6, 0.8}) {
    constexpr int kRuns = 16;
    constexpr size_t kRequests = 2500;
    constexpr size_t kSettling = 500;  // left out: the queue begins empty
    std::vector<double> means;
    for (uint64_t seed = 1; seed <= kRuns; ++seed) {
      WorkloadOptions options = SmallRequests("all", kRequests);
      options.arrivals = *ParseArrivals("poisson:" + std::to_string(rho));
      options.seed = seed;
      const auto workload = LoadWorkload::Build(options, nullptr);
      ASSERT_TRUE(workload.ok());
      const RepetitionRecord run = DriveToEnd(*workload, Simulated(EvenSteps(1, 1)));
      double sum = 0;
      for (size_t i = kSettling; i < kRequests; ++i)
        sum += TimingOf(run.requests[i], run.steps).queue;
      means.push_back(sum / (kRequests - kSettling));
    }
    double mean = 0;
    double variance = 0;
    for (const double value : means) mean += value / kRuns;
    for (const double value : means) variance += std::pow(value - mean, 2) / (kRuns - 1);
    const double error = std::sqrt(variance / kRuns);
    EXPECT_NEAR(mean, rho / (2 * (1 - rho)), 4 * error) << "rho " << rho;
    EXPECT_LT(error, 0.1 * mean) << "rho " << rho;  // so that the check above can fail
  }
}

// Answers every request at once, with tokens of its own, and keeps what it was sent.
class EchoTarget final : public LoadTarget {
 public:
  EchoTarget(LoadSink& sink, std::vector<LoadSend>* sent) : sink_(sink), sent_(sent) {}
  double Now() const override { return now_; }
  int64_t Submit(LoadSend send) override {
    sent_->push_back(std::move(send));
    return 0;
  }
  absl::Status Step(double /*wake_seconds*/) override {
    for (; answered_ < sent_->size(); ++answered_) {
      const LoadSend& send = (*sent_)[answered_];
      const std::vector<int32_t> output(static_cast<size_t>(send.output_tokens), 7);
      for (size_t i = 0; i < output.size(); ++i) sink_.OnToken(send.id, now_);
      LoadFinish finish;
      finish.id = send.id;
      finish.outcome = cancelled_ ? LoadOutcome::kCancelled : LoadOutcome::kCompleted;
      finish.seconds = now_;
      finish.prompt = send.prompt;
      finish.output = output;
      sink_.OnFinish(finish);
    }
    return absl::OkStatus();
  }
  void WaitUntil(double seconds) override { now_ = seconds; }
  void CancelAll() override { cancelled_ = true; }

 private:
  LoadSink& sink_;
  std::vector<LoadSend>* sent_;
  size_t answered_ = 0;
  double now_ = 0;
  bool cancelled_ = false;
};

TargetFactory Echo(std::vector<LoadSend>* sent) {
  return [sent](LoadSink& sink) -> absl::StatusOr<std::unique_ptr<LoadTarget>> {
    return std::make_unique<EchoTarget>(sink, sent);
  };
}

TEST(LoadLoop, ATurnHoldsThePromptAndTheAnswerBeforeIt) {
  WorkloadOptions options = SmallRequests("constant:1", 6);
  options.turns = *LengthDistribution::Parse("3");
  options.prompt = *LengthDistribution::Parse("4");
  options.output = *LengthDistribution::Parse("2");
  options.think_seconds = 10;
  const auto workload = LoadWorkload::Build(options, nullptr);
  ASSERT_TRUE(workload.ok());
  std::vector<LoadSend> sent;
  const RepetitionRecord run = DriveToEnd(*workload, Echo(&sent));
  ASSERT_EQ(sent.size(), 6u);
  // Conversations begin at 0 and 1; turns follow every ten seconds.
  EXPECT_EQ(run.requests[0].intended_seconds, 0);
  EXPECT_EQ(run.requests[1].intended_seconds, 1);
  EXPECT_EQ(run.requests[4].intended_seconds, 20);
  EXPECT_EQ(run.requests[4].turn, 2);
  for (const size_t turn : {2u, 4u}) {
    std::vector<int32_t> said = sent[turn - 2].prompt;
    said.insert(said.end(), 2, 7);
    ASSERT_EQ(sent[turn].prompt.size(), said.size() + 4);
    EXPECT_TRUE(std::equal(said.begin(), said.end(), sent[turn].prompt.begin())) << turn;
    EXPECT_EQ(run.requests[turn].user, run.requests[0].user);
  }
}

TEST(LoadLoop, AnInterruptStopsSendingAndDrains) {
  std::vector<LoadSend> sent;
  DriveOptions options;
  options.interrupted = [&sent] { return sent.size() >= 2; };
  const RepetitionRecord run = DriveToEnd(
      *LoadWorkload::Build(SmallRequests("constant:1", 3), nullptr), Echo(&sent), options);
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_TRUE(run.interrupted);
  EXPECT_EQ(run.requests[1].outcome, LoadOutcome::kCompleted);
  // Without time to drain, what is in flight is cancelled.
  sent.clear();
  options.drain_seconds = 0;
  bool any = false;
  options.interrupted = [&any] { return std::exchange(any, true); };
  const RepetitionRecord cut =
      DriveToEnd(*LoadWorkload::Build(LongRequests(2), nullptr), OnFakeExecutor(16, 4), options);
  ASSERT_EQ(cut.requests.size(), 2u);
  for (const RequestRecord& request : cut.requests) {
    EXPECT_EQ(request.outcome, LoadOutcome::kCancelled);
    EXPECT_GE(request.finish_seconds, 0);
  }
}

TEST(LoadLoop, StopsSendingAtItsDuration) {
  WorkloadOptions options = SmallRequests("closed:2", 0);
  options.seconds = 10;
  options.think_seconds = 1;
  const auto workload = LoadWorkload::Build(options, nullptr);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = DriveToEnd(*workload, Simulated(EvenSteps(0.5, 1)));
  EXPECT_GT(run.requests.size(), 10u);
  for (const RequestRecord& request : run.requests) {
    EXPECT_LT(request.intended_seconds, 10);
    EXPECT_EQ(request.outcome, LoadOutcome::kCompleted);
  }
}

}  // namespace
}  // namespace plumbline::load_loop_test
