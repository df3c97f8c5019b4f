// Each pass over a row of scores, at lengths around the vectors' widths, with guards behind it.
#include "engine/score_passes.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"

namespace plumbline::score_passes_test {
namespace {

constexpr float kGuard = 123.0F;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kLengths[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 255, 256, 257};

std::vector<float> RandomRow(int count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  std::vector<float> row(static_cast<size_t>(count));
  for (float& value : row) value = normal(random);
  return row;
}

TEST(ScorePassesTest, ScaledSoftmaxIsASoftmaxOfWhatIsVisible) {
  constexpr float kScale = 0.125F;
  for (const int visible : kLengths) {
    std::vector<float> row = RandomRow(visible, 1);
    const std::vector<float> scores = row;
    row.insert(row.end(), 20, kGuard);
    ScaledSoftmax(visible, kScale, row.data());
    double sum = 0;
    for (const float score : scores) sum += std::exp(double{kScale} * double{score});
    // Scaling is exact here. The exponent of each term loses one rounding of at most 4 units, and
    // the sum, the two exps, the inverse and the product theirs.
    const double bound =
        std::exp(2 * 4 * kUnitF32) * (1 + Gamma(visible + 2 * kFunctionUnits + 2, kUnitF32)) - 1;
    for (int i = 0; i < visible; ++i) {
      const double expected = std::exp(double{kScale} * double{scores[i]}) / sum;
      EXPECT_NEAR(row[i], expected, expected * bound) << visible << " " << i;
    }
    for (int i = visible; i < visible + 20; ++i) EXPECT_EQ(row[i], kGuard) << visible;
  }
}

TEST(ScorePassesTest, ThreePassesGiveTheBitsOfOne) {
  constexpr float kScale = 0.3F;
  for (const int visible : kLengths) {
    for (const int masked : {0, 1, 15, 40}) {
      std::vector<float> fused = RandomRow(visible + masked, 2);
      std::vector<float> passes = fused;
      ScaledSoftmax(visible, kScale, fused.data());
      ScaleScores(visible + masked, kScale, passes.data());
      MaskScores(visible, visible + masked, passes.data());
      Softmax(visible + masked, passes.data());
      EXPECT_EQ(std::memcmp(fused.data(), passes.data(), visible * sizeof(float)), 0) << visible;
      for (int i = visible; i < visible + masked; ++i) EXPECT_EQ(passes[i], 0.0F);
    }
  }
}

TEST(ScorePassesTest, MaskTouchesTheMaskedKeysAlone) {
  std::vector<float> row = {1, 2, 3, 4, kGuard};
  MaskScores(2, 4, row.data());
  EXPECT_EQ(row, (std::vector<float>{1, 2, -kInfinity, -kInfinity, kGuard}));
  MaskScores(4, 4, row.data());
  EXPECT_EQ(row[4], kGuard);
}

TEST(ScorePassesTest, ANaNAmongTheScoresMakesAllWeightsNaN) {
  for (const int planted : {0, 15, 16, 20}) {
    std::vector<float> row = RandomRow(21, 3);
    row[planted] = std::numeric_limits<float>::quiet_NaN();
    ScaledSoftmax(21, 1.0F, row.data());
    for (const float weight : row) EXPECT_TRUE(std::isnan(weight)) << planted;
  }
}

TEST(ScorePassesTest, WeightedValuesAddUp) {
  for (const int head_dim : {1, 2, 8, 15, 16, 17, 64, 80, 129}) {
    for (const int keys : {0, 1, 5, 100}) {
      const int64_t stride = head_dim + 3;
      const std::vector<float> weights = RandomRow(keys + 1, 4);
      const std::vector<float> values = RandomRow(static_cast<int>(stride) * (keys + 1), 5);
      std::vector<float> out = RandomRow(head_dim, 6);
      const std::vector<float> before = out;
      out.insert(out.end(), 20, kGuard);
      AddWeightedValues(keys, weights.data(), values.data(), stride, head_dim, out.data());
      for (int d = 0; d < head_dim; ++d) {
        double sum = before[d];
        double abs_sum = std::abs(sum);
        for (int key = 0; key < keys; ++key) {
          const double term = double{weights[key]} * double{values[key * stride + d]};
          sum += term;
          abs_sum += std::abs(term);
        }
        EXPECT_NEAR(out[d], sum, Gamma(keys + 1, kUnitF32) * abs_sum) << head_dim << " " << keys;
      }
      for (size_t i = head_dim; i < out.size(); ++i) EXPECT_EQ(out[i], kGuard);
    }
  }
}

}  // namespace
}  // namespace plumbline::score_passes_test
