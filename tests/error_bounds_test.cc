// The bounds themselves: they hold for real roundings, and they are close enough to notice faults.
#include "tests/reference/error_bounds.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/forward_bound.h"
#include "tests/reference/reference_attention.h"
#include "tests/reference/reference_model.h"
#include "tests/reference/rounder.h"
#include "tests/support/map_source.h"

namespace plumbline::error_bounds_test {
namespace {

std::vector<double> RandomValues(size_t count, uint64_t seed, double unit) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = RoundToUnit(normal(random), unit);
  return values;
}

std::vector<int32_t> Tokens(int count, int vocab) {
  std::vector<int32_t> tokens;
  tokens.reserve(count);
  for (int i = 0; i < count; ++i) tokens.push_back((i * 37 + 11) % vocab);
  return tokens;
}

TEST(RoundToUnitTest, RoundsTiesToEvenAtEachWidth) {
  EXPECT_EQ(RoundToUnit(1 + 0x1p-8, kUnitBf16), 1.0);
  EXPECT_EQ(RoundToUnit(1 + 0x3p-8, kUnitBf16), 1 + 0x1p-6);
  EXPECT_EQ(RoundToUnit(-(1 + 0x1.8p-8), kUnitBf16), -(1 + 0x1p-7));
  EXPECT_EQ(RoundToUnit(1 + 0x1p-11, kUnitF16), 1.0);
  EXPECT_EQ(RoundToUnit(1 + 0x1p-24, kUnitF32), 1.0);
  EXPECT_EQ(RoundToUnit(1 + 0x1.8p-24, kUnitF32), 1 + 0x1p-23);
  EXPECT_EQ(RoundToUnit(0.3, 0), 0.3);
}

TEST(GammaTest, GrowsWithTheTermsAndTheProbableOneMoreSlowly) {
  EXPECT_DOUBLE_EQ(Gamma(1, 0.5), 1.0);
  EXPECT_GT(Gamma(1000, kUnitF32), 1000 * kUnitF32);
  const double lambda = LambdaFor(1e5, 1e-6);
  EXPECT_NEAR(2 * std::exp(-lambda * lambda / 2) * 1e5, 1e-6, 1e-12);
  EXPECT_LT(ProbableGamma(10000, kUnitF32, lambda), Gamma(10000, kUnitF32));
}

TEST(DotErrorBoundTest, HoldsForRoundedSumsAndNoticesALostTerm) {
  for (const Precision& precision : {kF32Precision, kBf16Precision}) {
    for (const size_t inner : {1, 7, 64, 1000}) {
      const std::vector<double> w = RandomValues(inner, inner, kUnitBf16);
      const std::vector<double> x = RandomValues(inner, inner + 1, kUnitF32);
      Rounder exact = Rounder::Exact();
      Rounder nearest = Rounder::Nearest(precision);
      std::vector<double> operands;
      double abs_dot = 0;
      for (size_t i = 0; i < inner; ++i) {
        operands.push_back(nearest.Operand(x[i]));
        abs_dot += std::abs(w[i] * x[i]);
      }
      const double error = std::abs(nearest.Dot(w, operands) - exact.Dot(w, x));
      const double bound = DotErrorBound(static_cast<int64_t>(inner), abs_dot, precision);
      EXPECT_LE(error, bound) << inner;
      if (inner <= 64) {
        EXPECT_GT(std::abs(w[0] * x[0]), bound) << inner;
      }
    }
  }
}

struct AttentionInputs {
  DenseAttentionShape shape;
  std::vector<double> q, k, v;
};

// K and V as stored in bf16.
AttentionInputs RandomAttention(int heads, int kv_heads, int64_t first, int64_t rows) {
  AttentionInputs inputs;
  inputs.shape = {rows, first, first + rows, heads, kv_heads, 16, 0};
  const auto keys = static_cast<size_t>(inputs.shape.keys * kv_heads * 16);
  inputs.q = RandomValues(static_cast<size_t>(rows * heads * 16), 1, kUnitF32);
  inputs.k = RandomValues(keys, 2, kUnitBf16);
  inputs.v = RandomValues(keys, 3, kUnitBf16);
  return inputs;
}

double WorstAttentionRatio(const AttentionResult& reference, const std::vector<double>& actual,
                           const Precision& precision) {
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    worst = std::max(worst, std::abs(actual[i] - reference.out[i]) /
                                reference.ErrorBound(static_cast<int64_t>(i), precision));
  }
  return worst;
}

