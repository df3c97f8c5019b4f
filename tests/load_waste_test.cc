// Cache slots without a token: their number at every step, and how few they are.
#include <cstdint>
#include <map>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/load_runs.h"
#include "tools/load_lengths.h"
#include "tools/load_metrics.h"
#include "tools/load_workload.h"

namespace plumbline::load_waste_test {
namespace {

constexpr int kBlockTokens = 16;

// Contexts of 1,024 tokens in the mean, prompt and output together, as far apart as they are long.
RepetitionRecord RunLongContexts(int block_tokens) {
  WorkloadOptions workload;
  workload.arrivals = *ParseArrivals("closed:24");
  workload.requests = 300;
  workload.prompt = *LengthDistribution::Parse("lognormal:768,768");
  workload.output = *LengthDistribution::Parse("lognormal:256,256");
  workload.context = 16384;
  workload.vocab = 50;
  auto requests = LoadWorkload::Build(workload, nullptr);
  EXPECT_TRUE(requests.ok()) << requests.status();
  SimulationOptions options = EvenSteps(0.01);
  options.context = 16384;
  options.num_blocks = 24 * 16384 / block_tokens;  // nobody is preempted
  options.shape.block_tokens = block_tokens;
  options.session.scheduler.geometry.block_tokens = block_tokens;
  return DriveToEnd(*requests, Simulated(options));
}

// By step, the sum over the requests that hold blocks of block_tokens x ceil(t / block_tokens) - t:
// from when each request's tokens ran, not from what the scheduler says of its blocks.
std::vector<int64_t> WasteByFormula(const RepetitionRecord& run, int block_tokens) {
  std::map<double, size_t> step_that_ended;
  for (size_t s = 0; s < run.steps.size(); ++s) step_that_ended[run.steps[s].end_seconds] = s;
  std::vector<int64_t> waste(run.steps.size());
  for (const RequestRecord& request : run.requests) {
    std::map<size_t, int64_t> stored;  // tokens in the cache from a step on
    for (const ChunkRecord& chunk : request.chunks) {
      stored[static_cast<size_t>(chunk.step)] = chunk.first + chunk.tokens;
    }
    for (size_t k = 1; k < request.token_seconds.size(); ++k) {
      stored[step_that_ended.at(request.token_seconds[k])] =
          request.prompt_tokens + static_cast<int64_t>(k);
    }
    const size_t last = step_that_ended.at(request.token_seconds.back());
    int64_t t = 0;
    for (size_t s = stored.begin()->first; s <= last; ++s) {
      if (const auto more = stored.find(s); more != stored.end()) t = more->second;
      waste[s] += (t + block_tokens - 1) / block_tokens * block_tokens - t;
    }
  }
  return waste;
}

void ExpectWasteByFormula(const RepetitionRecord& run, int block_tokens) {
  const std::vector<int64_t> formula = WasteByFormula(run, block_tokens);
  for (size_t s = 0; s < run.steps.size(); ++s) {
    ASSERT_EQ(run.steps[s].waste_tokens, formula[s]) << "step " << s;
    ASSERT_EQ(run.steps[s].preemptions, 0);
  }
}

double MeanWaste(const RepetitionRecord& run) {
  LoadRecord record;
  record.repetitions = {run};
  return ComputeMetrics(record, {}).Figure("waste").value.value;
}

TEST(LoadWaste, IsTheFormulasAtEveryStepAndAtMostTwoPercent) {
  const RepetitionRecord run = RunLongContexts(kBlockTokens);
  ASSERT_EQ(run.requests.size(), 300U);
  ExpectWasteByFormula(run, kBlockTokens);
  int64_t context = 0;
  for (const RequestRecord& request : run.requests) {
    context += request.prompt_tokens + request.output_tokens;
  }
  EXPECT_NEAR(static_cast<double>(context) / 300, 1024, 150);  // mean of the draws: +- 3 x 47
  EXPECT_LE(MeanWaste(run), 0.02);
  EXPECT_GT(MeanWaste(run), 0.002);
}

TEST(LoadWaste, GrowsWithTheBlock) {
  constexpr int kLarge = 256;
  const RepetitionRecord run = RunLongContexts(kLarge);
  ExpectWasteByFormula(run, kLarge);
  EXPECT_GT(MeanWaste(run), 0.05);
}

// One request after the other, alike in their first 32 tokens of 40; a second for each step.
RepetitionRecord RunSharedPrefix(bool sharing) {
  WorkloadOptions workload = SmallRequests("constant:0.5", 2);
  workload.prompt = *LengthDistribution::Parse("8");
  workload.output = *LengthDistribution::Parse("6");
  workload.prefix_groups = 1;
  workload.prefix_tokens = 2 * kBlockTokens;
  auto requests = LoadWorkload::Build(workload, nullptr);
  EXPECT_TRUE(requests.ok()) << requests.status();
  SimulationOptions options = EvenSteps(1);
  options.session.scheduler.prefix_sharing = sharing;
  return DriveToEnd(*requests, Simulated(options));
}

TEST(LoadWaste, CountsTheTokensOfASharedBlockOnce) {
  const RepetitionRecord apart = RunSharedPrefix(false);
  const RepetitionRecord shared = RunSharedPrefix(true);
  ASSERT_EQ(apart.steps.size(), shared.steps.size());
  int64_t both_ran = 0;
  for (size_t s = 0; s < shared.steps.size(); ++s) {
    const StepRecord& step = shared.steps[s];
    const bool both = step.running == 2;
    both_ran += both ? 1 : 0;
    EXPECT_EQ(step.running, apart.steps[s].running);
    EXPECT_EQ(step.blocks_used, apart.steps[s].blocks_used - (both ? 2 : 0)) << "step " << s;
    EXPECT_EQ(step.cached_tokens, apart.steps[s].cached_tokens - (both ? 2 * kBlockTokens : 0));
    EXPECT_EQ(step.waste_tokens, apart.steps[s].waste_tokens);
    EXPECT_EQ(step.cached_tokens + step.waste_tokens, step.blocks_used * kBlockTokens);
  }
  EXPECT_GE(both_ran, 3);
  EXPECT_EQ(shared.requests[1].prefix_hit_tokens, 2 * kBlockTokens);
}

}  // namespace
}  // namespace plumbline::load_waste_test
