// Law 1 for attention alone: a row's output has the same bits whatever the block size, the chunks,
// the companions and the threads. No matmul takes part, so it holds on every machine.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/attention_harness.h"

namespace plumbline::attention_bits_test {
namespace {

constexpr int kTokens = 530;  // two segment edges and a bit

struct Way {
  int block_tokens = 16;
  int chunk = kTokens;
  int threads = 1;
};

class AttentionBitsTest : public testing::TestWithParam<AttentionParam> {
 protected:
  void SetUp() override {
    SkipWithoutForm(Options({}).shape);
    if (IsSkipped()) return;
    sequence_ = RandomAttentionSequence(Options({}).shape, kTokens, 11);
    expected_ = RunAlone({});
  }
  static AttentionHarnessOptions Options(const Way& way) {
    const auto& [dtype, heads, form] = GetParam();
    AttentionHarnessOptions options;
    options.shape = {heads.heads, heads.kv_heads, heads.head_dim, way.threads, form};
    options.dtype = dtype;
    options.block_tokens = way.block_tokens;
    options.seed = static_cast<uint64_t>(way.block_tokens);
    return options;
  }
  // Outputs of every token of the sequence, run in chunks.
  std::vector<std::byte> RunAlone(const Way& way) const {
    AttentionHarness harness(Options(way), {sequence_});
    std::vector<std::byte> out;
    for (int first = 0; first < kTokens; first += way.chunk) {
      const AttentionStep step = harness.Run({{0, first, std::min(way.chunk, kTokens - first)}});
      out.insert(out.end(), step.out.begin(), step.out.end());
    }
    return out;
  }

