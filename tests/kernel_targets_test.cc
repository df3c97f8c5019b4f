// The kernels once for every instruction set that was compiled in and runs here. A native build
// has the best one alone; a portable build has several.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/attention_kernels.h"
#include "engine/kv_convert.h"
#include "engine/ops.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "tests/support/attention_harness.h"
#include "tests/support/every_target.h"
#include "tests/support/float_format.h"
#include "tests/support/row_values.h"

namespace plumbline::kernel_targets_test {
namespace {

class KernelTargetsTest : public EveryTargetTest {};

TEST_P(KernelTargetsTest, MatchDenseAttention) {
  EXPECT_EQ(std::string(AttentionKernelTarget()), hwy::TargetName(GetParam()));
  const std::vector<StepSpan> spans = {{0, 270, 1}, {1, 0, 40}, {2, 250, 14}};
  for (const KvDtype dtype : {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16, KvDtype::kInt8}) {
    for (const int head_dim : {2, 17, 64}) {
      for (const int block_tokens : {16, 7}) {
        AttentionHarnessOptions options;
        options.shape = {6, 2, head_dim, 2};
        options.dtype = dtype;
        options.block_tokens = block_tokens;
        std::vector<AttentionSequence> sequences;
        sequences.reserve(spans.size());
        for (const StepSpan& span : spans) {
          sequences.push_back(RandomAttentionSequence(options.shape, span.first + span.count, 1));
        }
        AttentionHarness harness(options, sequences);
        const AttentionStep step = harness.Run(spans);
        for (size_t i = 0; i < spans.size(); ++i) {
          const auto rows = absl::MakeConstSpan(step.out).subspan(
              harness.OutputBytes(step.batch.spans[i].row), harness.OutputBytes(spans[i].count));
          EXPECT_LE(WorstAttentionRatio(harness.Reference(spans[i]), WeightDtype::kF32, rows), 1.0)
              << KvDtypeName(dtype) << ", head size " << head_dim << ", span " << i;
        }
      }
    }
  }
}

// Rows of every width from every start: tails are where instruction sets differ most.
TEST_P(KernelTargetsTest, ConvertRowsOfEveryWidthAndStart) {
  for (const KvDtype dtype : {KvDtype::kF16, KvDtype::kBf16}) {
    for (int width = 1; width <= 40; ++width) {
      const std::vector<float> from = NormalValues(width + 1, 3, 1.0F);
      for (const int start : {0, 1}) {
        const int count = width + 1 - start;
        std::vector<uint16_t> stored(static_cast<size_t>(count));
        auto* bytes = reinterpret_cast<std::byte*>(stored.data());
        NarrowFromF32(dtype, from.data() + start, count, bytes);
        std::vector<float> wide(stored.size());
        WidenToF32(dtype, bytes, count, wide.data());
        for (size_t i = 0; i < wide.size(); ++i) {
          ASSERT_EQ(wide[i], RoundToFormat(FormatOf(dtype), from[i + static_cast<size_t>(start)]))
              << width;
        }
      }
    }
  }
}

TEST_P(KernelTargetsTest, ConvertInt8RowsOfEveryWidthAndStart) {
  for (int width = 1; width <= 40; ++width) {
    const std::vector<float> from = NormalValues(width + 1, 3, 1.0F);
    for (const int start : {0, 1}) {
      const int count = width + 1 - start;
      const float scale = Int8Scale(from.data() + start, count);
      std::vector<std::byte> stored(static_cast<size_t>(count));
      NarrowToInt8(from.data() + start, count, scale, stored.data());
      std::vector<float> wide(stored.size());
      WidenToF32(KvDtype::kInt8, stored.data(), count, wide.data());
      for (size_t i = 0; i < wide.size(); ++i) {
        ASSERT_EQ(wide[i], std::nearbyint(from[i + static_cast<size_t>(start)] / scale)) << width;
      }
    }
  }
}

TEST_P(KernelTargetsTest, RowsDoNotDependOnTheirStart) {
  for (int width = 1; width <= 40; ++width) {
    const std::vector<float> row = NormalValues(2 * width, 4, 1.0F);
    const NormParams norm = {NormKind::kLayer, 1e-5F, row.data(), row.data() + width};
    std::vector<std::vector<double>> results;
    for (const size_t start : {0, 1, 3}) {
      std::vector<float> moved(start + row.size());
      std::copy(row.begin(), row.end(), moved.begin() + static_cast<ptrdiff_t>(start));
      OutputRow active(width, WeightDtype::kBf16);
      Activate(FeedForwardKind::kSwiGlu, width, moved.data() + start, row.data(),
               WeightDtype::kBf16, active.data());
      OutputRow normed(width, WeightDtype::kF32);
      NormRow(norm, width, moved.data() + start, WeightDtype::kF32, normed.data());
      std::vector<double>& result = results.emplace_back();
      for (size_t i = 0; i < static_cast<size_t>(width); ++i) {
        result.push_back(active.Value(i));
        result.push_back(normed.Value(i));
      }
      EXPECT_TRUE(active.GuardIsIntact() && normed.GuardIsIntact()) << width;
    }
    EXPECT_EQ(results[1], results[0]) << width;
    EXPECT_EQ(results[2], results[0]) << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, KernelTargetsTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), TargetNameOf);

}  // namespace
}  // namespace plumbline::kernel_targets_test
