// Law 1: the logits of a token depend on its sequence alone, to the bit.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "tests/support/engine_rig.h"
#include "tests/support/map_source.h"

namespace plumbline::same_bits_test {
namespace {

constexpr uint64_t kSeed = 20260101;

struct Case {
  std::string name;
  std::string model;  // "llama", "gpt2", or a synthetic name
  int heads = 4;
  int kv_heads = 4;
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv = KvDtype::kF32;
};

std::unique_ptr<TensorSource> MakeSource(const Case& c) {
  if (IsSyntheticName(c.model)) {
    auto source = OpenModel(c.model);
    EXPECT_TRUE(source.ok()) << source.status();
    return source.ok() ? *std::move(source) : nullptr;
  }
  ModelConfig config =
      c.model == "llama" ? SmallLlama(c.heads, c.kv_heads) : SmallGpt2(c.heads, c.kv_heads);
  config.context = 2048;
  return std::make_unique<MapSource>(MapSource::Random(config, kSeed));
}

class SameBits : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    RecordProperty("seed", std::to_string(kSeed));
    SCOPED_TRACE(absl::StrCat("seed ", kSeed));
    if (c.weights == WeightDtype::kBf16 && !HasFastBf16()) {
      GTEST_SKIP() << "bf16 matmuls do not run in hardware here";
    }
    source_ = MakeSource(c);
    ASSERT_NE(source_, nullptr);
    // Lengths around the edges of segments (256) and of call sizes (32, 512).
    sequences_ = RandomSequences({530, 257, 33, 1, 300}, source_->config().vocab, kSeed);
    EngineRig rig(*source_, Options(16, 1));
    ASSERT_TRUE(rig.ok());
    if (const std::string why = rig.model().same_bits_exception(); !why.empty()) {
      GTEST_SKIP() << "the same-bits law is not promised here: " << why;
    }
    expected_ = rig.Run(sequences_, AloneInChunks(sequences_, 0));
    for (const auto& sequence : expected_) {
      for (const uint32_t bits : sequence) {
        ASSERT_TRUE(std::isfinite(std::bit_cast<float>(bits))) << "seed " << kSeed;
      }
    }
  }

  RigOptions Options(int block_tokens, int threads) const {
    const Case& c = GetParam();
    return {c.weights, c.kv, block_tokens, threads, kSeed + block_tokens};
  }

  // Runs the steps and compares every bit.
  void Check(const RigOptions& options, const std::vector<RigStep>& steps,
             const std::string& what) {
    EngineRig rig(*source_, options);
    ASSERT_TRUE(rig.ok());
    const auto bits = rig.Run(sequences_, steps);
    for (size_t s = 0; s < sequences_.size(); ++s) {
      ASSERT_EQ(bits[s].size(), expected_[s].size());
      const auto differ = std::mismatch(bits[s].begin(), bits[s].end(), expected_[s].begin()).first;
      EXPECT_EQ(differ, bits[s].end())
          << what << ", seed " << kSeed << ": sequence " << s << " differs first at token "
          << (differ - bits[s].begin()) / source_->config().vocab;
    }
  }

  std::unique_ptr<TensorSource> source_;
  std::vector<std::vector<int32_t>> sequences_;
  std::vector<std::vector<uint32_t>> expected_;
};

TEST_P(SameBits, ForEveryChunkSize) {
  for (const int chunk : {1, 7, 64}) {
    Check(Options(16, 1), AloneInChunks(sequences_, chunk), absl::StrCat("chunks of ", chunk));
  }
}

TEST_P(SameBits, ForEveryBlockSize) {
  for (const int block : {1, 16, 100, 256}) {
    Check(Options(block, 1), AloneInChunks(sequences_, 64), absl::StrCat("blocks of ", block));
  }
}

TEST_P(SameBits, ForEveryNumberOfThreads) {
  for (const int threads : {2, 8}) {
    const std::string what = absl::StrCat(threads, " threads");
    Check(Options(16, threads), AloneInChunks(sequences_, 0), what);
    Check(Options(100, threads), AloneInChunks(sequences_, 7), what + ", chunks of 7");
    // Decode steps of one stream, whose heads are split over the threads: 20 reach across the edges
    // of segments in these lengths.
    Check(Options(16, threads), AloneWithTails(sequences_, 20), what + ", one token at a time");
  }
}

TEST_P(SameBits, WithEveryCompanion) {
  for (const uint64_t seed : {kSeed, kSeed + 1}) {
    for (const int most : {3, 90}) {
      const std::string what = absl::StrCat("mixed chunks up to ", most, ", seed ", seed);
      Check(Options(16, 1), MixedChunks(sequences_, most, seed), what);
      Check(Options(256, 2), MixedChunks(sequences_, most, seed), what + ", 2 threads");
    }
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const char* model : {"llama", "gpt2"}) {
    for (const auto& [kind, heads, kv_heads] :
         {std::tuple{"Mha", 4, 4}, std::tuple{"Gqa", 6, 2}, std::tuple{"Mqa", 8, 1}}) {
      for (const auto& [weights, kv] : {std::pair{WeightDtype::kF32, KvDtype::kF32},
                                        std::pair{WeightDtype::kF32, KvDtype::kF16},
                                        std::pair{WeightDtype::kBf16, KvDtype::kBf16}}) {
        cases.push_back({absl::StrCat(model, kind, "Weights", WeightDtypeName(weights), "Cache",
                                      KvDtypeName(kv)),
                         model, heads, kv_heads, weights, kv});
      }
    }
    cases.push_back({absl::StrCat(model, "GqaWeightsint8Cachebf16"), model, 6, 2,
                     WeightDtype::kInt8, KvDtype::kBf16});
    cases.push_back({absl::StrCat(model, "GqaWeightsq4Cachebf16"), model, 6, 2, WeightDtype::kQ4,
                     KvDtype::kBf16});
    cases.push_back({absl::StrCat(model, "GqaWeightsbf16Cacheint8"), model, 6, 2,
                     WeightDtype::kBf16, KvDtype::kInt8});
  }
  // Widths beyond one inner block of the matmuls.
  for (const auto& [weights, kv] :
       {std::pair{WeightDtype::kF32, KvDtype::kBf16}, std::pair{WeightDtype::kBf16, KvDtype::kF32},
        std::pair{WeightDtype::kInt8, KvDtype::kBf16}, std::pair{WeightDtype::kQ4, KvDtype::kBf16},
        std::pair{WeightDtype::kF32, KvDtype::kInt8}}) {
    cases.push_back(
        {absl::StrCat("WideWeights", WeightDtypeName(weights), "Cache", KvDtypeName(kv)),
         "synthetic:llama-160m,layers=1,kv_heads=4,vocab=300,context=2048", 12, 4, weights, kv});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, SameBits, testing::ValuesIn(Cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace plumbline::same_bits_test
