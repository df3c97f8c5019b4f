// Law 2: what was counted equals what the formulas say, to the unit; and the two are apart.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cost_model.h"
#include "engine/machine.h"
#include "engine/step_clock.h"
#include "tests/support/engine_rig.h"
#include "tests/support/map_source.h"

namespace plumbline::counters_test {
namespace {

constexpr uint64_t kSeed = 7;
constexpr int kNoClass = kNumWorkClasses;

struct Shape {
  const char* model;
  int heads;
  int kv_heads;
};

class Counters : public testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    ModelConfig config = GetParam().model == std::string("llama")
                             ? SmallLlama(GetParam().heads, GetParam().kv_heads)
                             : SmallGpt2(GetParam().heads, GetParam().kv_heads);
    config.context = 2048;
    source_ = std::make_unique<MapSource>(MapSource::Random(config, kSeed));
  }

  std::unique_ptr<TensorSource> source_;
};

// The first class in which a step's counters and formulas differ; kNoClass where none does.
int Difference(const RigWork& work) {
  if (work.measured.softmax_pairs != work.formula_softmax_pairs) {
    return static_cast<int>(WorkClass::kSoftmax);
  }
  for (int c = 0; c < kNumWorkClasses; ++c) {
    if (work.measured.bytes[c] != work.formula_bytes[c]) return c;
    for (size_t s = 0; s < work.formula_macs.size(); ++s) {
      if (work.measured.spans[s].useful[c] != work.formula_macs[s].useful[c] ||
          work.measured.spans[s].executed[c] != work.formula_macs[s].executed[c]) {
        return c;
      }
    }
  }
  return kNoClass;
}

TEST_P(Counters, EqualFormulasInEveryStepChunkedAndBatched) {
  const auto sequences = RandomSequences({530, 257, 33, 1, 300, 600}, 96, kSeed);
  std::vector<std::vector<RigStep>> runs = {
      AloneInChunks(sequences, 0), AloneInChunks(sequences, 7), AloneInChunks(sequences, 1)};
  for (uint64_t seed = 1; seed <= 3; ++seed) runs.push_back(MixedChunks(sequences, 120, seed));
  for (const auto& [weights, kv] :
       {std::pair{WeightDtype::kF32, KvDtype::kF32}, std::pair{WeightDtype::kF32, KvDtype::kBf16},
        std::pair{WeightDtype::kBf16, KvDtype::kF16}, std::pair{WeightDtype::kInt8, KvDtype::kBf16},
        std::pair{WeightDtype::kQ4, KvDtype::kBf16},
        std::pair{WeightDtype::kF32, KvDtype::kInt8}}) {
    if (weights == WeightDtype::kBf16 && !HasFastBf16()) continue;
    for (const auto& [block, threads] : {std::pair{16, 1}, std::pair{100, 2}}) {
      EngineRig rig(*source_, {weights, kv, block, threads, kSeed});
      ASSERT_TRUE(rig.ok());
      for (const auto& steps : runs) {
        std::vector<RigWork> work;
        rig.Run(sequences, steps, &work);
        ASSERT_EQ(work.size(), steps.size());
        for (size_t i = 0; i < work.size(); ++i) {
          const int difference = Difference(work[i]);
          ASSERT_EQ(difference, kNoClass)
              << "step " << i << " of " << steps.size() << ", class "
              << WorkClassName(static_cast<WorkClass>(difference)) << ", blocks of " << block;
        }
      }
    }
  }
}

// P(n), S(t) and the identity between them, from counters alone.
TEST_P(Counters, DecodingAddsUpToPrefillAndTheHeads) {
  constexpr int kTokens = 300;
  const auto sequences = RandomSequences({kTokens}, 96, kSeed);
  EngineRig rig(*source_, {WeightDtype::kF32, KvDtype::kF32, 16, 1, kSeed});
  ASSERT_TRUE(rig.ok());
  const CostShape shape = CostShape::From(source_->config(), WeightDtype::kF32, KvDtype::kF32, 16);
  std::vector<RigWork> decode;
  rig.Run(sequences, AloneInChunks(sequences, 1), &decode);
  int64_t sum = 0;
  for (int t = 1; t <= kTokens; ++t) {
    const int64_t measured = decode[t - 1].measured.spans[0].TotalUseful();
    EXPECT_EQ(measured, DecodeMacs(shape, t)) << "t = " << t;
    sum += measured;
  }
  const int64_t head = shape.V * shape.d;
  EXPECT_EQ(sum, PrefillMacs(shape, kTokens) + (kTokens - 1) * head);
  // The rig asks for every row's logits: n V d instead of V d.
  std::vector<RigWork> prefill;
  rig.Run(sequences, AloneInChunks(sequences, 0), &prefill);
  EXPECT_EQ(prefill[0].measured.spans[0].TotalUseful() - (kTokens - 1) * head,
            PrefillMacs(shape, kTokens));
}