  AttentionSequence sequence_;
  std::vector<std::byte> expected_;
};

TEST_P(AttentionBitsTest, SameWhateverTheBlocks) {
  for (const int block_tokens : {1, 7, 15, 17, 48, 64, 100, 256, 600}) {
    EXPECT_TRUE(RunAlone({block_tokens, kTokens, 1}) == expected_) << block_tokens;
  }
}

TEST_P(AttentionBitsTest, SameWhateverTheChunksAndThreads) {
  for (const int threads : {1, 2, 8}) {
    for (const int chunk : {1, 7, 64, 200, kTokens}) {
      EXPECT_TRUE(RunAlone({16, chunk, threads}) == expected_) << chunk << ", threads " << threads;
    }
    EXPECT_TRUE(RunAlone({7, 64, threads}) == expected_) << "threads " << threads;
  }
}

TEST_P(AttentionBitsTest, SameWhateverTheCompanions) {
  const std::vector<AttentionSequence> sequences = {
      RandomAttentionSequence(Options({}).shape, 300, 21), sequence_,
      RandomAttentionSequence(Options({}).shape, 40, 22)};
  for (const int threads : {1, 2, 8}) {
    for (const int block_tokens : {16, 100}) {
      AttentionHarness harness(Options({block_tokens, kTokens, threads}), sequences);
      for (const auto& [first, count] :
           {std::pair(0, 129), std::pair(129, 400), std::pair(529, 1)}) {
        // A decode step before it and a prompt chunk behind it.
        const AttentionStep step = harness.Run({{0, 299, 1}, {1, first, count}, {2, 3, 37}});
        const auto rows = absl::MakeConstSpan(step.out).subspan(harness.OutputBytes(1),
                                                                harness.OutputBytes(count));
        const auto same =
            absl::MakeConstSpan(expected_).subspan(harness.OutputBytes(first), rows.size());
        EXPECT_TRUE(rows == same) << first << ", blocks of " << block_tokens;
      }
    }
  }
}

// Many threads and few long rows: their stretches are split over the threads; one thread's are not.
TEST_P(AttentionBitsTest, SameWhetherStretchesAreSplitOrNot) {
  constexpr int kLong = 2070;  // two edges of stretches and a bit
  const AttentionSequence sequence = RandomAttentionSequence(Options({}).shape, kLong, 12);
  const std::vector<StepSpan> chunks = {{0, 1000, 50}, {0, 2030, kLong - 2030}};
  AttentionHarness alone(Options({}), {sequence});
  for (const StepSpan& chunk : chunks) {
    const AttentionStep whole = alone.Run({chunk});
    const auto expected = absl::MakeConstSpan(whole.out);
    for (const int threads : {2, 3, 8, 16}) {
      AttentionHarness harness(Options({16, 1, threads}), {sequence});
      EXPECT_TRUE(absl::MakeConstSpan(harness.Run({chunk}).out) == expected)
          << chunk.first << ", threads " << threads;
      for (const int position : {1022, 1023, 1024, 1025, 2046, 2047, 2048, 2049, kLong - 1}) {
        if (position < chunk.first || position >= chunk.first + chunk.count) continue;
        const AttentionStep step = harness.Run({{0, position, 1}});
        EXPECT_TRUE(absl::MakeConstSpan(step.out) ==
                    expected.subspan(harness.OutputBytes(position - chunk.first), step.out.size()))
            << position << ", threads " << threads;
      }
    }
  }
}

// Tasks hold one KV head or all of them, whole or split, as companions and threads have it.
TEST_P(AttentionBitsTest, SameWhetherHeadsAreTogetherOrNot) {
  for (const int threads : {1, 2}) {
    for (const int streams : {2, 12, 16, 40}) {
      AttentionHarness harness(Options({16, 1, threads}), {sequence_});
      std::vector<StepSpan> spans(static_cast<size_t>(streams));
      for (int i = 0; i < streams; ++i) spans[i].first = kTokens - 1 - i;
      const AttentionStep step = harness.Run(spans);
      for (const StepSpan& span : spans) {
        const auto row = absl::MakeConstSpan(step.out).subspan(
            harness.OutputBytes(kTokens - 1 - span.first), harness.OutputBytes(1));
        EXPECT_TRUE(row == absl::MakeConstSpan(expected_).subspan(harness.OutputBytes(span.first),
                                                                  row.size()))
            << span.first << " of " << streams << ", threads " << threads;
      }
    }
  }
}

TEST_P(AttentionBitsTest, NoticesAnotherOrderOfTheKeys) {
  // The same keys and values in another order: the same sum, but rounded otherwise.
  AttentionSequence swapped = sequence_;
  const AttentionShape shape = Options({}).shape;
  const auto width = static_cast<ptrdiff_t>(shape.kv_heads) * shape.head_dim;
  for (std::vector<float>* stored : {&swapped.keys, &swapped.values}) {
    std::swap_ranges(stored->begin(), stored->begin() + width, stored->begin() + 300 * width);
  }
  AttentionHarness harness(Options({}), {swapped});
  const AttentionStep step = harness.Run({{0, kTokens - 1, 1}});
  const auto row = absl::MakeConstSpan(expected_).subspan(harness.OutputBytes(kTokens - 1));
  EXPECT_FALSE(absl::MakeConstSpan(step.out) == row);
  EXPECT_LE(WorstAttentionRatio(harness.Reference({0, kTokens - 1, 1}), WeightDtype::kF32, row,
                                InForm(Options({}).shape.form)),
            2.0);  // both lie within a bound of the exact result
}

constexpr HeadShape kShapes[] = {{4, 4, 16}, {6, 2, 40}, {8, 1, 64}, {2, 2, 17}, {130, 1, 8}};
constexpr HeadShape kTiledShapes[] = {{2, 2, 32}, {12, 4, 64}, {12, 1, 64}, {36, 1, 96}};
INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionBitsTest,
    testing::Combine(testing::Values(KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16, KvDtype::kInt8),
                     testing::ValuesIn(kShapes), testing::Values(AttentionForm::kVectors)),
    AttentionParamName);

// Heads of one, two and three runs; micro-tiles of one tile register and of two, not full too.
INSTANTIATE_TEST_SUITE_P(Tiles, AttentionBitsTest,
                         testing::Combine(testing::Values(KvDtype::kBf16),
                                          testing::ValuesIn(kTiledShapes),
                                          testing::Values(AttentionForm::kTiles)),
                         AttentionParamName);
// The same in vectors of pairs: blocks of one to six rows.
INSTANTIATE_TEST_SUITE_P(Pairs, AttentionBitsTest,
                         testing::Combine(testing::Values(KvDtype::kBf16),
                                          testing::ValuesIn(kTiledShapes),
                                          testing::Values(AttentionForm::kPairs)),
                         AttentionParamName);

}  // namespace
}  // namespace plumbline::attention_bits_test
