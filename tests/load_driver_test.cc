// The loop that sends and the recorder that writes down, against times worked out on paper.
#include "tools/load_driver.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_load_target.h"
#include "tools/load_simulation.h"
#include "tools/load_timing.h"

namespace plumbline::load_driver_test {
namespace {

using testing::ElementsAre;

struct Ask {
  double seconds;
  int64_t prompt;
  int64_t output;
};

// A workload of just these requests.
LoadWorkload Asks(const std::vector<Ask>& asks) {
  Trace trace;
  for (const Ask& ask : asks) trace.requests.push_back({ask.seconds, ask.prompt, ask.output, {}});
  WorkloadOptions options;
  options.arrivals.kind = ArrivalKind::kTrace;
  options.context = 100;
  options.vocab = 50;
  auto workload = LoadWorkload::Build(options, &trace);
  EXPECT_TRUE(workload.ok()) << workload.status();
  return *std::move(workload);
}

RepetitionRecord Perform(const LoadWorkload& workload, const TargetFactory& factory,
                         const DriveOptions& options = {}) {
  auto repetition = Drive(workload, factory, options);
  EXPECT_TRUE(repetition.ok()) << repetition.status();
  return repetition.ok() ? *std::move(repetition) : RepetitionRecord();
}

// Half a second for each token of a step.
TargetFactory Fake(int num_blocks, int step_tokens) {
  return [=](LoadSink& sink) -> absl::StatusOr<std::unique_ptr<LoadTarget>> {
    return std::make_unique<FakeLoadTarget>(FakeExecutorOptions{.num_blocks = num_blocks},
                                            step_tokens, sink);
  };
}

SimulationOptions OneByOne(double seconds) {
  SimulationOptions options;
  options.context = 100;
  options.num_blocks = 100;
  options.shape.block_tokens = 16;
  options.session.scheduler.geometry.block_tokens = 16;
  options.session.scheduler.geometry.groups.push_back({1, 1, 4, 4, KvDtype::kF32});
  options.session.scheduler.max_running = 1;
  options.step_seconds = [seconds](absl::Span<const SpanShape> /*spans*/) { return seconds; };
  return options;
}

TargetFactory Simulated(const SimulationOptions& options) {
  return [options](LoadSink& sink) -> absl::StatusOr<std::unique_ptr<LoadTarget>> {
    return std::make_unique<SimulationTarget>(options, sink);
  };
}

TEST(LoadDriver, ChunksShareStepsAsWorkedOutByHand) {
  // Four tokens a step, two seconds each. A's prompt fills the first; its two decodes leave three
  // tokens of each next step for B, whose eight take three steps.
  const RepetitionRecord run = Perform(Asks({{0, 4, 3}, {0.5, 8, 1}}), Fake(16, 4));
  ASSERT_EQ(run.requests.size(), 2u);
  const RequestRecord& a = run.requests[0];
  const RequestRecord& b = run.requests[1];
  EXPECT_THAT(a.token_seconds, ElementsAre(2, 4, 6));
  EXPECT_THAT(b.token_seconds, ElementsAre(7));
  EXPECT_EQ(b.intended_seconds, 0.5);
  EXPECT_EQ(b.sent_seconds, 2);  // the step that was under way had to end
  EXPECT_THAT(a.chunks, ElementsAre(ChunkRecord{0, 0, 4}));
  EXPECT_THAT(b.chunks,
              ElementsAre(ChunkRecord{1, 0, 3}, ChunkRecord{2, 3, 3}, ChunkRecord{3, 6, 2}));
  const RequestTiming timing = TimingOf(b, run.steps);
  EXPECT_EQ(timing.queue, 1.5);
  EXPECT_EQ(timing.prefill, 5);
  EXPECT_EQ(timing.stalled, 0);
  EXPECT_EQ(timing.preempted, 0);
  EXPECT_EQ(timing.ttft, 6.5);
  ASSERT_EQ(run.steps.size(), 4u);
  const StepRecord& second = run.steps[1];
  EXPECT_EQ(second.start_seconds, 2);
  EXPECT_EQ(second.end_seconds, 4);
  EXPECT_EQ(second.prompt_tokens, 3);
  EXPECT_EQ(second.decode_tokens, 1);
  EXPECT_EQ(second.running, 2);
  EXPECT_EQ(second.blocks_used, 3);  // of 4 tokens: A has 5 tokens, B 3
  EXPECT_EQ(second.cached_tokens, 8);
  EXPECT_EQ(second.waste_tokens, 4);
  EXPECT_EQ(run.end_seconds, 7);
}

TEST(LoadDriver, PreemptionBeforeTheFirstTokenIsAPartOfItsTime) {
  // B's 15 tokens need four of six blocks. A grows into its third when B lacks its last, so B goes
  // at 10, and comes back when A has ended, at 11: 4, 4, 4 and 3 tokens, anew.
  const RepetitionRecord run = Perform(Asks({{0, 4, 7}, {0.25, 15, 1}}), Fake(6, 4));
  ASSERT_EQ(run.requests.size(), 2u);
  EXPECT_THAT(run.requests[0].token_seconds, ElementsAre(2, 4, 6, 8, 10, 10.5, 11));
  const RequestRecord& b = run.requests[1];
  EXPECT_THAT(b.preemptions, ElementsAre(PreemptionRecord{10, 11}));
  const RequestTiming timing = TimingOf(b, run.steps);
  EXPECT_EQ(timing.queue, 1.75);
  EXPECT_EQ(timing.prefill, 8 + 7.5);
  EXPECT_EQ(timing.stalled, 0);
  EXPECT_EQ(timing.preempted, 1);
  EXPECT_EQ(timing.ttft, 18.25);
  EXPECT_EQ(run.steps[5].preemptions, 1);
}

TEST(LoadDriver, PreemptionAfterTheFirstTokenIsAGap) {
  // Three blocks: B gives way when it would need a second one, and starts anew when A has ended.
  const RepetitionRecord run = Perform(Asks({{0, 7, 6}, {0, 4, 3}}), Fake(3, 16));
  EXPECT_THAT(run.requests[0].token_seconds, ElementsAre(5.5, 6, 6.5, 7, 7.5, 8));
  const RequestRecord& b = run.requests[1];
  EXPECT_THAT(b.token_seconds, ElementsAre(5.5, 10.5, 11));
  EXPECT_THAT(b.preemptions, ElementsAre(PreemptionRecord{5.5, 8}));
  const RequestTiming timing = TimingOf(b, run.steps);
  EXPECT_EQ(timing.ttft, 5.5);
  EXPECT_EQ(timing.preempted, 0);
  EXPECT_EQ(timing.longest_gap, 5);
  EXPECT_EQ(timing.tpot, 2.75);
  EXPECT_EQ(timing.e2e, 11);
}

TEST(LoadDriver, SleepsWhileIdleAndCountsFromTheIntendedSend) {
  const RepetitionRecord run = Perform(Asks({{0, 1, 1}, {100, 1, 1}}), Fake(16, 16));
  EXPECT_EQ(run.requests[1].sent_seconds, 100);
  EXPECT_EQ(run.requests[1].token_seconds.at(0), 100.5);
}

TEST(LoadDriver, RefusedRequestsEndWithTheirReason) {
  const RepetitionRecord run = Perform(Asks({{0, 30, 1}, {0, 2, 1}}), Fake(3, 16));
  EXPECT_EQ(run.requests[0].outcome, LoadOutcome::kRefused);
  EXPECT_THAT(run.requests[0].error, testing::HasSubstr("8 cache blocks"));
  EXPECT_EQ(run.requests[1].outcome, LoadOutcome::kCompleted);
}

TEST(LoadDriver, ShortOutputsAreNoSuccess) {
  // Four blocks of four: 10 + 7 positions fit, of which the last needs no slot.
  const RepetitionRecord run = Perform(Asks({{0, 10, 9}}), Fake(4, 16));
  EXPECT_EQ(run.requests[0].token_seconds.size(), 7u);
  EXPECT_EQ(run.requests[0].outcome, LoadOutcome::kFailed);
  EXPECT_THAT(run.requests[0].error, testing::HasSubstr("7 of 9 tokens"));
}

WorkloadOptions Closed(const std::string& arrivals, int64_t requests) {
  WorkloadOptions options;
  options.arrivals = *ParseArrivals(arrivals);
  options.requests = requests;
  options.context = 100;
  options.vocab = kSimulatedVocab;
  return options;
}

TEST(LoadDriver, ClosedLoopSendsWhenTheAnswerIsDoneAndThoughtAbout) {
  WorkloadOptions options = Closed("closed:1", 4);
  options.think_seconds = 3;
  const auto workload = LoadWorkload::Build(options, nullptr);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = Perform(*workload, Simulated(OneByOne(2)));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(run.requests[i].intended_seconds, 5.0 * static_cast<double>(i));
    EXPECT_EQ(run.requests[i].finish_seconds, 5.0 * static_cast<double>(i) + 2);
    EXPECT_EQ(run.requests[i].user, 0);
  }
}

TEST(LoadDriver, ClosedLoopKeepsAsManyInFlightAsThereAreUsers) {
  const auto workload = LoadWorkload::Build(Closed("closed:3", 12), nullptr);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = Perform(*workload, Simulated(OneByOne(2)));
  ASSERT_EQ(run.requests.size(), 12u);
  EXPECT_EQ(run.end_seconds, 24);  // never idle
  for (size_t i = 3; i < 12; ++i) {
    // One at a time, first come first served: two others are before it.
    EXPECT_EQ(run.requests[i].token_seconds[0] - run.requests[i].intended_seconds, 6);
  }
}

TEST(LoadDriver, PoissonArrivalsWaitAsTheMD1FormulaSays) {
  // One server of one second: the mean wait is rho / (2 (1 - rho)) (Pollaczek and Khinchine).
  for (const double rho : {0.3, 0.6, 0.8}) {
    constexpr int kRuns = 16;
    constexpr size_t kRequests = 2500;
    constexpr size_t kSettling = 500;  // left out: the queue begins empty
    std::vector<double> means;
    for (uint64_t seed = 1; seed <= kRuns; ++seed) {
      WorkloadOptions options = Closed("all", kRequests);
      options.arrivals = *ParseArrivals("poisson:" + std::to_string(rho));
      options.seed = seed;
      const auto workload = LoadWorkload::Build(options, nullptr);
      ASSERT_TRUE(workload.ok());
      const RepetitionRecord run = Perform(*workload, Simulated(OneByOne(1)));
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

TEST(LoadDriver, ATurnHoldsThePromptAndTheAnswerBeforeIt) {
  WorkloadOptions options = Closed("constant:1", 6);
  options.turns = *LengthDistribution::Parse("3");
  options.prompt = *LengthDistribution::Parse("4");
  options.output = *LengthDistribution::Parse("2");
  options.think_seconds = 10;
  const auto workload = LoadWorkload::Build(options, nullptr);
  ASSERT_TRUE(workload.ok());
  std::vector<LoadSend> sent;
  const RepetitionRecord run = Perform(*workload, Echo(&sent));
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

TEST(LoadDriver, AnInterruptStopsSendingAndDrains) {
  std::vector<LoadSend> sent;
  DriveOptions options;
  options.interrupted = [&sent] { return sent.size() >= 2; };
  const RepetitionRecord run =
      Perform(Asks({{0, 1, 1}, {1, 1, 1}, {2, 1, 1}}), Echo(&sent), options);
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_TRUE(run.interrupted);
  EXPECT_EQ(run.requests[1].outcome, LoadOutcome::kCompleted);
  // Without time to drain, what is in flight is cancelled.
  sent.clear();
  options.drain_seconds = 0;
  bool any = false;
  options.interrupted = [&any] { return std::exchange(any, true); };
  const RepetitionRecord cut = Perform(Asks({{0, 4, 9}, {0, 4, 9}}), Fake(16, 4), options);
  ASSERT_EQ(cut.requests.size(), 2u);
  for (const RequestRecord& request : cut.requests) {
    EXPECT_EQ(request.outcome, LoadOutcome::kCancelled);
    EXPECT_GE(request.finish_seconds, 0);
  }
}

TEST(LoadDriver, StopsSendingAtItsDuration) {
  WorkloadOptions options = Closed("closed:2", 0);
  options.seconds = 10;
  options.think_seconds = 1;
  const auto workload = LoadWorkload::Build(options, nullptr);
  ASSERT_TRUE(workload.ok());
  const RepetitionRecord run = Perform(*workload, Simulated(OneByOne(0.5)));
  EXPECT_GT(run.requests.size(), 10u);
  for (const RequestRecord& request : run.requests) {
    EXPECT_LT(request.intended_seconds, 10);
    EXPECT_EQ(request.outcome, LoadOutcome::kCompleted);
  }
}

}  // namespace
}  // namespace plumbline::load_driver_test
