// The choice of 4-bit weights against a search in double that knows only what is tried, on every
// instruction set.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/int8_rows.h"
#include "engine/q4_rows.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "tests/support/every_target.h"
#include "tests/support/q4_weights.h"
#include "tests/support/row_values.h"

namespace plumbline::q4_quantize_test {
namespace {

double LeastBlockError(const std::vector<double>& x, int scale) {
  const int most = scale == 0 ? 0 : kInt8Most / std::abs(scale);
  double error = 0;
  for (const double value : x) {
    double least = value * value;  // q = 0
    for (int q = std::max(kQ4Least, -most); q <= std::min(kQ4Most, most); ++q) {
      least = std::min(least, (value - q * scale) * (value - q * scale));
    }
    error += least;
  }
  return error;
}

// Of the row in units of its scale: for every block the s within 1 of those that put its extreme at
// -8 and at 7, or 0.
double LeastRowError(const std::vector<float>& w, double factor) {
  double error = 0;
  for (size_t first = 0; first < w.size(); first += kQ4BlockInputs) {
    std::vector<double> x;
    for (size_t i = first; i < std::min<size_t>(w.size(), first + kQ4BlockInputs); ++i) {
      x.push_back(w[i] * factor);
    }
    const double extreme = *std::max_element(
        x.begin(), x.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    double least = LeastBlockError(x, 0);
    for (const int end : {kQ4Least, kQ4Most}) {
      const auto near = static_cast<int>(std::nearbyint(extreme / end));
      for (int scale = near - 1; scale <= near + 1; ++scale) {
        if (std::abs(scale) <= kQ4MostScale) least = std::min(least, LeastBlockError(x, scale));
      }
    }
    error += least;
  }
  return error / (factor * factor);
}

class Q4ChoiceTest : public EveryTargetTest {};

// Around a whole vector of blocks, and around the end of a block.
constexpr size_t kWidths[] = {1,   31,  32,   33,   7 * 32, 8 * 32 + 5, 15 * 32 + 31,
                              512, 513, 1024, 1100, 17 * 32};

TEST_P(Q4ChoiceTest, LosesNoMoreThanTheBestThatIsTried) {
  for (const size_t width : kWidths) {
    const std::vector<float> w = NormalValues(static_cast<int>(width), width, 1.0F);
    float most = 0;
    for (const float value : w) most = std::max(most, std::abs(value));
    double least = std::numeric_limits<double>::infinity();
    double squares = 0;
    for (const double largest : {127, 120, 112, 105, 98, 90}) {
      least = std::min(least, LeastRowError(w, largest / most));
    }
    for (const float value : w) squares += static_cast<double>(value) * value;
    Q4Row row;
    QuantizeQ4Row(w, &row);
    // A sum of 32 squares in f32 is off by 32 x 2^-24 of itself at most, and so is what is chosen
    // by it; the scale, fitted afterwards, is a float and off by 2^-24 of itself, as every weight
    // is.
    EXPECT_LE(SquareError(w, row), least * (1 + 0x1p-17) + 0x1p-46 * squares) << width;
  }
}

// An input's square is added to those before it, whatever the width of vectors: where products are
// added without rounding between, the same weights come out.
TEST_P(Q4ChoiceTest, IsTheSameOnEveryInstructionSetThatMultipliesAndAddsAtOnce) {
  constexpr int64_t kFused = HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL | HWY_NEON;
  if ((GetParam() & kFused) == 0) GTEST_SKIP() << "rounds between";
  for (const size_t width : kWidths) {
    const std::vector<float> w = NormalValues(static_cast<int>(width), 100 + width, 1.0F);
    Q4Row here, best;
    hwy::SetSupportedTargetsForTest(GetParam());
    QuantizeQ4Row(w, &here);
    hwy::SetSupportedTargetsForTest(0);
    QuantizeQ4Row(w, &best);
    EXPECT_EQ(here.scale, best.scale) << width;
    EXPECT_EQ(here.scales, best.scales) << width;
    EXPECT_EQ(here.values, best.values) << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Q4ChoiceTest,
                         testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), TargetNameOf);

}  // namespace
}  // namespace plumbline::q4_quantize_test