// A decode step reads every weight and every cached key and value once, and writes one of each.
TEST_P(Counters, DecodeStepReadsTheFloorOfBytes) {
  const auto sequences = RandomSequences({40}, 96, kSeed);
  EngineRig rig(*source_, {WeightDtype::kF32, KvDtype::kBf16, 16, 1, kSeed});
  ASSERT_TRUE(rig.ok());
  const CostShape shape = CostShape::From(source_->config(), WeightDtype::kF32, KvDtype::kBf16, 16);
  std::vector<RigWork> work;
  rig.Run(sequences, AloneInChunks(sequences, 1), &work);
  const ByteCounts& bytes = work.back().measured.bytes;
  EXPECT_EQ(Total(bytes) - bytes[static_cast<int>(WorkClass::kOther)],
            DecodeFloorBytes(shape, 40) + KvTokenBytes(shape));
}

// Nothing is timed twice or left out: every class that runs takes time, and none goes backwards.
TEST_P(Counters, ClockTheirPass) {
  const auto sequences = RandomSequences({300, 40}, 96, kSeed);
  EngineRig rig(*source_, {WeightDtype::kF32, KvDtype::kF32, 16, 2, kSeed});
  ASSERT_TRUE(rig.ok());
  std::vector<RigWork> work;
  const double start = SteadySeconds();
  rig.Run(sequences, {{{0, 299}, {1, 40}}, {{0, 1}}}, &work);
  const double all = SteadySeconds() - start;
  double sum = 0;
  for (const RigWork& step : work) {
    for (const double seconds : step.measured.seconds) EXPECT_GT(seconds, 0);
    sum += Total(step.measured.seconds);
  }
  EXPECT_LE(sum, all);
}

// The comparison must be able to fail: each fault moves the measured side alone.
TEST_P(Counters, SeeAFaultInAnyClass) {
  const auto sequences = RandomSequences({50, 20}, 96, kSeed);
  EngineRig rig(*source_, {WeightDtype::kF32, KvDtype::kF32, 16, 1, kSeed});
  ASSERT_TRUE(rig.ok());
  std::vector<RigWork> work;
  rig.Run(sequences, {{{0, 50}, {1, 20}}}, &work);
  ASSERT_EQ(Difference(work[0]), kNoClass);
  for (int c = 0; c < kNumWorkClasses; ++c) {
    RigWork skipped = work[0];
    skipped.measured.bytes[c] -= 1;
    EXPECT_EQ(Difference(skipped), c);
    RigWork padded = work[0];
    padded.measured.spans[1].executed[c] += 16;
    EXPECT_EQ(Difference(padded), c);
    RigWork repeated = work[0];
    repeated.measured.spans[0].useful[c] += 1;
    EXPECT_EQ(Difference(repeated), c);
  }
  RigWork unsummed = work[0];
  unsummed.measured.softmax_pairs -= 1;
  EXPECT_EQ(Difference(unsummed), static_cast<int>(WorkClass::kSoftmax));
}

INSTANTIATE_TEST_SUITE_P(Models, Counters,
                         testing::Values(Shape{"llama", 4, 4}, Shape{"llama", 6, 2},
                                         Shape{"llama", 8, 1}, Shape{"gpt2", 4, 4},
                                         Shape{"gpt2", 12, 3}, Shape{"gpt2", 8, 1}),
                         [](const auto& instance) {
                           return absl::StrCat(instance.param.model, instance.param.heads, "x",
                                               instance.param.kv_heads);
                         });

}  // namespace
}  // namespace plumbline::counters_test
