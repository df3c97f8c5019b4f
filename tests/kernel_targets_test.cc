// The kernels once for every instruction set that was compiled in and runs here. A native build
// has the best one alone; a portable build has several.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/attention_kernels.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "tests/support/attention_harness.h"

namespace plumbline {
namespace {

class KernelTargetsTest : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

TEST_P(KernelTargetsTest, MatchDenseAttention) {
  EXPECT_EQ(std::string(AttentionKernelTarget()), hwy::TargetName(GetParam()));
  const std::vector<StepSpan> spans = {{0, 270, 1}, {1, 0, 40}, {2, 250, 14}};
  for (const KvDtype dtype : {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16}) {
    for (const int head_dim : {2, 17, 64}) {
      for (const int block_tokens : {16, 7}) {
        AttentionHarnessOptions options;
        options.shape = {6, 2, head_dim, 2};
        options.dtype = dtype;
        options.block_tokens = block_tokens;
        std::vector<AttentionSequence> sequences;
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

INSTANTIATE_TEST_SUITE_P(Targets, KernelTargetsTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& test) { return std::string(hwy::TargetName(test.param)); });

}  // namespace
}  // namespace plumbline
