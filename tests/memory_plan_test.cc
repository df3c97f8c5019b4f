// Planned bytes against the sizes of real buffers, and what fits against a search by brute force.
#include "engine/memory_plan.h"

#include <limits>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tensor_sources.h"

namespace plumbline::memory_plan_test {
namespace {

using testing::HasSubstr;

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

struct Case {
  const char* name;
  const char* model;
};

// Widths off every multiple of the packed blocks, so that padding counts.
constexpr Case kCases[] = {
    {"LlamaMha", "synthetic:llama-160m,width=72,layers=2,heads=4,kv_heads=4,ffn=100,vocab=301"},
    {"LlamaGqa", "synthetic:llama-160m,width=64,layers=3,heads=4,kv_heads=2,ffn=96,vocab=300"},
    {"LlamaMqa", "synthetic:llama-160m,width=128,layers=1,heads=8,kv_heads=1,ffn=160,vocab=257"},
    {"Gpt2", "synthetic:gpt2-small,width=80,layers=2,heads=5,kv_heads=5,vocab=259,context=70"},
    {"OneManyHeads",
     "synthetic:llama-160m,width=512,layers=1,heads=128,kv_heads=1,ffn=33,vocab=256"},
};

MemoryShape ShapeOf(const ModelConfig& config, WeightDtype weights, int threads) {
  MemoryShape shape;
  shape.config = config;
  shape.weights = weights;
  shape.threads = threads;
  return shape;
}

// What the library takes is no formula's affair: whether it packs in blocks, and its scratch.
void AskLibrary(MemoryShape& shape) {
  const auto footprint = MeasureMatmulFootprint(shape.config, shape.weights, shape.threads);
  ASSERT_TRUE(footprint.ok()) << footprint.status();
  shape.matmul = *footprint;
  shape.matmul.compiled_bytes = 0;
}

int64_t At(const WeightSizes& sizes, WorkClass work_class) {
  return sizes.bytes[static_cast<size_t>(work_class)];
}

void ExpectWeights(const MemoryShape& shape, const WeightSizes& sizes) {
  const WeightPlan plan = PlanWeights(shape);
  EXPECT_EQ(plan.projections, At(sizes, WorkClass::kProjections));
  EXPECT_EQ(plan.feed_forward, At(sizes, WorkClass::kFeedForward));
  EXPECT_EQ(plan.head, At(sizes, WorkClass::kHead));
  EXPECT_EQ(plan.embedding + plan.vectors, At(sizes, WorkClass::kOther));
  EXPECT_EQ(plan.total(), Total(sizes.bytes));
}

void ExpectScratch(const ScratchSizes& plan, const ScratchSizes& real) {
  EXPECT_EQ(plan.activations, real.activations);
  EXPECT_EQ(plan.logits, real.logits);
  EXPECT_EQ(plan.attention, real.attention);
  EXPECT_EQ(plan.matmul, real.matmul);
}

void ExpectPlanIsReal(const ModelConfig& config, const TensorSource& source, WeightDtype weights,
                      int threads) {
  MemoryShape shape = ShapeOf(config, weights, threads);
  const auto footprint = MeasureMatmulFootprint(config, weights, threads);
  if (footprint.status().code() == absl::StatusCode::kFailedPrecondition) {
    GTEST_SKIP() << "no matmuls in " << WeightDtypeName(weights) << " here";
  }
  AskLibrary(shape);
  ModelOptions options;
  options.weights = weights;
  options.threads = threads;
  options.max_step_tokens = 37;
  options.max_step_spans = 3;
  options.max_logit_rows = 3;
  const auto model = Model::Load(source, options);
  ASSERT_TRUE(model.ok()) << model.status();
  ExpectWeights(shape, (*model)->weight_sizes());
  ExpectScratch(PlanScratch(shape, 37, 3), (*model)->scratch_sizes());
  const auto store = KvStore::Create(config.CacheGeometry(KvDtype::kF16, 5), 7);
  ASSERT_TRUE(store.ok());
  shape.kv_dtype = KvDtype::kF16;
  shape.block_tokens = 5;
  EXPECT_EQ(PlanRun(shape, 37, 3, 7).cache.allocated_bytes, (*store)->allocated_bytes());
}

class MemoryPlanTest : public testing::TestWithParam<Case> {};

TEST_P(MemoryPlanTest, EqualsTheRealBuffers) {
  const auto source = OpenSource(GetParam().model);
  ASSERT_NE(source, nullptr);
  for (const int threads : {1, 2}) {
    ExpectPlanIsReal(source->config(), *source, WeightDtype::kF32, threads);
  }
}

TEST_P(MemoryPlanTest, EqualsTheRealBuffersInBf16) {
  const auto source = OpenSource(GetParam().model);
  ASSERT_NE(source, nullptr);
  ExpectPlanIsReal(source->config(), *source, WeightDtype::kBf16, 2);
}

TEST_P(MemoryPlanTest, EqualsTheRealBuffersInInt8) {
  const auto source = OpenSource(GetParam().model);
  ASSERT_NE(source, nullptr);
  ExpectPlanIsReal(source->config(), *source, WeightDtype::kInt8, 2);
}

TEST_P(MemoryPlanTest, EqualsTheRealBuffersInQ4) {
  const auto source = OpenSource(GetParam().model);
  ASSERT_NE(source, nullptr);
  ExpectPlanIsReal(source->config(), *source, WeightDtype::kQ4, 2);
}

INSTANTIATE_TEST_SUITE_P(Shapes, MemoryPlanTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

// qwen2: as llama, but rotating halves and with biases of Q, K and V.
TEST(MemoryPlanQwenTest, EqualsTheRealBuffers) {
  ModelConfig config = OpenSource(kCases[1].model)->config();
  config.architecture = "qwen2";
  config.position = PositionKind::kRopeHalves;
  config.qkv_bias = true;
  const auto source = MakeSyntheticSource(config, 1);
  ExpectPlanIsReal(config, *source, WeightDtype::kF32, 2);
}

TEST(MemoryPlanPackingTest, PadsOutputsAndInputs) {
  EXPECT_EQ(PackedBytes(65, 17, WeightDtype::kF32, true), 128 * 32 * 4);
  EXPECT_EQ(PackedBytes(65, 17, WeightDtype::kBf16, true), 128 * 32 * 2);
  EXPECT_EQ(PackedBytes(64, 64, WeightDtype::kF32, true), 64 * 64 * 4);
  EXPECT_EQ(PackedBytes(65, 17, WeightDtype::kBf16, false), 65 * 17 * 2);
  EXPECT_EQ(PackedBytes(65, 17, WeightDtype::kInt8, true), 128 * 64 + 65 * 8);
  EXPECT_EQ(PackedBytes(65, 17, WeightDtype::kInt8, false), 65 * 17 + 65 * 8);
  for (const bool blocked : {false, true}) {
    EXPECT_EQ(PackedBytes(65, 33, WeightDtype::kQ4, blocked), 80 * 2 * 17 + 65 * 8);
  }
}

TEST(MemoryPlanPackingTest, PaddingIsWhatPackingAdds) {
  MemoryShape shape = ShapeOf(OpenSource(kCases[0].model)->config(), WeightDtype::kF32, 1);
  const WeightPlan plain = PlanWeights(shape);
  shape.matmul.blocked = true;
  const WeightPlan packed = PlanWeights(shape);
  EXPECT_EQ(plain.padding, 0);
  EXPECT_GT(packed.padding, 0);
  EXPECT_EQ(packed.total(), plain.total() + packed.padding);
}

TEST(MemoryPlanCacheTest, CountsWholeBlocksAndWaste) {
  MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  shape.block_tokens = 16;
  const CachePlan cache = PlanMemory(shape, 17, 3).cache;
  EXPECT_EQ(cache.token_bytes, 2 * 3 * 2 * 16 * 4);  // 2 L g e b
  EXPECT_EQ(cache.blocks, 6);
  EXPECT_EQ(cache.used_bytes, 3 * 17 * cache.token_bytes);
  EXPECT_EQ(cache.waste_bytes(), 3 * 15 * cache.token_bytes);
}

// A step is no longer than what the requests hold, and no larger than the budget.
TEST(MemoryPlanCacheTest, ScratchFollowsTheTarget) {
  MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  shape.chunk_tokens = 64;
  shape.max_running = 4;
  EXPECT_EQ(PlanMemory(shape, 10, 2).scratch.activations, PlanScratch(shape, 20, 2).activations);
  EXPECT_EQ(PlanMemory(shape, 999, 9).scratch.activations, PlanScratch(shape, 64, 4).activations);
  EXPECT_EQ(PlanMemory(shape, 999, 9).scratch.logits, PlanScratch(shape, 64, 4).logits);
}

// While the library packs the head it is there twice, beside all other weights.
TEST(MemoryPlanLoadTest, PeakHoldsTheLargestMatrixTwiceUnlessPackedAsRead) {
  MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  const WeightPlan weights = PlanWeights(shape);
  const int64_t head = int64_t{300} * 64 * 4;
  const int64_t rows = int64_t{16} * 64 * 4;
  EXPECT_EQ(PlanMemory(shape, 1, 1).load_peak_bytes, weights.total() + head + rows);
  shape.threads = 3;
  EXPECT_EQ(PlanMemory(shape, 1, 1).load_peak_bytes, weights.total() + head + 3 * rows);
  shape.matmul.packed_as_read = true;
  EXPECT_EQ(PlanMemory(shape, 1, 1).load_peak_bytes, weights.total() + 6 * rows);
}

bool FitsIn(const MemoryShape& shape, int64_t memory, int64_t context, int64_t requests) {
  const MemoryPlan plan = PlanMemory(shape, context, requests);
  return plan.total() <= memory && plan.load_peak_bytes <= memory;
}

TEST(MemoryPlanFitsTest, EqualsBruteForce) {
  for (const char* model : {kCases[1].model, kCases[3].model}) {
    MemoryShape shape = ShapeOf(OpenSource(model)->config(), WeightDtype::kF32, 2);
    shape.block_tokens = 7;
    shape.chunk_tokens = 20;
    shape.max_running = 3;
    const int64_t base = PlanMemory(shape, 0, 1).needed();
    for (const int64_t more : {-1, 0, 1, 5000, 70000, 300001, 999999}) {
      const int64_t memory = base + more;
      for (const int64_t given : {1, 2, 5}) {
        int64_t context = 0;
        while (FitsIn(shape, memory, context + 1, given)) ++context;
        EXPECT_EQ(LargestContext(shape, memory, given), context) << model << " " << more;
        int64_t requests = 0;
        while (FitsIn(shape, memory, given * 9, requests + 1)) ++requests;
        EXPECT_EQ(LargestConcurrency(shape, memory, given * 9), requests) << model << " " << more;
      }
    }
  }
}

TEST(MemoryPlanFitsTest, NothingFitsNoMemory) {
  const MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  for (const int64_t memory : {int64_t{-5}, int64_t{0}, int64_t{1}}) {
    EXPECT_EQ(LargestContext(shape, memory, 1), 0);
    EXPECT_EQ(LargestConcurrency(shape, memory, 1), 0);
  }
}

TEST(MemoryPlanFitsTest, AllTheMemoryThereCanBeIsBoundedByBlockIds) {
  const MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  const int64_t context = LargestContext(shape, kMost, 1);
  EXPECT_EQ(context, int64_t{std::numeric_limits<BlockId>::max()} * shape.block_tokens);
  EXPECT_EQ(LargestConcurrency(shape, kMost, 1), std::numeric_limits<BlockId>::max());
}

TEST(MemoryPlanOverflowTest, SizesStopAtTheLargest) {
  const MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  const MemoryPlan plan = PlanMemory(shape, kMost / 2, kMost / 2);
  EXPECT_EQ(plan.total(), kMost);
  EXPECT_FALSE(Fits(plan, kMost));
  const absl::Status status = CheckPlan(shape, kMost / 2, kMost / 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("fewer requests"));
  EXPECT_TRUE(CheckPlan(shape, 100, 2).ok());
}

TEST(MemoryPlanOverflowTest, RefusesWhatIsNoShape) {
  MemoryShape shape = ShapeOf(OpenSource(kCases[1].model)->config(), WeightDtype::kF32, 1);
  EXPECT_FALSE(CheckPlan(shape, -1, 1).ok());
  EXPECT_FALSE(CheckPlan(shape, 1, -1).ok());
  shape.block_tokens = 0;
  EXPECT_FALSE(CheckPlan(shape, 1, 1).ok());
  shape.block_tokens = 16;
  shape.config.layers = 0;
  EXPECT_FALSE(CheckPlan(shape, 1, 1).ok());
}

// The largest shape that a config can have, at the largest step, adds up without overflow.
TEST(MemoryPlanOverflowTest, TheLargestShapeIsAPlan) {
  ModelConfig config = OpenSource(kCases[3].model)->config();
  config.layers = 1 << 12;
  config.width = 1 << 20;
  config.heads = config.kv_heads = 1 << 4;
  config.head_dim = 1 << 16;
  config.ffn = 1 << 22;
  config.vocab = 1 << 24;
  config.context = 1 << 28;
  ASSERT_TRUE(config.Validate().ok()) << config.Validate();
  MemoryShape shape = ShapeOf(config, WeightDtype::kF32, 1024);
  shape.chunk_tokens = 1 << 20;
  shape.matmul.blocked = true;
  const MemoryPlan plan = PlanMemory(shape, 1 << 20, 1 << 20);
  const int64_t layer = int64_t{4} * ((int64_t{4} << 40) + (int64_t{2} << 42));
  EXPECT_EQ(plan.weights.projections + plan.weights.feed_forward, layer << 12);
  EXPECT_GT(plan.total(), plan.weights.total());
}

}  // namespace
}  // namespace plumbline::memory_plan_test
