// Generation without a cache: the same tokens, every one of them at the price of a whole prefill.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/cost_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "scheduler/session.h"
#include "tests/support/fake_executor.h"
#include "tests/support/manual_clock.h"
#include "tests/support/map_source.h"
#include "tests/support/run_binary.h"
#include "tests/support/scheduler_harness.h"
#include "tests/support/session_rig.h"

namespace plumbline::no_cache_test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

std::vector<Request> SomeRequests(int vocab) {
  std::vector<Request> requests;
  for (const int length : {1, 7, 30}) {
    std::vector<int32_t> prompt;
    prompt.reserve(static_cast<size_t>(length));
    for (int i = 0; i < length; ++i) prompt.push_back((i * 37 + length) % vocab);
    requests.push_back(GreedyRequest(prompt, 12, 3));
  }
  return requests;
}

class NoCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    ModelOptions options;
    options.threads = 2;
    auto model = Model::Load(source_, options);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    requests_ = SomeRequests(model_->config().vocab);
    SessionRigOptions rig;
    cached_ = RunRequests(*model_, rig, requests_);
    ASSERT_EQ(cached_.size(), requests_.size());
  }
  std::vector<RequestResult> RunWithout(int step_tokens) {
    SessionRigOptions rig;
    rig.step_tokens = step_tokens;
    rig.recompute_each_step = true;
    return RunRequests(*model_, rig, requests_);
  }
  void ExpectSameTokens(const RequestResult& a, const RequestResult& b) const {
    EXPECT_EQ(a.reason, b.reason);
    EXPECT_EQ(a.preemptions, 0);
    if (!model_->same_bits_exception().empty()) return;
    EXPECT_EQ(a.output, b.output);
    ASSERT_EQ(a.logprobs.size(), b.logprobs.size());
    for (size_t i = 0; i < a.logprobs.size(); ++i) {
      for (size_t k = 0; k < a.logprobs[i].size(); ++k) {
        EXPECT_EQ(a.logprobs[i][k].token, b.logprobs[i][k].token);
        EXPECT_EQ(a.logprobs[i][k].logprob, b.logprobs[i][k].logprob);
      }
    }
  }

  MapSource source_ = MapSource::Random(SmallLlama(4, 2), 21);
  std::unique_ptr<Model> model_;
  std::vector<Request> requests_;
  std::vector<RequestResult> cached_;
};

TEST_F(NoCacheTest, EveryTokenIsAWholePrefillWithTheSameResult) {
  const std::vector<RequestResult> results = RunWithout(512);
  const CostShape shape = CostShape::From(model_->config(), WeightDtype::kF32, KvDtype::kF32, 16);
  for (size_t i = 0; i < results.size(); ++i) {
    ExpectSameTokens(results[i], cached_[i]);
    auto t = static_cast<int>(requests_[i].prompt.size());
    ASSERT_EQ(results[i].steps.size(), results[i].output.size());
    for (const RequestStep& step : results[i].steps) {
      EXPECT_EQ(step.new_tokens, t);
      EXPECT_EQ(step.context_tokens, t);
      EXPECT_EQ(step.step_tokens, t);  // nobody else runs in it
      EXPECT_EQ(step.measured_macs.TotalUseful(), PrefillMacs(shape, t));
      EXPECT_EQ(step.measured_macs, step.formula_macs);
      EXPECT_EQ(step.measured_bytes, step.formula_bytes);
      ++t;
    }
    EXPECT_EQ(results[i].cache.used_bytes_measured, results[i].cache.used_bytes_formula);
    EXPECT_EQ(results[i].cache.allocated_bytes_measured, results[i].cache.allocated_bytes_formula);
  }
}

// The attention core over all steps is D_NAIVE_GEN_CORE_CAUSAL: L h e T (T + 1) (T + 2) / 3.
TEST_F(NoCacheTest, TheCoreOfAllStepsGrowsWithTheCube) {
  const RequestResult result = RunWithout(512)[0];  // from a prompt of one token
  const ModelConfig& c = model_->config();
  const auto T = static_cast<int64_t>(result.steps.size());
  int64_t core = 0;
  for (const RequestStep& step : result.steps) {
    core += step.measured_macs.useful[static_cast<size_t>(WorkClass::kScores)] +
            step.measured_macs.useful[static_cast<size_t>(WorkClass::kWeightedValues)];
  }
  EXPECT_EQ(core, int64_t{c.layers} * c.heads * c.head_dim * T * (T + 1) * (T + 2) / 3);
}

