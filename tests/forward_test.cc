// The forward pass against the reference in double: architectures, pairings, head shapes, dtypes,
// tied heads, contexts past a segment's edge.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "engine/model.h"
#include "gtest/gtest.h"
#include "tests/reference/forward_bound.h"
#include "tests/reference/reference_model.h"
#include "tests/support/forward_harness.h"
#include "tests/support/map_source.h"

namespace plumbline::forward_test {
namespace {

enum class Family : uint8_t { kLlamaNeighbours, kLlamaHalves, kQwen2, kGpt2 };

struct HeadShape {
  int heads;
  int kv_heads;
};

struct Dtypes {
  WeightDtype weights;
  KvDtype kv;
};

using Param = std::tuple<Family, HeadShape, Dtypes>;

// Width 48 or 64, two or three layers. Each family has tied and untied heads, by head shape.
ModelConfig MakeConfig(Family family, const HeadShape& shape) {
  ModelConfig config = family == Family::kGpt2 ? SmallGpt2(shape.heads, shape.kv_heads)
                                               : SmallLlama(shape.heads, shape.kv_heads);
  config.layers = shape.kv_heads == 2 ? 3 : 2;
  config.tied_head = (shape.kv_heads == 2) == (family == Family::kGpt2);
  if (family == Family::kLlamaHalves || family == Family::kQwen2) {
    config.position = PositionKind::kRopeHalves;
  }
  if (family == Family::kLlamaHalves) config.rope_dims = 6;  // elements 6 and 7 are not turned
  if (family == Family::kQwen2) {
    config.architecture = "qwen2";
    config.qkv_bias = true;
  }
  return config;
}

struct Case {
  MapSource source;
  ReferenceModel reference;
  std::unique_ptr<Model> model;
};

// Nothing but a skip where the CPU cannot multiply in the weights' dtype.
absl::StatusOr<Case> MakeCase(const ModelConfig& config, const ModelOptions& options) {
  MapSource source = MapSource::Random(config, 9);
  ReferenceOptions as_loaded;
  as_loaded.int8_weights = options.weights == WeightDtype::kInt8;
  as_loaded.q4_weights = options.weights == WeightDtype::kQ4;
  absl::StatusOr<ReferenceModel> reference = ReferenceModel::Load(source, as_loaded);
  if (!reference.ok()) return reference.status();
  absl::StatusOr<std::unique_ptr<Model>> model = Model::Load(source, options);
  if (!model.ok()) return model.status();
  return Case{std::move(source), *std::move(reference), *std::move(model)};
}

ModelOptions Options(const Dtypes& dtypes) {
  ModelOptions options;
  options.weights = dtypes.weights;
  options.kv_dtype = dtypes.kv;
  options.block_tokens = 7;
  options.threads = 2;
  options.least_shared_macs = 0;  // every loop, however short
  options.max_step_tokens = 320;
  options.max_logit_rows = 320;
  return options;
}

void ExpectWithinBound(const ForwardBound& bound, absl::Span<const float> logits) {
  const size_t vocab = bound.logits[0].size();
  ASSERT_EQ(logits.size(), bound.logits.size() * vocab);
  for (size_t i = 0; i < bound.logits.size(); ++i) {
    EXPECT_LE(bound.WorstRatio(i, logits.subspan(i * vocab, vocab)), 1.0) << "position " << i;
  }
}

class ForwardTest : public testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    const auto& [family, shape, dtypes] = GetParam();
    absl::StatusOr<Case> made = MakeCase(MakeConfig(family, shape), Options(dtypes));
    if (absl::IsFailedPrecondition(made.status())) GTEST_SKIP() << made.status();
    ASSERT_TRUE(made.ok()) << made.status();
    case_ = std::make_unique<Case>(*std::move(made));
  }
  ForwardBound Bound(absl::Span<const int32_t> tokens, int samples) const {
    ForwardBoundOptions options;
    options.precision = PrecisionOf(*case_->model);
    options.samples = samples;
    return BoundForward(case_->reference, tokens, options);
  }

  std::unique_ptr<Case> case_;
};

TEST_P(ForwardTest, MatchesTheReferenceInChunks) {
  const std::vector<int32_t> tokens = SomeTokens(33, case_->model->config().vocab);
  const ForwardBound bound = Bound(tokens, 16);
  for (const std::vector<int>& chunks :
       {std::vector<int>{33}, std::vector<int>{5, 1, 1, 19}, std::vector<int>{1}}) {
    const auto logits = RunSequence(*case_->model, tokens, chunks);
    ASSERT_TRUE(logits.ok()) << logits.status();
    ExpectWithinBound(bound, *logits);
  }
}

