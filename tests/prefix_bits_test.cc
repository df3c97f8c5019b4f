// Law 1 and law 2 with shared prefixes, on the real engine: the same bits as without, and counts
// that equal their formulas although spans begin behind what others computed.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "tests/support/engine_rig.h"
#include "tests/support/map_source.h"
#include "tests/support/session_rig.h"

namespace plumbline::prefix_bits_test {
namespace {

constexpr uint64_t kSeed = 23;
constexpr int kOutput = 20;

struct Dtypes {
  WeightDtype weights;
  KvDtype kv;
};

class PrefixBits : public testing::TestWithParam<Dtypes> {
 protected:
  void SetUp() override {
    const auto [weights, kv] = GetParam();
    if (weights == WeightDtype::kBf16 && !HasFastBf16()) {
      GTEST_SKIP() << "bf16 matmuls do not run in hardware here";
    }
    ModelConfig config = SmallLlama(6, 2);
    config.context = 1024;
    source_ = std::make_unique<MapSource>(MapSource::Random(config, kSeed));
    ModelOptions options;
    options.weights = weights;
    options.kv_dtype = kv;
    options.block_tokens = 16;
    options.threads = 2;
    options.least_shared_macs = 0;  // every loop, however short
    auto model = Model::Load(*source_, options);
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  // Prompts with beginnings in common: of 150 and 300 tokens, of one block but a token, none; and
  // one prompt twice.
  std::vector<Request> Requests() const {
    const int vocab = model_->config().vocab;
    const auto base = RandomSequences({300}, vocab, kSeed)[0];
    const auto ends = RandomSequences({40, 7, 16, 100, 33, 5}, vocab, kSeed + 1);
    const size_t commons[] = {150, 300, 15, 0, 160, 300};
    std::vector<Request> requests;
    for (size_t i = 0; i < ends.size(); ++i) {
      std::vector<int32_t> prompt(base.begin(),
                                  base.begin() + static_cast<std::ptrdiff_t>(commons[i]));
      prompt.insert(prompt.end(), ends[i].begin(), ends[i].end());
      requests.push_back(GreedyRequest(prompt, kOutput, vocab));
      requests.back().sampling.temperature = i % 2 == 0 ? 0.0 : 0.9;
      requests.back().sampling.seed = 7;
    }
    requests.push_back(requests[1]);
    return requests;
  }

  std::unique_ptr<MapSource> source_;
  std::unique_ptr<Model> model_;
};

TEST_P(PrefixBits, AreThoseWithoutSharing) {
  if (const std::string why = model_->same_bits_exception(); !why.empty()) {
    GTEST_SKIP() << "the same-bits law is not promised here: " << why;
  }
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  const std::vector<Request> requests = Requests();
  const auto plain = RunRequests(*model_, {.num_blocks = 200}, requests);
  // Two at a time, in a large cache; and so many that most are preempted, in one of the least size.
  for (const auto& [blocks, step_tokens, running] :
       {std::tuple{200, 512, 2}, std::tuple{200, 45, 3}, std::tuple{24, 100, 8}}) {
    const auto shared = RunRequests(*model_,
                                    {.num_blocks = blocks,
                                     .step_tokens = step_tokens,
                                     .max_running = running,
                                     .prefix_sharing = true},
                                    requests);
    int64_t hits = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_EQ(plain[i].output.size(), static_cast<size_t>(kOutput));
      EXPECT_EQ(shared[i].output, plain[i].output) << "request " << i;
      EXPECT_EQ(LogprobBits(shared[i]), LogprobBits(plain[i]))
          << "request " << i << ", " << blocks << " blocks";
      EXPECT_EQ(plain[i].prefix_hit_tokens, 0);
      hits += shared[i].prefix_hit_tokens;
    }
    EXPECT_GT(hits, 300) << "little was shared: the test tests little";
  }
}

TEST_P(PrefixBits, CountsEqualTheirFormulas) {
  const std::vector<Request> requests = Requests();
  const auto results =
      RunRequests(*model_, {.num_blocks = 200, .max_running = 2, .prefix_sharing = true}, requests);
  int64_t hits = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("request ", i));
    const RequestResult& result = results[i];
    ASSERT_EQ(result.preemptions, 0);
    int64_t tokens = result.prefix_hit_tokens;
    for (const RequestStep& step : result.steps) {
      tokens += step.new_tokens;
      EXPECT_EQ(step.context_tokens, tokens);
      EXPECT_EQ(step.measured_macs, step.formula_macs);
      EXPECT_EQ(step.measured_bytes, step.formula_bytes);
    }
    EXPECT_EQ(tokens, static_cast<int64_t>(requests[i].prompt.size()) + kOutput - 1);
    EXPECT_EQ(result.cache.used_bytes_measured, result.cache.used_bytes_formula);
    EXPECT_EQ(result.cache.allocated_bytes_measured, result.cache.allocated_bytes_formula);
    EXPECT_GE(result.cache.shared_blocks * result.cache.block_tokens, result.prefix_hit_tokens);
    hits += result.prefix_hit_tokens;
  }
  // Requests 0 and 1 start side by side and find nothing; those after them find the whole blocks
  // that their prompts have in common with what is there, all but the last token.
  EXPECT_EQ(results[0].prefix_hit_tokens, 0);
  EXPECT_EQ(results[2].prefix_hit_tokens, 0);
  EXPECT_EQ(results[3].prefix_hit_tokens, 0);
  EXPECT_EQ(results[4].prefix_hit_tokens, 160);
  EXPECT_EQ(results[5].prefix_hit_tokens, 288);
  EXPECT_EQ(results[6].prefix_hit_tokens, 304);
  EXPECT_GE(hits, 160 + 288 + 304);
}

// Samples of one prompt: those of requests of their own, with blocks shared and copied.
TEST_P(PrefixBits, SamplesAreThoseOfSeparateRequests) {
  if (const std::string why = model_->same_bits_exception(); !why.empty()) {
    GTEST_SKIP() << "the same-bits law is not promised here: " << why;
  }
  Request request = Requests()[0];  // 190 tokens: the last block holds 14
  request.sampling.temperature = 0.9;
  std::vector<Request> separate(3, request);
  for (size_t i = 0; i < separate.size(); ++i) separate[i].sampling.seed += i;
  const auto alone = RunRequests(*model_, {.num_blocks = 200}, separate);
  request.samples = 3;
  for (const auto& [blocks, sharing] :
       {std::pair{200, false}, std::pair{17, false}, std::pair{200, true}, std::pair{17, true}}) {
    const auto samples =
        RunSamples(*model_, {.num_blocks = blocks, .prefix_sharing = sharing}, request);
    ASSERT_EQ(samples.size(), separate.size());
    for (size_t i = 0; i < separate.size(); ++i) {
      EXPECT_EQ(samples[i].output, alone[i].output) << "sample " << i << ", " << blocks;
      EXPECT_EQ(LogprobBits(samples[i]), LogprobBits(alone[i]))
          << "sample " << i << ", " << blocks << " blocks";
      EXPECT_GE(samples[i].prefix_hit_tokens, i > 0 ? 189 : 0);
      for (const RequestStep& step : samples[i].steps) {
        EXPECT_EQ(step.measured_macs, step.formula_macs);
        EXPECT_EQ(step.measured_bytes, step.formula_bytes);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, PrefixBits,
                         testing::Values(Dtypes{WeightDtype::kF32, KvDtype::kF32},
                                         Dtypes{WeightDtype::kBf16, KvDtype::kBf16},
                                         Dtypes{WeightDtype::kF32, KvDtype::kInt8}));

}  // namespace
}  // namespace plumbline::prefix_bits_test
