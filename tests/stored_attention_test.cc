// Attention with stored scores against dense attention in double and against the tiled kernels, and
// its counters against their formulas.
#include "engine/stored_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "engine/counter_cost.h"
#include "engine/kv_convert.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/attention_harness.h"

namespace plumbline::stored_attention_test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kPlenty = int64_t{1} << 40;
constexpr int kLengths[] = {1, 15, 16, 17, 127, 128, 129, 255, 256, 257};

struct HeadShape {
  int heads;
  int kv_heads;
  int head_dim;
};
using Param = std::tuple<HeadShape, ScoreMask>;

CostShape CostOf(const AttentionShape& shape) {
  CostShape cost;
  cost.L = 1;
  cost.h = shape.heads;
  cost.g = shape.kv_heads;
  cost.e = shape.head_dim;
  return cost;
}

absl::Span<const std::byte> BytesOf(const std::vector<float>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
}

// `tokens` tokens of the sequence through stored attention; NaN where it writes nothing.
std::vector<float> RunStored(const AttentionShape& shape, const AttentionSequence& sequence,
                             int tokens, ScoreMask mask, StepWork* work) {
  auto stored = StoredAttention::Create(shape, tokens, kPlenty);
  EXPECT_TRUE(stored.ok()) << stored.status();
  std::vector<float> out(sequence.queries.size(), kNan);
  const absl::Status status = (*stored)->Run(sequence.queries.data(), sequence.keys.data(),
                                             sequence.values.data(), mask, out.data(), work);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ((*stored)->score_bytes(), StoredScoreBytes(CostOf(shape), tokens));
  return out;
}

AttentionResult Reference(const AttentionShape& shape, const AttentionSequence& sequence,
                          int tokens, ScoreMask mask) {
  DenseAttentionShape dense;
  dense.rows = tokens;
  dense.first = mask == ScoreMask::kCausal ? 0 : tokens - 1;  // row 0 sees all keys then
  dense.keys = tokens;
  dense.heads = shape.heads;
  dense.kv_heads = shape.kv_heads;
  dense.head_dim = shape.head_dim;
  return ReferenceAttention(dense, Widen(sequence.queries), Widen(sequence.keys),
                            Widen(sequence.values));
}

class StoredAttentionTest : public testing::TestWithParam<Param> {
 protected:
  static AttentionShape Shape(int threads) {
    const HeadShape& heads = std::get<0>(GetParam());
    return {heads.heads, heads.kv_heads, heads.head_dim, threads};
  }
  static ScoreMask Mask() { return std::get<1>(GetParam()); }
};

TEST_P(StoredAttentionTest, MatchesDenseAttentionAndItsFormulas) {
  for (const int tokens : kLengths) {
    const AttentionShape shape = Shape(tokens % 2 + 1);
    SCOPED_TRACE(testing::Message() << tokens << " tokens, threads " << shape.threads);
    const AttentionSequence sequence = RandomAttentionSequence(shape, tokens, 11);
    StepWork work;
    work.Reset(1);
    const std::vector<float> out = RunStored(shape, sequence, tokens, Mask(), &work);
    const AttentionResult reference = Reference(shape, sequence, tokens, Mask());
    EXPECT_LE(WorstAttentionRatio(reference, WeightDtype::kF32, BytesOf(out)), 1.0);
    if (tokens > 1 && tokens < 100) {  // the bound tells one mask from the other
      const ScoreMask other = Mask() == ScoreMask::kNone ? ScoreMask::kCausal : ScoreMask::kNone;
      const AttentionResult wrong = Reference(shape, sequence, tokens, other);
      EXPECT_GT(WorstAttentionRatio(wrong, WeightDtype::kF32, BytesOf(out)), 1.0);
    }

    const CostShape cost = CostOf(shape);
    EXPECT_EQ(work.TotalMacs(), StoredAttentionMacs(cost, tokens, Mask()));
    EXPECT_EQ(work.bytes, StoredAttentionBytes(cost, tokens, Mask()));
    EXPECT_EQ(work.softmax_pairs, LayerPairs(cost, tokens, Mask()));
    EXPECT_NE(work.TotalMacs(), StoredAttentionMacs(cost, tokens + 1, Mask()));
    for (const WorkClass c :
         {WorkClass::kScores, WorkClass::kSoftmax, WorkClass::kWeightedValues}) {
      EXPECT_GT(work.seconds[static_cast<size_t>(c)], 0.0) << WorkClassName(c);
    }
  }
}

