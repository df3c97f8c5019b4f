// Which requests a workload has, and which tokens they hold.
#include "tools/load_workload.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::load_workload_test {
namespace {

using testing::HasSubstr;

LengthDistribution Lengths(const std::string& text) {
  auto lengths = LengthDistribution::Parse(text);
  EXPECT_TRUE(lengths.ok()) << lengths.status();
  return *std::move(lengths);
}

WorkloadOptions Options(const std::string& arrivals, const std::string& prompt = "10",
                        const std::string& output = "5") {
  WorkloadOptions options;
  auto spec = ParseArrivals(arrivals);
  EXPECT_TRUE(spec.ok()) << spec.status();
  options.arrivals = *std::move(spec);
  options.prompt = Lengths(prompt);
  options.output = Lengths(output);
  options.context = 1000;
  options.vocab = 5000;
  return options;
}

LoadWorkload Build(const WorkloadOptions& options, const Trace* trace = nullptr) {
  auto workload = LoadWorkload::Build(options, trace);
  EXPECT_TRUE(workload.ok()) << workload.status();
  return *std::move(workload);
}

// How many tokens both begin with.
size_t Common(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(end.first - a.begin());
}

TEST(LoadWorkload, IsTheSameForItsSeedAndOtherTokensForItsSalt) {
  WorkloadOptions options = Options("poisson:3", "uniform:5,50");
  const LoadWorkload first = Build(options);
  const LoadWorkload again = Build(options);
  options.salt = 9;
  const LoadWorkload salted = Build(options);
  ASSERT_EQ(first.requests().size(), 100u);
  std::set<std::vector<int32_t>> prompts;
  for (int64_t i = 0; i < 100; ++i) {
    const auto at = static_cast<size_t>(i);
    EXPECT_EQ(first.requests()[at].seconds, salted.requests()[at].seconds);
    EXPECT_EQ(first.requests()[at].own_tokens, salted.requests()[at].own_tokens);
    EXPECT_EQ(first.Prompt(i, {}), again.Prompt(i, {}));
    EXPECT_EQ(Common(first.Prompt(i, {}), salted.Prompt(i, {})), 0u) << i;
    prompts.insert(first.Prompt(i, {}));
    for (const int32_t token : first.Prompt(i, {})) {
      EXPECT_GE(token, 0);
      EXPECT_LT(token, options.vocab);
    }
  }
  EXPECT_EQ(prompts.size(), 100u);
  options.seed = 2;
  EXPECT_NE(Build(options).requests()[1].seconds, first.requests()[1].seconds);
}

TEST(LoadWorkload, GroupsShareTheirPrefixAndNothingElse) {
  WorkloadOptions options = Options("all");
  options.prefix_groups = 3;
  options.prefix_tokens = 40;
  const LoadWorkload workload = Build(options);
  std::set<int64_t> groups;
  for (int64_t i = 0; i < 30; ++i) {
    const PlannedRequest& request = workload.requests()[static_cast<size_t>(i)];
    EXPECT_EQ(request.prompt_tokens(), 50);
    groups.insert(request.group);
    for (int64_t j = 0; j < i; ++j) {
      const bool same = workload.requests()[static_cast<size_t>(j)].group == request.group;
      EXPECT_EQ(Common(workload.Prompt(i, {}), workload.Prompt(j, {})), same ? 40u : 0u)
          << i << " " << j;
    }
  }
  EXPECT_EQ(groups, (std::set<int64_t>{0, 1, 2}));
}

TEST(LoadWorkload, TurnsHoldAllThatWasSaid) {
  WorkloadOptions options = Options("constant:1");
  options.turns = Lengths("3");
  options.think_seconds = 2;
  options.requests = 8;
  const LoadWorkload workload = Build(options);
  ASSERT_EQ(workload.requests().size(), 8u);
  const std::vector<int64_t> turns = {0, 1, 2, 0, 1, 2, 0, 1};
  const std::vector<double> seconds = {0, 2, 2, 1, 2, 2, 2, 2};
  for (size_t i = 0; i < 8; ++i) {
    const PlannedRequest& request = workload.requests()[i];
    EXPECT_EQ(request.turn, turns[i]);
    EXPECT_EQ(request.seconds, seconds[i]);
    EXPECT_EQ(request.conversation, static_cast<int64_t>(i / 3));
    EXPECT_EQ(request.former_tokens, 15 * turns[i]);
    EXPECT_EQ(request.last_turn, turns[i] == 2 || i == 7) << i;
  }
  std::vector<int32_t> said = workload.Prompt(0, {});
  for (int32_t token = 0; token < 5; ++token) said.push_back(token);  // an answer
  const std::vector<int32_t> next = workload.Prompt(1, said);
  ASSERT_EQ(next.size(), 25u);
  EXPECT_EQ(Common(said, next), 15u);
}

TEST(LoadWorkload, FitsTheContext) {
  WorkloadOptions options = Options("all", "900", "200");
  options.requests = 2;
  const LoadWorkload cut = Build(options);
  // 801 + 200 - 1 positions: the last token is never fed back.
  EXPECT_EQ(cut.requests()[0].own_tokens, 801);
  EXPECT_EQ(cut.requests()[0].output_tokens, 200);
  EXPECT_EQ(cut.shortened(), 2);
  options.output = Lengths("5000");
  const LoadWorkload shortest = Build(options);
  EXPECT_EQ(shortest.requests()[0].own_tokens, 1);
  EXPECT_EQ(shortest.requests()[0].output_tokens, 1000);
  // A conversation ends where the context does.
  options = Options("all", "300", "200");
  options.turns = Lengths("5");
  options.requests = 5;
  const LoadWorkload talk = Build(options);
  EXPECT_EQ(talk.requests()[1].turn, 1);
  EXPECT_TRUE(talk.requests()[1].last_turn);
  EXPECT_EQ(talk.requests()[2].turn, 0);
  EXPECT_GE(talk.dropped_turns(), 3);
  EXPECT_EQ(talk.shortened(), 0);
}

TEST(LoadWorkload, TracesRepeatTheirHashes) {
  Trace trace;
  trace.requests = {
      {0, 700, 12, {10, 11}}, {2, 800, 3, {10, 11}}, {4, 600, 1, {12, 11}}, {6, 20, 4, {}}};
  WorkloadOptions options = Options("trace:somewhere");
  options.time_scale = 0.5;
  const LoadWorkload workload = Build(options, &trace);
  ASSERT_EQ(workload.requests().size(), 4u);
  EXPECT_EQ(workload.requests()[3].seconds, 3);
  const std::vector<int32_t> first = workload.Prompt(0, {});
  const std::vector<int32_t> second = workload.Prompt(1, {});
  const std::vector<int32_t> third = workload.Prompt(2, {});
  EXPECT_EQ(first.size(), 700u);
  EXPECT_EQ(Common(first, second), 700u);  // the partial block is the beginning of the longer one
  EXPECT_EQ(Common(first, third), 0u);
  EXPECT_TRUE(std::equal(third.begin() + 512, third.end(), first.begin() + 512));
  EXPECT_EQ(workload.Prompt(3, {}).size(), 20u);
  options.seconds = 1.5;
  EXPECT_EQ(Build(options, &trace).requests().size(), 2u);
  options.requests = 1;
  EXPECT_EQ(Build(options, &trace).requests().size(), 1u);
}

TEST(LoadWorkload, ThinkTimesVaryAroundTheirMean) {
  WorkloadOptions options = Options("closed:2");
  options.think_seconds = 3;
  options.think_varies = true;
  options.requests = 20000;
  const LoadWorkload workload = Build(options);
  EXPECT_EQ(workload.users(), 2);
  double mean = 0;
  for (const PlannedRequest& request : workload.requests()) mean += request.seconds / 20000;
  EXPECT_NEAR(mean, 3, 5 * 3 / std::sqrt(20000.0));
}

TEST(LoadWorkload, RefusesWhatMakesNoRequest) {
  WorkloadOptions options = Options("poisson:0.001");
  options.seconds = 1e-3;
  EXPECT_THAT(std::string(LoadWorkload::Build(options, nullptr).status().message()),
              HasSubstr("no request"));
  options = Options("trace:x");
  EXPECT_FALSE(LoadWorkload::Build(options, nullptr).ok());
  options = Options("all");
  options.requests = kMostRequests + 1;
  EXPECT_FALSE(LoadWorkload::Build(options, nullptr).ok());
  options = Options("all");
  options.seconds = 0;
  EXPECT_FALSE(LoadWorkload::Build(options, nullptr).ok());
}

}  // namespace
}  // namespace plumbline::load_workload_test