TEST(AttentionErrorBoundTest, HoldsForRoundedAttention) {
  for (const Precision& precision : {kF32Precision, kBf16Precision}) {
    for (const auto& [heads, kv_heads] : {std::pair(4, 4), std::pair(4, 2), std::pair(4, 1)}) {
      const AttentionInputs in = RandomAttention(heads, kv_heads, 290, 5);
      const AttentionResult reference = ReferenceAttention(in.shape, in.q, in.k, in.v);
      Rounder nearest = Rounder::Nearest(precision);
      const std::vector<double> actual = RoundedAttention(in.shape, in.q, in.k, in.v, nearest);
      EXPECT_LE(WorstAttentionRatio(reference, actual, precision), 1.0) << heads << kv_heads;
    }
  }
}

TEST(AttentionErrorBoundTest, NoticesAShiftedMaskASwappedHeadAndAWrongScale) {
  const AttentionInputs in = RandomAttention(4, 2, 20, 5);
  const AttentionResult reference = ReferenceAttention(in.shape, in.q, in.k, in.v);
  Rounder exact = Rounder::Exact();
  for (const Precision& precision : {kF32Precision, kBf16Precision}) {
    for (const int shift : {-1, 1}) {
      DenseAttentionShape shape = in.shape;
      shape.first += shift;
      EXPECT_GT(WorstAttentionRatio(reference, RoundedAttention(shape, in.q, in.k, in.v, exact),
                                    precision),
                1.0);
    }
    DenseAttentionShape shape = in.shape;
    shape.scale = 1.25 * in.shape.Scale();
    EXPECT_GT(
        WorstAttentionRatio(reference, RoundedAttention(shape, in.q, in.k, in.v, exact), precision),
        1.0);
    std::vector<double> swapped = in.k;  // the two KV heads of every token
    for (size_t row = 0; row < swapped.size(); row += 32) {
      std::swap_ranges(swapped.begin() + static_cast<int64_t>(row),
                       swapped.begin() + static_cast<int64_t>(row) + 16,
                       swapped.begin() + static_cast<int64_t>(row) + 16);
    }
    EXPECT_GT(WorstAttentionRatio(reference, RoundedAttention(in.shape, in.q, swapped, in.v, exact),
                                  precision),
              1.0);
  }
}

enum class Form : uint8_t { kF32, kBf16, kInt8Cache };