TEST_P(StoredAttentionTest, FusedAndUnfusedSoftmaxGiveTheSameBits) {
  for (const int tokens : {1, 17, 129}) {
    const AttentionShape shape = Shape(2);
    const AttentionSequence sequence = RandomAttentionSequence(shape, tokens, 12);
    auto fused = StoredAttention::Create(shape, tokens, kPlenty);
    auto passes = StoredAttention::Create(shape, tokens, kPlenty);
    ASSERT_TRUE(fused.ok() && passes.ok());
    for (StoredAttention* stored : {fused->get(), passes->get()}) {
      ASSERT_TRUE(stored
                      ->ComputeScores(sequence.queries.data(), sequence.keys.data(),
                                      ScoreMask::kNone, nullptr)
                      .ok());
    }
    StepWork fused_work;
    StepWork passes_work;
    fused_work.Reset(1);
    passes_work.Reset(1);
    (*fused)->SoftmaxFused(Mask(), &fused_work);
    (*passes)->SoftmaxInPasses(Mask(), &passes_work);
    for (int64_t row = 0; row < int64_t{1} * shape.heads * tokens; ++row) {
      const int64_t visible = Mask() == ScoreMask::kCausal ? row % tokens + 1 : tokens;
      const float* a = (*fused)->scores() + row * tokens;
      const float* b = (*passes)->scores() + row * tokens;
      ASSERT_EQ(std::memcmp(a, b, static_cast<size_t>(visible) * sizeof(float)), 0) << row;
      for (int64_t key = visible; key < tokens; ++key) ASSERT_EQ(b[key], 0.0F) << row;
    }
    constexpr auto kSoftmax = static_cast<size_t>(WorkClass::kSoftmax);
    const CostShape cost = CostOf(shape);
    EXPECT_EQ(fused_work.bytes[kSoftmax], FusedSoftmaxBytes(cost, tokens, Mask()));
    EXPECT_EQ(passes_work.bytes[kSoftmax], UnfusedSoftmaxBytes(cost, tokens, Mask()));
  }
}

// A fault in what a row sees must show in it; what it does not see must not.
TEST_P(StoredAttentionTest, NaNReachesTheRowsThatSeeItAndNoOthers) {
  const int tokens = 275;
  const AttentionShape shape = Shape(2);
  const auto width = static_cast<size_t>(shape.heads) * static_cast<size_t>(shape.head_dim);
  const auto kv_width = static_cast<size_t>(shape.kv_heads) * static_cast<size_t>(shape.head_dim);
  const AttentionSequence clean = RandomAttentionSequence(shape, tokens, 13);
  const std::vector<float> expected = RunStored(shape, clean, tokens, Mask(), nullptr);
  for (const size_t planted : {0, 1, 127, 128, 130, 274}) {
    for (const bool in_keys : {false, true}) {
      AttentionSequence sequence = clean;
      std::vector<float>& poisoned = in_keys ? sequence.keys : sequence.values;
      std::fill_n(poisoned.begin() + static_cast<ptrdiff_t>(planted * kv_width), kv_width, kNan);
      const std::vector<float> out = RunStored(shape, sequence, tokens, Mask(), nullptr);
      const size_t blind = Mask() == ScoreMask::kCausal ? planted * width : 0;
      EXPECT_EQ(std::memcmp(out.data(), expected.data(), blind * sizeof(float)), 0) << planted;
      EXPECT_TRUE(std::all_of(out.begin() + static_cast<ptrdiff_t>(blind), out.end(),
                              [](float value) { return std::isnan(value); }))
          << planted << in_keys;
    }
  }
}