TEST_F(NoCacheTest, ContextsLongerThanAStepRunInChunks) {
  const std::vector<RequestResult> results = RunWithout(5);
  for (size_t i = 0; i < results.size(); ++i) {
    ExpectSameTokens(results[i], cached_[i]);
    int known = static_cast<int>(requests_[i].prompt.size());
    int done = 0;
    for (const RequestStep& step : results[i].steps) {
      EXPECT_EQ(step.new_tokens, std::min(5, known - done));
      done += step.new_tokens;
      EXPECT_EQ(step.context_tokens, done);
      EXPECT_EQ(step.measured_macs, step.formula_macs);
      if (done < known) continue;
      done = 0;
      ++known;
    }
    EXPECT_EQ(known, static_cast<int>(requests_[i].prompt.size() + results[i].output.size()));
  }
}

// A sequence that has forgotten everything waits like any other: it can be cancelled, and those
// behind it follow in order.
TEST(SessionNoCacheTest, ACancelledSequenceGivesWayToTheNext) {
  FakeExecutorOptions executor_options;
  FakeExecutor executor(executor_options, nullptr);
  BlockPool pool(executor_options.num_blocks, [&](BlockId block) { executor.Forget(block); });
  SessionOptions options;
  options.scheduler.step_tokens = 16;
  options.scheduler.geometry = executor.geometry();
  options.scheduler.recompute_each_step = true;
  options.check_invariants = true;
  const ManualClock clock;
  Session session(options, executor, pool, clock);
  uint64_t first = 0;
  int seen = 0;
  Request request = MakeRequest(5, 20);
  request.on_token = [&](const TokenEvent&) {
    if (++seen == 3) session.Cancel(first);
    return true;
  };
  std::vector<RequestResult> results;
  const auto keep = [&](RequestResult result) { results.push_back(std::move(result)); };
  first = session.Submit(std::move(request), keep);
  session.Submit(MakeRequest(4, 6, 9), keep);
  session.RunUntilIdle();
  EXPECT_TRUE(session.invariants().ok()) << session.invariants();
  EXPECT_TRUE(executor.violation().ok()) << executor.violation();
  EXPECT_EQ(pool.num_used(), 0);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(results[0].output.size(), 3U);
  EXPECT_EQ(results[1].reason, FinishReason::kLength);
  EXPECT_EQ(results[1].output,
            SchedulerHarness::RunAlone(executor_options, MakeRequest(4, 6, 9)).output);
}

Json Generate(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "generate");
  arguments.emplace_back("--json");
  const BinaryResult result = RunPlumbline(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  Json json = Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

// `model`: empty for the toy.
void ExpectTheTokensOfTheCachedRun(const std::string& model) {
  std::vector<std::string> arguments;
  if (!model.empty()) arguments = {"-m", model};
  arguments.insert(arguments.end(), {"-p", "ROMEO:", "-n", "10", "--temperature", "0.7"});
  const Json cached = Generate(arguments);
  EXPECT_FALSE(cached.contains("no_cache"));
  arguments.emplace_back("--no-cache");
  const Json without = Generate(arguments);
  EXPECT_EQ(without.at("no_cache"), true);
  if (cached.at("same_bits").get<bool>()) {
    EXPECT_EQ(without.at("output_token_ids"), cached.at("output_token_ids"));
  }
  size_t t = without.at("prompt_token_ids").size();
  for (const Json& step : without.at("steps")) {
    EXPECT_EQ(step.at("new_tokens").get<size_t>(), t);
    EXPECT_EQ(step.at("context_tokens").get<size_t>(), t++);
    for (const char* key : {"macs", "executed_macs", "bytes"}) {
      EXPECT_EQ(step.at(key).at("measured"), step.at(key).at("formula")) << key;
    }
  }
  EXPECT_EQ(t, without.at("prompt_token_ids").size() + without.at("output_token_ids").size());
}

TEST(GenerateNoCacheTest, GivesTheTokensOfTheCachedRun) { ExpectTheTokensOfTheCachedRun(""); }

TEST(GenerateNoCacheTest, GivesTheTokensOfTheCachedRunOfALlama) {
  ExpectTheTokensOfTheCachedRun(
      "synthetic:llama-160m,width=64,heads=4,kv_heads=2,layers=2,ffn=96,vocab=300");
}

TEST(GenerateNoCacheTest, GivesTheTokensOfTheCachedRunOfAGpt2) {
  ExpectTheTokensOfTheCachedRun("synthetic:gpt2-small,width=64,heads=4,layers=2,ffn=96,vocab=300");
}

TEST(GenerateNoCacheTest, TheReportNamesIt) {
  const BinaryResult one = RunPlumbline({"generate", "-p", "ROMEO:", "-n", "5", "--no-cache"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr("Without a cache"));
  EXPECT_THAT(one.out, testing::Not(HasSubstr("!=")));
  const BinaryResult two =
      RunPlumbline({"generate", "-p", "a", "-p", "b", "-n", "3", "--no-cache"});
  ASSERT_EQ(two.exit_code, 0) << two.err;
  EXPECT_THAT(two.out, HasSubstr("Without a cache"));
  EXPECT_THAT(two.out, testing::Not(HasSubstr("!=")));
}

}  // namespace
}  // namespace plumbline::no_cache_test