// Whole models: gpt2 or llama, KV heads.
class ForwardBoundTest : public testing::TestWithParam<std::tuple<bool, int, Form>> {
 protected:
  static ModelConfig Config() {
    const auto [gpt2, kv_heads, form] = GetParam();
    return gpt2 ? SmallGpt2(4, kv_heads) : SmallLlama(4, kv_heads);
  }
  static Precision ThePrecision() {
    switch (std::get<2>(GetParam())) {
      case Form::kF32:
        return kF32Precision;
      case Form::kBf16:
        return kBf16Precision;
      case Form::kInt8Cache:
        break;
    }
    Precision precision = kF32Precision;
    precision.stored_row_unit = kUnitStoredInt8;
    return precision;
  }
  static ReferenceModel Load(const MapSource& source) {
    absl::StatusOr<ReferenceModel> model = ReferenceModel::Load(source);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  ForwardBound Bound() const { return BoundForward(model_, tokens_, {ThePrecision()}); }

  MapSource source_ = MapSource::Random(Config(), 5);
  ReferenceModel model_ = Load(source_);
  std::vector<int32_t> tokens_ = Tokens(24, Config().vocab);
};

TEST_P(ForwardBoundTest, HoldsForARealRoundedPass) {
  Rounder nearest = Rounder::Nearest(ThePrecision());
  const double worst = Bound().WorstRatio(model_.RoundedLogits(tokens_, nearest));
  RecordProperty("worst_ratio", std::to_string(worst));
  EXPECT_GT(worst, 0.0);
  EXPECT_LE(worst, 1.0);
}

TEST_P(ForwardBoundTest, NoticesAMaskOffByOne) {
  const ForwardBound bound = Bound();
  for (const int shift : {-1, 1}) {
    Rounder nearest = Rounder::Nearest(ThePrecision());
    EXPECT_GT(bound.WorstRatio(model_.RoundedLogits(tokens_, nearest, {0, 0, shift})), 1.0)
        << shift;
  }
}

// Models with RoPE.
class RopeBoundTest : public ForwardBoundTest {};

TEST_P(RopeBoundTest, NoticesQueriesTurnedOneStepTooFarOrTooLittle) {
  const ForwardBound bound = Bound();
  for (const int shift : {-1, 1}) {
    Rounder nearest = Rounder::Nearest(ThePrecision());
    EXPECT_GT(bound.WorstRatio(model_.RoundedLogits(tokens_, nearest, {shift, 0, 0})), 1.0)
        << shift;
  }
}

// Models with two KV heads or more.
class KeyHeadBoundTest : public ForwardBoundTest {};

TEST_P(KeyHeadBoundTest, NoticesTwoKeyHeadsSwapped) {
  const ModelConfig config = Config();
  const ForwardBound bound = Bound();
  const bool fused = config.architecture == "gpt2";
  MapSource faulty = source_;
  std::vector<float>* k = faulty.Find(fused ? "blk.1.attn_qkv.weight" : "blk.1.attn_k.weight");
  ASSERT_NE(k, nullptr);
  const int64_t head = static_cast<int64_t>(config.head_dim) * config.width;
  const auto first = k->begin() + (fused ? config.heads * head : 0);
  std::swap_ranges(first, first + head, first + head);
  Rounder nearest = Rounder::Nearest(ThePrecision());
  EXPECT_GT(bound.WorstRatio(Load(faulty).RoundedLogits(tokens_, nearest)), 1.0);
}

// f32 only: an epsilon of 1e-5 lies below bf16's own roundings.
class EpsilonBoundTest : public ForwardBoundTest {};

TEST_P(EpsilonBoundTest, NoticesADroppedEpsilon) {
  const ForwardBound bound = Bound();
  MapSource faulty = source_;
  faulty.mutable_config()->norm_epsilon = 0;
  Rounder nearest = Rounder::Nearest(ThePrecision());
  EXPECT_GT(bound.WorstRatio(Load(faulty).RoundedLogits(tokens_, nearest)), 1.0);
}

TEST_P(ForwardBoundTest, CountsNaNAsInfinite) {
  const ForwardBound bound = Bound();
  std::vector<double> row = bound.logits[3];
  EXPECT_EQ(bound.WorstRatio(3, absl::MakeConstSpan(row)), 0.0);
  row[7] = std::nan("");
  EXPECT_TRUE(std::isinf(bound.WorstRatio(3, absl::MakeConstSpan(row))));
}

std::string ModelName(const testing::TestParamInfo<ForwardBoundTest::ParamType>& test) {
  const auto& [gpt2, kv_heads, form] = test.param;
  constexpr const char* kNames[] = {"F32", "Bf16", "Int8Cache"};
  return std::string(gpt2 ? "Gpt2" : "Llama") + "KvHeads" + std::to_string(kv_heads) +
         kNames[static_cast<int>(form)];
}

using testing::Bool;
using testing::Combine;
using testing::Values;
const auto kAllForms = Values(Form::kF32, Form::kBf16, Form::kInt8Cache);
INSTANTIATE_TEST_SUITE_P(Models, ForwardBoundTest, Combine(Bool(), Values(4, 2, 1), kAllForms),
                         ModelName);
INSTANTIATE_TEST_SUITE_P(Models, RopeBoundTest, Combine(Values(false), Values(4, 2, 1), kAllForms),
                         ModelName);
INSTANTIATE_TEST_SUITE_P(Models, KeyHeadBoundTest, Combine(Bool(), Values(4, 2), kAllForms),
                         ModelName);
INSTANTIATE_TEST_SUITE_P(Models, EpsilonBoundTest,
                         Combine(Bool(), Values(4, 2, 1), Values(Form::kF32)), ModelName);

}  // namespace
}  // namespace plumbline::error_bounds_test
