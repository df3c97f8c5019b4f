// Law 2 for attention: the counters that the kernels bump equal the closed forms to the unit, and
// a skipped, repeated or padded tile moves the measured side alone.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/cost_model.h"
#include "gtest/gtest.h"
#include "tests/support/attention_harness.h"

namespace plumbline::attention_work_test {
namespace {

constexpr int kScores = static_cast<int>(WorkClass::kScores);
constexpr int kValues = static_cast<int>(WorkClass::kWeightedValues);

struct Param {
  int heads;
  int kv_heads;
  int head_dim;
  KvDtype dtype;
  int block_tokens;
  int threads;
  AttentionForm form = AttentionForm::kVectors;
};

// The formula column for the scores and values of one layer.
struct Formula {
  std::vector<MacCounts> spans;
  ByteCounts bytes = {};
  int64_t softmax_pairs = 0;
};

Formula FormulaFor(const AttentionHarnessOptions& options, const std::vector<StepSpan>& spans) {
  CostShape shape;
  shape.L = 1;
  shape.h = options.shape.heads;
  shape.g = options.shape.kv_heads;
  shape.e = options.shape.head_dim;
  shape.cache_bytes = KvDtypeBytes(options.dtype);
  shape.cache_scale_bytes = KvScaleBytes(options.dtype);
  shape.block_tokens = options.block_tokens;
  shape.attention = options.shape.form;
  Formula formula;
  std::vector<SpanShape> shapes;
  for (const StepSpan& span : spans) {
    shapes.push_back({span.first, span.count, 0});
    formula.spans.push_back(SpanMacs(shape, shapes.back()));
    formula.softmax_pairs += SpanSoftmaxPairs(shape, shapes.back());
  }
  formula.bytes = StepBytes(shape, shapes);
  return formula;
}

class AttentionWorkTest : public testing::TestWithParam<Param> {
 protected:
  void SetUp() override { SkipWithoutForm(options_.shape); }
  AttentionWorkTest() {
    const Param& param = GetParam();
    options_.shape = {param.heads, param.kv_heads, param.head_dim, param.threads, param.form};
    options_.dtype = param.dtype;
    options_.block_tokens = param.block_tokens;
    for (const StepSpan& span : spans_) {
      // One token more than the spans use, for the padded batch.
      sequences_.push_back(RandomAttentionSequence(options_.shape, span.first + span.count + 1,
                                                   static_cast<uint64_t>(span.sequence)));
    }
  }

  // Runs a batch that was prepared as another, `times` times; counts it against `spans_`.
  StepWork RunFaulty(const std::vector<StepSpan>& prepared, const std::vector<StepSpan>& run,
                     int times) {
    AttentionHarness harness(options_, sequences_);
    for (const StepSpan& span : run) harness.WriteUpTo(span.sequence, span.first + span.count);
    const StepBatch batch = harness.MakeBatch(run);
    const std::vector<float> queries = harness.MakeQueries(run);
    std::vector<std::byte> out(harness.OutputBytes(batch.num_tokens()));
    StepWork work;
    work.Reset(static_cast<int>(run.size()));
    harness.attention().Prepare(harness.MakeBatch(prepared));
    for (int i = 0; i < times; ++i) {
      harness.attention().Run(batch, harness.store(), AttentionHarness::kLayer, queries.data(),
                              harness.query_stride(), WeightDtype::kF32, out.data(), &work);
    }
    return work;
  }