std::string ParamName(const testing::TestParamInfo<Param>& test) {
  const auto& [shape, mask] = test.param;
  return std::to_string(shape.heads) + "on" + std::to_string(shape.kv_heads) + "of" +
         std::to_string(shape.head_dim) + (mask == ScoreMask::kCausal ? "causal" : "full");
}

// MHA, GQA, MQA; head sizes below, at and above the vector's width.
constexpr HeadShape kShapes[] = {{3, 3, 17}, {2, 2, 64}, {4, 2, 8}, {4, 1, 80}};
INSTANTIATE_TEST_SUITE_P(Shapes, StoredAttentionTest,
                         testing::Combine(testing::ValuesIn(kShapes),
                                          testing::Values(ScoreMask::kNone, ScoreMask::kCausal)),
                         ParamName);

// Each lies within its own bound of the exact result, over keys and values as the cache keeps them.
class StoredAgainstTiledTest : public testing::TestWithParam<KvDtype> {};

TEST_P(StoredAgainstTiledTest, BothLieWithinTheBoundOfTheSameReference) {
  for (const int kv_heads : {4, 2, 1}) {
    for (const int tokens : kLengths) {
      AttentionHarnessOptions options;
      options.shape = {4, kv_heads, 40, 2};
      options.dtype = GetParam();
      SCOPED_TRACE(testing::Message() << tokens << " tokens, KV heads " << kv_heads);
      AttentionSequence sequence = RandomAttentionSequence(options.shape, tokens, 14);
      AttentionHarness harness(options, {sequence});
      const AttentionStep tiled = harness.Run({{0, 0, tokens}});
      const AttentionResult reference = harness.Reference({0, 0, tokens});
      for (std::vector<float>* values : {&sequence.keys, &sequence.values}) {
        std::vector<std::byte> kept(values->size() * sizeof(float));
        const auto count = static_cast<int>(values->size());
        NarrowFromF32(options.dtype, values->data(), count, kept.data());
        WidenToF32(options.dtype, kept.data(), count, values->data());
      }
      StepWork work;
      work.Reset(1);
      const std::vector<float> out =
          RunStored(options.shape, sequence, tokens, ScoreMask::kCausal, &work);
      EXPECT_LE(WorstAttentionRatio(reference, WeightDtype::kF32, tiled.out), 1.0);
      EXPECT_LE(WorstAttentionRatio(reference, WeightDtype::kF32, BytesOf(out)), 1.0);
      EXPECT_EQ(work.TotalMacs().useful, tiled.work.TotalMacs().useful);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Dtypes, StoredAgainstTiledTest,
                         testing::Values(KvDtype::kF32, KvDtype::kBf16),
                         [](const auto& test) { return std::string(KvDtypeName(test.param)); });

TEST(StoredAttentionMemoryTest, RefusesBeforeItAllocates) {
  const AttentionShape shape = {2, 1, 8, 1};
  constexpr int64_t kNeeded = int64_t{4} * 2 * 100 * 100;
  const auto refused = StoredAttention::Create(shape, 100, kNeeded - 1);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("need 80000 bytes"));
  EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("79999 are free"));
  EXPECT_TRUE(StoredAttention::Create(shape, 100, kNeeded).ok());
  // 2^64 bytes and more: no overflow lets it through.
  constexpr int kMost = std::numeric_limits<int>::max();
  constexpr int64_t kAllFree = std::numeric_limits<int64_t>::max() - 1;
  for (const int heads : {1, 8, kMost}) {
    const auto huge = StoredAttention::Create({heads, 1, 8, 1}, kMost, kAllFree);
    EXPECT_TRUE(absl::IsResourceExhausted(huge.status())) << heads << huge.status();
  }
}

TEST(StoredAttentionMemoryTest, RefusesShapesThatMakeNoSense) {
  for (const AttentionShape& shape : {AttentionShape{3, 2, 8, 1}, AttentionShape{0, 1, 8, 1},
                                      AttentionShape{1, 0, 8, 1}, AttentionShape{1, 1, 0, 1}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(StoredAttention::Create(shape, 4, kPlenty).status()));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(StoredAttention::Create({1, 1, 8, 1}, 0, kPlenty).status()));
}

}  // namespace
}  // namespace plumbline::stored_attention_test