// Three sequences in one step: one wants no logits, one its last two rows, one all of them.
TEST_P(ForwardTest, GivesTheRowsThatWantLogitsInOrder) {
  Model& model = *case_->model;
  const auto vocab = static_cast<size_t>(model.config().vocab);
  const std::vector<int32_t> tokens = SomeTokens(20, model.config().vocab);
  const ForwardBound bound = Bound(tokens, 16);
  const std::unique_ptr<KvStore> store = MakePoisonedStore(model, 9);
  StepBatch batch;
  const auto all = absl::MakeConstSpan(tokens);
  batch.AddSpan(all.subspan(0, 11), 0, 0, DescendingBlocks(0, 3));
  batch.AddSpan(all.subspan(0, 20), 0, 2, DescendingBlocks(3, 3));
  batch.AddSpan(all.subspan(0, 3), 0, 3, DescendingBlocks(6, 3));
  StepWork work;
  const auto logits = model.Forward(batch, *store, &work);
  ASSERT_TRUE(logits.ok()) << logits.status();
  ASSERT_EQ(logits->size(), 5 * vocab);
  const std::vector<size_t> positions = {18, 19, 0, 1, 2};
  for (size_t i = 0; i < positions.size(); ++i) {
    EXPECT_LE(bound.WorstRatio(positions[i], logits->subspan(i * vocab, vocab)), 1.0) << i;
  }
  // A wrong order would show.
  EXPECT_GT(bound.WorstRatio(19, logits->subspan(0, vocab)), 1.0);
}

std::string ParamName(const testing::TestParamInfo<Param>& test) {
  const auto& [family, shape, dtypes] = test.param;
  constexpr const char* kNames[] = {"LlamaNeighbours", "LlamaHalves", "Qwen2", "Gpt2"};
  return std::string(kNames[static_cast<int>(family)]) + "_" + std::to_string(shape.heads) + "on" +
         std::to_string(shape.kv_heads) + "_" + std::string(WeightDtypeName(dtypes.weights)) + "_" +
         std::string(KvDtypeName(dtypes.kv));
}

INSTANTIATE_TEST_SUITE_P(
    Models, ForwardTest,
    testing::Combine(testing::Values(Family::kLlamaNeighbours, Family::kLlamaHalves, Family::kQwen2,
                                     Family::kGpt2),
                     testing::Values(HeadShape{6, 6}, HeadShape{6, 2}, HeadShape{8, 1}),
                     testing::Values(Dtypes{WeightDtype::kF32, KvDtype::kF32},
                                     Dtypes{WeightDtype::kF32, KvDtype::kF16},
                                     Dtypes{WeightDtype::kF32, KvDtype::kBf16},
                                     Dtypes{WeightDtype::kF32, KvDtype::kInt8},
                                     Dtypes{WeightDtype::kBf16, KvDtype::kBf16},
                                     Dtypes{WeightDtype::kBf16, KvDtype::kInt8},
                                     Dtypes{WeightDtype::kInt8, KvDtype::kBf16},
                                     Dtypes{WeightDtype::kQ4, KvDtype::kBf16})),
    ParamName);

// Contexts past a segment's edge; fewer models, as the reference takes its time.
class LongForwardTest : public ForwardTest {};

TEST_P(LongForwardTest, MatchesTheReferencePastASegment) {
  const std::vector<int32_t> tokens = SomeTokens(300, case_->model->config().vocab);
  const ForwardBound bound = Bound(tokens, 4);
  for (const std::vector<int>& chunks : {std::vector<int>{300}, std::vector<int>{250, 1, 12, 30}}) {
    const auto logits = RunSequence(*case_->model, tokens, chunks);
    ASSERT_TRUE(logits.ok()) << logits.status();
    ExpectWithinBound(bound, *logits);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, LongForwardTest,
    testing::Values(Param{Family::kLlamaNeighbours, {6, 2}, {WeightDtype::kF32, KvDtype::kF32}},
                    Param{Family::kGpt2, {6, 6}, {WeightDtype::kF32, KvDtype::kF16}},
                    Param{Family::kQwen2, {8, 1}, {WeightDtype::kBf16, KvDtype::kBf16}},
                    Param{Family::kLlamaNeighbours, {8, 1}, {WeightDtype::kF32, KvDtype::kInt8}},
                    Param{Family::kGpt2, {6, 2}, {WeightDtype::kInt8, KvDtype::kInt8}},
                    Param{Family::kLlamaHalves, {6, 2}, {WeightDtype::kInt8, KvDtype::kF32}},
                    Param{Family::kQwen2, {6, 2}, {WeightDtype::kQ4, KvDtype::kF16}}),
    ParamName);

}  // namespace
}  // namespace plumbline::forward_test