  const std::vector<StepSpan> spans_ = {{0, 20, 1}, {1, 0, 1},    {2, 511, 1},
                                        {3, 0, 97}, {4, 240, 70}, {5, 600, 33}};
  AttentionHarnessOptions options_;
  std::vector<AttentionSequence> sequences_;
};

TEST_P(AttentionWorkTest, CountersEqualTheFormulas) {
  AttentionHarness harness(options_, sequences_);
  for (const StepSpan& span : spans_) harness.WriteUpTo(span.sequence, span.first);
  const AttentionStep step = harness.Run(spans_);
  const Formula formula = FormulaFor(options_, spans_);
  for (size_t i = 0; i < spans_.size(); ++i) {
    for (const int work_class : {kScores, kValues}) {
      EXPECT_EQ(step.work.spans[i].useful[work_class], formula.spans[i].useful[work_class]) << i;
      EXPECT_EQ(step.work.spans[i].executed[work_class], formula.spans[i].executed[work_class])
          << i;
    }
  }
  EXPECT_EQ(step.work.softmax_pairs, formula.softmax_pairs);
  // The formula's bytes are of reads and writes.
  EXPECT_EQ(step.work.bytes[kScores] + step.written_key_bytes, formula.bytes[kScores]);
  EXPECT_EQ(step.work.bytes[kValues] + step.written_value_bytes, formula.bytes[kValues]);
}

TEST_P(AttentionWorkTest, ARepeatedLayerMovesTheMeasuredSideAlone) {
  const Formula formula = FormulaFor(options_, spans_);
  const StepWork once = RunFaulty(spans_, spans_, 1);
  const StepWork twice = RunFaulty(spans_, spans_, 2);
  for (size_t i = 0; i < spans_.size(); ++i) {
    EXPECT_EQ(once.spans[i].useful[kScores], formula.spans[i].useful[kScores]);
    EXPECT_EQ(twice.spans[i].useful[kScores], 2 * formula.spans[i].useful[kScores]);
    EXPECT_EQ(twice.spans[i].executed[kValues], 2 * formula.spans[i].executed[kValues]);
  }
  EXPECT_EQ(twice.bytes[kScores], 2 * once.bytes[kScores]);
  EXPECT_EQ(twice.softmax_pairs, 2 * formula.softmax_pairs);
}

TEST_P(AttentionWorkTest, ASkippedRowMovesTheMeasuredSideAlone) {
  const Formula formula = FormulaFor(options_, spans_);
  std::vector<StepSpan> shorter = spans_;
  --shorter.back().count;
  const StepWork work = RunFaulty(shorter, spans_, 1);
  for (const int work_class : {kScores, kValues}) {
    EXPECT_LT(work.spans.back().useful[work_class], formula.spans.back().useful[work_class]);
    EXPECT_LT(work.spans.back().executed[work_class], formula.spans.back().executed[work_class]);
    EXPECT_EQ(work.spans.front().useful[work_class], formula.spans.front().useful[work_class]);
  }
  EXPECT_LT(work.softmax_pairs, formula.softmax_pairs);
}

TEST_P(AttentionWorkTest, ASkippedSpanMovesTheMeasuredSideAlone) {
  const Formula formula = FormulaFor(options_, spans_);
  const std::vector<StepSpan> fewer(spans_.begin(), spans_.end() - 1);
  const StepWork work = RunFaulty(fewer, spans_, 1);
  EXPECT_EQ(work.spans.back(), MacCounts());
  EXPECT_NE(work.spans.back().useful[kScores], formula.spans.back().useful[kScores]);
  EXPECT_EQ(work.spans.front().useful[kScores], formula.spans.front().useful[kScores]);
}

TEST_P(AttentionWorkTest, APaddedRowMovesTheMeasuredSideAlone) {
  const Formula formula = FormulaFor(options_, spans_);
  std::vector<StepSpan> longer = spans_;
  ++longer.back().count;
  const StepWork work = RunFaulty(longer, longer, 1);
  for (const int work_class : {kScores, kValues}) {
    EXPECT_GT(work.spans.back().useful[work_class], formula.spans.back().useful[work_class]);
    EXPECT_GT(work.spans.back().executed[work_class], formula.spans.back().executed[work_class]);
    EXPECT_GT(work.softmax_pairs, formula.softmax_pairs);
    EXPECT_EQ(work.spans.front().useful[work_class], formula.spans.front().useful[work_class]);
  }
}

std::string ParamName(const testing::TestParamInfo<Param>& test) {
  const Param& p = test.param;
  return std::string(KvDtypeName(p.dtype)) + "_" + std::to_string(p.heads) + "on" +
         std::to_string(p.kv_heads) + "of" + std::to_string(p.head_dim) + "_blocks" +
         std::to_string(p.block_tokens) + "_threads" + std::to_string(p.threads) +
         (p.form == AttentionForm::kTiles ? "_tiles" : "") +
         (p.form == AttentionForm::kPairs ? "_pairs" : "");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionWorkTest,
    testing::Values(Param{4, 4, 16, KvDtype::kF32, 16, 1}, Param{6, 2, 17, KvDtype::kF16, 7, 2},
                    Param{8, 1, 64, KvDtype::kBf16, 256, 8}, Param{7, 1, 8, KvDtype::kBf16, 100, 2},
                    Param{16, 1, 8, KvDtype::kF32, 48, 8}, Param{200, 1, 4, KvDtype::kF32, 1, 2},
                    Param{6, 2, 17, KvDtype::kInt8, 7, 2}, Param{8, 2, 64, KvDtype::kInt8, 16, 2},
                    Param{2, 2, 128, KvDtype::kF16, 17, 1},
                    Param{4, 4, 32, KvDtype::kBf16, 16, 2, AttentionForm::kTiles},
                    Param{12, 4, 64, KvDtype::kBf16, 64, 1, AttentionForm::kTiles},
                    Param{36, 1, 96, KvDtype::kBf16, 7, 8, AttentionForm::kTiles},
                    Param{4, 4, 32, KvDtype::kBf16, 16, 2, AttentionForm::kPairs},
                    Param{12, 4, 64, KvDtype::kBf16, 64, 1, AttentionForm::kPairs},
                    Param{36, 1, 96, KvDtype::kBf16, 7, 8, AttentionForm::kPairs}),
    ParamName);

}  // namespace
}  // namespace plumbline::attention_work_test
