// Paged attention against dense attention in double, over ragged batches, every dtype and block
// size, segment edges, and memory poisoned with NaN.
#include "engine/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/attention_harness.h"

namespace plumbline::attention_test {
namespace {

constexpr int kBlockSizes[] = {1, 7, 15, 16, 17, 48, 100, 256};
constexpr int kThreads[] = {1, 2, 8};

// Decode spans whose contexts end around the edges of stretches, segments and key groups, and
// prompt chunks that cross them: each of another sequence.
const std::vector<StepSpan>& RaggedSpans() {
  static const std::vector<StepSpan> spans = {
      {0, 254, 1},  {1, 0, 1},   {2, 255, 1},   {3, 0, 70},    {4, 256, 1},
      {5, 250, 20}, {6, 510, 1}, {7, 500, 9},   {8, 512, 1},   {9, 1099, 1},
      {10, 15, 17}, {11, 16, 1}, {12, 1023, 1}, {13, 1020, 9}, {14, 2049, 1}};
  return spans;
}

class AttentionTest : public testing::TestWithParam<AttentionParam> {
 protected:
  void SetUp() override { SkipWithoutForm(Shape(1)); }
  static AttentionShape Shape(int threads) {
    const HeadShape& heads = std::get<1>(GetParam());
    return {heads.heads, heads.kv_heads, heads.head_dim, threads, std::get<2>(GetParam())};
  }
  static std::vector<AttentionSequence> Sequences(const std::vector<StepSpan>& spans) {
    std::vector<AttentionSequence> sequences;
    for (const StepSpan& span : spans) {
      const auto seed = static_cast<uint64_t>(span.sequence) + 7;
      sequences.push_back(RandomAttentionSequence(Shape(1), span.first + span.count, seed));
    }
    return sequences;
  }
  static AttentionHarnessOptions Options(int block_tokens, int threads) {
    AttentionHarnessOptions options;
    options.shape = Shape(threads);
    options.dtype = std::get<0>(GetParam());
    options.block_tokens = block_tokens;
    options.seed = static_cast<uint64_t>(block_tokens) * 31 + static_cast<uint64_t>(threads);
    return options;
  }
};

// Holds one step's rows against the references of its spans.
void ExpectWithinBounds(const AttentionHarness& harness, const AttentionStep& step,
                        const std::vector<AttentionResult>& references) {
  for (size_t i = 0; i < references.size(); ++i) {
    const BatchSpan& span = step.batch.spans[i];
    const auto rows = absl::MakeConstSpan(step.out).subspan(harness.OutputBytes(span.row),
                                                            harness.OutputBytes(span.count));
    EXPECT_LE(WorstAttentionRatio(references[i], harness.options().out_dtype, rows,
                                  InForm(harness.options().shape.form)),
              1.0)
        << "span " << i;
  }
}

TEST_P(AttentionTest, MatchesDenseAttentionWhateverTheBlocks) {
  const std::vector<StepSpan>& spans = RaggedSpans();
  const std::vector<AttentionSequence> sequences = Sequences(spans);
  std::vector<AttentionResult> references;
  {
    const AttentionHarness plain(Options(16, 1), sequences);
    for (const StepSpan& span : spans) references.push_back(plain.Reference(span));
  }
  size_t turn = 0;
  for (const int block_tokens : kBlockSizes) {
    const int threads = kThreads[turn++ % std::size(kThreads)];
    SCOPED_TRACE(testing::Message() << "blocks of " << block_tokens << ", threads " << threads);
    AttentionHarnessOptions options = Options(block_tokens, threads);
    if (block_tokens == 48 || block_tokens == 100) options.out_dtype = WeightDtype::kBf16;
    AttentionHarness harness(options, sequences);
    ExpectWithinBounds(harness, harness.Run(spans), references);
  }
}

TEST_P(AttentionTest, NoticesAKeyTooFewAndAKeyTooMany) {
  const std::vector<StepSpan> spans = {{0, 40, 1}};
  AttentionHarness harness(Options(16, 1), {RandomAttentionSequence(Shape(1), 43, 3)});
  const AttentionStep step = harness.Run(spans);
  AttentionResult reference = harness.Reference(spans[0]);
  EXPECT_LE(WorstAttentionRatio(reference, WeightDtype::kF32, step.out, InForm(Shape(1).form)),
            1.0);
  for (const int shift : {-1, 1}) {
    harness.WriteUpTo(0, 43);
    // The span's queries, but one key fewer or one more.
    AttentionSequence moved = harness.sequence(0);
    const auto width = static_cast<ptrdiff_t>(Shape(1).heads) * Shape(1).head_dim;
    std::copy_n(harness.sequence(0).queries.begin() + 40 * width, width,
                moved.queries.begin() + (40 + shift) * width);
    const AttentionHarness other(Options(16, 1), {moved});
    EXPECT_GT(WorstAttentionRatio(other.Reference({0, 40 + shift, 1}), WeightDtype::kF32, step.out),
              1.0)
        << shift;
  }
}

// Law 1 (c), for tokens of the same chunk: they are in the cache when the earlier ones attend.
TEST_P(AttentionTest, LaterTokensOfTheChunkNeverMatter) {
  const int tokens = 275;
  const std::vector<StepSpan> spans = {{0, 0, tokens}};
  const AttentionSequence sequence = RandomAttentionSequence(Shape(1), tokens, 5);
  for (const int block_tokens : {7, 16}) {
    AttentionHarness clean(Options(block_tokens, 2), {sequence});
    const AttentionStep expected = clean.Run(spans);
    for (const int planted : {1, 14, 15, 16, 255, 256, 270}) {
      AttentionHarness harness(Options(block_tokens, 2), {sequence});
      const auto width = static_cast<size_t>(Shape(1).kv_heads) * Shape(1).head_dim;
      for (size_t i = 0; i < width; ++i) {
        const size_t element = static_cast<size_t>(planted) * width + i;
        harness.sequence(0).values[element] = std::numeric_limits<float>::quiet_NaN();
        harness.sequence(0).keys[element] = std::numeric_limits<float>::quiet_NaN();
      }
      const AttentionStep step = harness.Run(spans);
      const size_t earlier = harness.OutputBytes(planted);
      EXPECT_TRUE(std::equal(step.out.begin(), step.out.begin() + static_cast<ptrdiff_t>(earlier),
                             expected.out.begin()))
          << planted;
      EXPECT_FALSE(std::equal(step.out.begin(), step.out.end(), expected.out.begin())) << planted;
    }
  }
}

// A fault in what a row does see must show, not vanish: the sampler refuses NaN logits.
TEST_P(AttentionTest, VisibleNaNReachesTheOutput) {
  const int tokens = 600;
  for (const int planted : {0, 255, 256, 598}) {
    for (const bool key : {false, true}) {
      AttentionSequence sequence = RandomAttentionSequence(Shape(1), tokens, 6);
      const auto width = static_cast<size_t>(Shape(1).kv_heads) * Shape(1).head_dim;
      std::vector<float>& stored = key ? sequence.keys : sequence.values;
      for (size_t i = 0; i < width; ++i) {
        stored[static_cast<size_t>(planted) * width + i] = std::numeric_limits<float>::quiet_NaN();
      }
      AttentionHarness harness(Options(16, 2), {sequence});
      const AttentionStep step = harness.Run({{0, tokens - 1, 1}});
      std::vector<float> out(step.out.size() / sizeof(float));
      std::memcpy(out.data(), step.out.data(), step.out.size());
      for (const float value : out) ASSERT_TRUE(std::isnan(value)) << planted << key;
    }
  }
}

// MHA, GQA, MQA; head sizes below, at and above the vector's and the tile's widths; groups larger
// than a tile of rows.
constexpr HeadShape kShapes[] = {{4, 4, 8},  {4, 4, 64},  {3, 3, 17},  {2, 2, 128},
                                 {6, 2, 2},  {6, 2, 80},  {8, 1, 17},  {8, 1, 64},
                                 {16, 1, 8}, {16, 1, 80}, {4, 1, 128}, {200, 1, 2}};
constexpr HeadShape kTiledShapes[] = {
    {2, 2, 32}, {4, 4, 64}, {6, 2, 96}, {16, 1, 64}, {40, 1, 128}};
INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionTest,
    testing::Combine(testing::Values(KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16, KvDtype::kInt8),
                     testing::ValuesIn(kShapes), testing::Values(AttentionForm::kVectors)),
    AttentionParamName);

// Heads of one, two and three runs; micro-tiles of one tile register and of two, not full too.
INSTANTIATE_TEST_SUITE_P(Tiles, AttentionTest,
                         testing::Combine(testing::Values(KvDtype::kBf16),
                                          testing::ValuesIn(kTiledShapes),
                                          testing::Values(AttentionForm::kTiles)),
                         AttentionParamName);
// The same in vectors of pairs: blocks of one to six rows.
INSTANTIATE_TEST_SUITE_P(Pairs, AttentionTest,
                         testing::Combine(testing::Values(KvDtype::kBf16),
                                          testing::ValuesIn(kTiledShapes),
                                          testing::Values(AttentionForm::kPairs)),
                         AttentionParamName);

}  // namespace
}  // namespace plumbline::attention_test
