// Law 1 through the scheduler: a preempted request, recomputed or swapped out and in, gives the
// same bits as one that ran alone, whatever its companions.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "tests/support/engine_rig.h"
#include "tests/support/map_source.h"
#include "tests/support/session_rig.h"

namespace plumbline::preemption_bits_test {
namespace {

constexpr uint64_t kSeed = 11;
constexpr int kBlockTokens = 16;

struct Dtypes {
  WeightDtype weights;
  KvDtype kv;
};

class PreemptionBits : public testing::TestWithParam<Dtypes> {};

TEST_P(PreemptionBits, AreThoseOfARunAlone) {
  const auto [weights, kv] = GetParam();
  if (weights == WeightDtype::kBf16 && !HasFastBf16()) {
    GTEST_SKIP() << "bf16 matmuls do not run in hardware here";
  }
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  ModelConfig config = SmallLlama(6, 2);
  config.context = 1024;
  const MapSource source = MapSource::Random(config, kSeed);
  ModelOptions options;
  options.weights = weights;
  options.kv_dtype = kv;
  options.block_tokens = kBlockTokens;
  options.threads = 2;
  options.least_shared_macs = 0;  // every loop, however short
  auto model = Model::Load(source, options);
  ASSERT_TRUE(model.ok()) << model.status();
  if (const std::string why = (*model)->same_bits_exception(); !why.empty()) {
    GTEST_SKIP() << "the same-bits law is not promised here: " << why;
  }
  std::vector<Request> requests;
  for (const auto& prompt : RandomSequences({240, 250, 30, 100, 5, 180}, config.vocab, kSeed)) {
    requests.push_back(GreedyRequest(prompt, 40, config.vocab));
    requests.back().sampling.temperature = requests.size() % 2 == 0 ? 0.8 : 0.0;
    requests.back().sampling.seed = 3;
  }
  std::vector<std::vector<uint32_t>> alone;
  for (const Request& request : requests) {
    const auto result = RunRequests(**model, {.num_blocks = 64}, {request});
    ASSERT_EQ(result[0].output.size(), 40U);
    ASSERT_EQ(result[0].preemptions, 0);
    alone.push_back(LogprobBits(result[0]));
  }
  // The longest needs 19 blocks by itself: 24 make the others wait, grow, and be thrown out.
  const SessionRigOptions recompute = {.num_blocks = 24};
  const SessionRigOptions swap = {
      .num_blocks = 24, .host_blocks = 24, .preemption = {.mode = PreemptMode::kSwap}};
  SessionRigOptions largest = swap;
  largest.preemption.victim = PreemptVictim::kLargest;
  for (SessionRigOptions run : {recompute, swap, largest}) {
    int preemptions = 0;
    int64_t swapped_in_blocks = 0;
    for (const int step_tokens : {512, 50, 7}) {
      run.step_tokens = step_tokens;
      const auto results = RunRequests(**model, run, requests);
      for (size_t i = 0; i < requests.size(); ++i) {
        EXPECT_EQ(LogprobBits(results[i]), alone[i])
            << "request " << i << ", budget " << step_tokens << ", "
            << PreemptModeName(run.preemption.mode);
        preemptions += results[i].preemptions;
        for (const Eviction& e : results[i].evictions) swapped_in_blocks += e.swapped_in_blocks;
      }
    }
    EXPECT_GT(preemptions, 0) << "nothing was preempted: the test tests nothing";
    EXPECT_EQ(swapped_in_blocks > 0, run.host_blocks > 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, PreemptionBits,
                         testing::Values(Dtypes{WeightDtype::kF32, KvDtype::kF32},
                                         Dtypes{WeightDtype::kF32, KvDtype::kF16},
                                         Dtypes{WeightDtype::kBf16, KvDtype::kBf16},
                                         Dtypes{WeightDtype::kF32, KvDtype::kInt8}));

}  // namespace
}  // namespace plumbline::preemption_bits_test
