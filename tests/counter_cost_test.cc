// The closed forms of the counter-examples: known values, and real buffers.
#include "engine/counter_cost.h"

#include "engine/attention.h"
#include "gtest/gtest.h"

namespace plumbline::counter_cost_test {
namespace {

constexpr auto kScores = static_cast<size_t>(WorkClass::kScores);
constexpr auto kValues = static_cast<size_t>(WorkClass::kWeightedValues);

CostShape Gpt2Small() {
  CostShape shape;
  shape.L = 12;
  shape.d = 768;
  shape.h = 12;
  shape.g = 12;
  shape.e = 64;
  shape.F = 3072;
  shape.m = 2;
  return shape;
}

TEST(CounterCostTest, FullSquareIsTheArticlesCore) {
  // A1_LAYER_ATTN_CORE: 2 n^2 d.
  const MacCounts macs = StoredAttentionMacs(Gpt2Small(), 4096, ScoreMask::kNone);
  EXPECT_EQ(macs.TotalUseful(), 25769803776);
  EXPECT_EQ(macs.useful, macs.executed);
  EXPECT_EQ(macs.useful[kScores], macs.useful[kValues]);
}

TEST(CounterCostTest, CausalIsTheUsefulHalfInWholePanels) {
  const CostShape shape = Gpt2Small();
  for (const int64_t n : {1, 100, 128, 129, 1024}) {
    const MacCounts macs = StoredAttentionMacs(shape, n, ScoreMask::kCausal);
    EXPECT_EQ(macs.TotalUseful(), shape.h * shape.e * n * (n + 1));
    EXPECT_EQ(macs.useful, TiledAttentionMacs(shape, n).useful);
    int64_t executed = 0;
    for (int64_t row = 0; row < n; ++row) {
      executed += std::min(n, (row / 128 + 1) * 128);
    }
    EXPECT_EQ(macs.executed[kScores], shape.h * shape.e * executed) << n;
  }
  // D_PAIRS_BLOCK_CAUSAL: n (n + c) / 2 where c divides n.
  EXPECT_EQ(StoredAttentionMacs(shape, 1024, ScoreMask::kCausal).executed[kScores],
            shape.h * shape.e * 1024 * (1024 + 128) / 2);
}

TEST(CounterCostTest, BytesOfTheMatrixAndItsTraffic) {
  const CostShape shape = Gpt2Small();
  EXPECT_EQ(StoredScoreBytes(shape, 8192), 3221225472);  // D_SCORES_NAIVE_BYTES
  // D_NAIVE_ATTN_TRAFFIC_BYTES with four passes.
  EXPECT_EQ(Total(StoredAttentionBytes(shape, 8192, ScoreMask::kNone)), 4 * 3221225472);
  EXPECT_LT(Total(StoredAttentionBytes(shape, 8192, ScoreMask::kCausal)), 2.1 * 3221225472);
  EXPECT_EQ(UnfusedSoftmaxBytes(shape, 8192, ScoreMask::kNone),
            2 * FusedSoftmaxBytes(shape, 8192, ScoreMask::kNone));
  // One write and one read of the hidden values saved, twice as many for a gated layer.
  EXPECT_EQ(UnfusedActivationBytes(shape, 10) - FusedActivationBytes(shape, 10), 2 * 4 * 10 * 3072);
  CostShape gated = shape;
  gated.m = 3;
  EXPECT_EQ(UnfusedActivationBytes(gated, 10) - FusedActivationBytes(gated, 10), 4 * 4 * 10 * 3072);
}

TEST(CounterCostTest, TiledScratchIsWhatTheKernelsHold) {
  for (const AttentionShape& shape :
       {AttentionShape{12, 12, 64, 1}, AttentionShape{4, 2, 17, 2}, AttentionShape{200, 1, 8, 3},
        AttentionShape{12, 4, 64, 2, AttentionForm::kTiles},
        AttentionShape{12, 4, 64, 2, AttentionForm::kPairs}}) {
    CostShape cost;
    cost.h = shape.heads;
    cost.g = shape.kv_heads;
    cost.e = shape.head_dim;
    cost.attention = shape.form;
    PagedAttention attention(shape);
    EXPECT_EQ(attention.scratch_bytes(), TiledScratchBytes(cost, shape.threads));
    // A long prompt is not split over threads, a lone decode step is.
    StepBatch batch;
    batch.AddSpan(std::vector<int32_t>(2000, 0), 0, 0, std::vector<BlockId>(125, 0));
    attention.Prepare(batch);
    EXPECT_EQ(attention.scratch_bytes(), TiledScratchBytes(cost, shape.threads));
  }
  PagedAttention attention({2, 2, 64, 2});
  const int64_t before = attention.scratch_bytes();
  StepBatch batch;
  batch.AddSpan({0}, 1999, 0, std::vector<BlockId>(125, 0));
  attention.Prepare(batch);
  // Partials of 80 floats for both heads and both stretches of four segments.
  EXPECT_EQ(attention.scratch_bytes() - before, 2 * 2 * 80 * 4);
}

}  // namespace
}  // namespace plumbline::counter_cost_test
