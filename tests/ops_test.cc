// Activations, rotations and rounding against their definitions in double. Bounds follow the
// operations one by one, as in norm_test.cc.
#include "engine/ops.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"
#include "tests/support/float_format.h"
#include "tests/support/row_values.h"

namespace plumbline::ops_test {
namespace {

constexpr double kU = kUnitF32;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Beyond this exponent exp(-u) leaves f32, and a gate may be taken as closed.
constexpr double kLargestExponent = 88;
// The slope of both activations is at most this anywhere (1.0998 and 1.1289).
constexpr double kSteepest = 1.13;

struct Expected {
  double y = 0;
  double bound = 0;
};

// x / (1 + exp(-u)), where u is off by a factor of 1 + gamma_roundings. exp is off by
// kFunctionUnits; the sum and the quotient are rounded.
Expected ExactGate(double x, double u, double roundings) {
  const double lost = std::abs(x) * std::exp(-kLargestExponent);
  if (u > kLargestExponent) return {x, Gamma(2, kU) * std::abs(x) + lost};
  if (u < -kLargestExponent) return {0, lost};
  const double y = x / (1 + std::exp(-u));
  const double exponent = std::exp(std::abs(u) * Gamma(roundings, kU));
  return {y, std::abs(y) * (exponent * (1 + Gamma(kFunctionUnits + 2, kU)) - 1) + lost};
}

// gate and up are exact sums with their biases; the rounding of those sums is carried through.
Expected ExactSwiGlu(double gate, double up, bool bias) {
  const Expected silu = ExactGate(gate, gate, 0);
  const double gate_error = silu.bound + (bias ? kSteepest * kU * std::abs(gate) : 0);
  const double up_error = bias ? kU * std::abs(up) : 0;
  const double y = silu.y * up;
  const double sizes = (std::abs(silu.y) + gate_error) * (std::abs(up) + up_error);
  return {y, sizes * (1 + kU) - std::abs(y)};
}

Expected ExactGelu(double x, bool bias) {
  const double u = 2 * std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  // Two products and a constant in the cube's term, one fused sum, a constant and a product.
  Expected gelu = ExactGate(x, u, 6);
  if (bias) gelu.bound += kSteepest * kU * std::abs(x);
  return gelu;
}

std::vector<float> ActivationInputs(int count, uint64_t seed) {
  std::vector<float> values = NormalValues(count, seed, 3.0F);
  const std::vector<float> special = {
      0.0F,   -0.0F,  1e-30F,  -1e-30F, 12.5F, -12.5F, 86.9F,  -86.9F, 87.1F,  -87.1F, 88.8F,
      -88.8F, 103.0F, -103.0F, 1e4F,    -1e4F, 1e13F,  -1e13F, 1e30F,  -1e30F, 3e38F,  -3e38F};
  for (size_t i = 0; i < values.size() && values.size() >= 2 * special.size(); ++i) {
    if (i % 2 == 0 && i / 2 < special.size()) values[i] = special[i / 2];
  }
  return values;
}

using Param = std::tuple<FeedForwardKind, WeightDtype>;
class ActivateTest : public testing::TestWithParam<Param> {
 protected:
  static void ExpectActivated(int ffn, bool with_bias) {
    const auto [kind, dtype] = GetParam();
    const bool swiglu = kind == FeedForwardKind::kSwiGlu;
    const std::vector<float> gates = ActivationInputs(ffn, 1);
    const std::vector<float> ups = NormalValues(ffn, 2, 1.0F);
    std::vector<float> in;
    std::vector<size_t> places;  // of the gates; of the ups as much further as the turn is long
    std::vector<size_t> turns;
    for (size_t i = 0; i < gates.size(); ++i) {
      const size_t turn = swiglu ? std::min<size_t>(32, gates.size() - i / 32 * 32) : 0;
      places.push_back(swiglu ? i / 32 * 64 + i % 32 : i);
      turns.push_back(turn);
      in.resize(std::max(in.size(), places[i] + turn + 1));
      in[places[i]] = gates[i];
      if (swiglu) in[places[i] + turn] = ups[i];
    }
    const std::vector<float> bias = NormalValues(static_cast<int>(in.size()), 3, 0.5F);
    OutputRow out(ffn, dtype);
    Activate(kind, ffn, in.data(), with_bias ? bias.data() : nullptr, dtype, out.data());
    const auto at = [&](size_t i) { return double{in[i]} + (with_bias ? bias[i] : 0.0F); };
    for (size_t i = 0; i < static_cast<size_t>(ffn); ++i) {
      const Expected expected =
          swiglu ? ExactSwiGlu(at(places[i]), at(places[i] + turns[i]), with_bias)
                 : ExactGelu(at(places[i]), with_bias);
      if (std::abs(expected.y) - expected.bound > std::numeric_limits<float>::max()) {
        ASSERT_EQ(out.Value(i), std::copysign(kInfinity, expected.y)) << at(i);
        continue;
      }
      ASSERT_LE(std::abs(out.Value(i) - expected.y),
                WithRounding(dtype, expected.y, expected.bound))
          << "of " << at(places[i]) << ", " << i << " of " << ffn;
    }
    EXPECT_TRUE(out.GuardIsIntact());
  }
};

TEST_P(ActivateTest, MatchesTheDefinitionForEveryWidth) {
  std::vector<int> widths = {172, 255, 256, 257, 768};
  for (int width = 1; width <= 70; ++width) widths.push_back(width);
  for (const int width : widths) {
    ExpectActivated(width, false);
    ExpectActivated(width, true);
  }
}

TEST_P(ActivateTest, NaNAndInfinityReachTheOutputAndNoNeighbour) {
  const auto [kind, dtype] = GetParam();
  for (const float bad : {kNaN, kInfinity}) {
    constexpr int kFfn = 21;
    std::vector<float> in(2 * kFfn, 1.0F);
    in[18] = bad;
    OutputRow out(kFfn, dtype);
    Activate(kind, kFfn, in.data(), nullptr, dtype, out.data());
    for (size_t i = 0; i < kFfn; ++i) {
      EXPECT_EQ(std::isfinite(out.Value(i)), i != 18) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ActivateTest,
                         testing::Combine(testing::Values(FeedForwardKind::kSwiGlu,
                                                          FeedForwardKind::kGelu),
                                          testing::Values(WeightDtype::kF32, WeightDtype::kBf16)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == FeedForwardKind::kSwiGlu
                                                  ? "SwiGlu_"
                                                  : "Gelu_") +
                                  std::string(WeightDtypeName(std::get<1>(test.param)));
                         });

class RotateTest : public testing::TestWithParam<PositionKind> {};

TEST_P(RotateTest, TurnsEachPairAndLeavesTheRest) {
  constexpr int kHeadDim = 72;
  for (int rope_dims = 2; rope_dims <= kHeadDim; rope_dims += 2) {
    const int pairs = rope_dims / 2;
    const std::vector<float> angles = NormalValues(pairs, 5, 2.0F);
    std::vector<float> cosines, sines;
    for (const float angle : angles) {
      cosines.push_back(std::cos(angle));
      sines.push_back(std::sin(angle));
    }
    const std::vector<float> before = NormalValues(kHeadDim, 6, 1.0F);
    std::vector<float> head = before;
    Rotate(GetParam(), rope_dims, cosines.data(), sines.data(), {1, kHeadDim, head.data()});
    for (int i = 0; i < pairs; ++i) {
      const bool neighbours = GetParam() == PositionKind::kRopeNeighbours;
      const auto first = static_cast<size_t>(neighbours ? 2 * i : i);
      const auto second = static_cast<size_t>(neighbours ? 2 * i + 1 : i + pairs);
      const double c = cosines[static_cast<size_t>(i)];
      const double s = sines[static_cast<size_t>(i)];
      const double a = before[first];
      const double b = before[second];
      // Two products and a sum each.
      EXPECT_LE(std::abs(head[first] - (a * c - b * s)),
                Gamma(2, kU) * (std::abs(a * c) + std::abs(b * s)));
      EXPECT_LE(std::abs(head[second] - (a * s + b * c)),
                Gamma(2, kU) * (std::abs(a * s) + std::abs(b * c)));
    }
    for (auto i = static_cast<size_t>(rope_dims); i < head.size(); ++i) {
      EXPECT_EQ(head[i], before[i]) << i;
    }
  }
}

TEST_P(RotateTest, TurnsHeadsSideBySideAlike) {
  constexpr int kHeads = 3;
  constexpr int kHeadDim = 70;
  const std::vector<float> cosines = NormalValues(kHeadDim / 2, 7, 1.0F);
  const std::vector<float> sines = NormalValues(kHeadDim / 2, 8, 1.0F);
  std::vector<float> all = NormalValues(kHeads * kHeadDim, 9, 1.0F);
  std::vector<float> one_by_one = all;
  Rotate(GetParam(), kHeadDim, cosines.data(), sines.data(), {kHeads, kHeadDim, all.data()});
  for (int head = 0; head < kHeads; ++head) {
    Rotate(GetParam(), kHeadDim, cosines.data(), sines.data(),
           {1, kHeadDim, one_by_one.data() + head * kHeadDim});
  }
  EXPECT_EQ(all, one_by_one);
}

TEST_P(RotateTest, NaNReachesItsPairAlone) {
  const std::vector<float> ones(4, 1.0F);
  std::vector<float> head(8, 1.0F);
  head[0] = kNaN;
  Rotate(GetParam(), 8, ones.data(), ones.data(), {1, 8, head.data()});
  const size_t partner = GetParam() == PositionKind::kRopeNeighbours ? 1 : 4;
  for (size_t i = 0; i < head.size(); ++i) {
    EXPECT_EQ(std::isnan(head[i]), i == 0 || i == partner) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Pairings, RotateTest,
                         testing::Values(PositionKind::kRopeNeighbours, PositionKind::kRopeHalves),
                         [](const auto& test) {
                           return test.param == PositionKind::kRopeHalves ? "Halves" : "Neighbours";
                         });

TEST(RoundRowTest, RoundsToNearestEvenAndKeepsNaNAndInfinity) {
  for (const auto& [dtype, format] :
       {std::pair(WeightDtype::kF32, kF32Format), std::pair(WeightDtype::kBf16, kBf16Format)}) {
    for (int count = 1; count <= 40; ++count) {
      std::vector<float> x = NormalValues(count, static_cast<uint64_t>(count), 1.0F);
      if (count > 3) x[static_cast<size_t>(count) - 3] = 1 + 0x1p-8F;  // a tie
      if (count > 1) x[static_cast<size_t>(count) - 2] = -kInfinity;
      x.back() = kNaN;
      OutputRow out(count, dtype);
      RoundRow(count, x.data(), dtype, out.data());
      for (size_t i = 0; i + 1 < x.size(); ++i) {
        EXPECT_EQ(out.Value(i), RoundToFormat(format, x[i])) << i << " of " << count;
      }
      EXPECT_TRUE(std::isnan(out.Value(x.size() - 1))) << count;
      EXPECT_TRUE(out.GuardIsIntact());
    }
  }
}

TEST(FindLargestTest, IsTheFirstOfTheLargestWhereverItStands) {
  for (int count = 1; count <= 70; ++count) {
    std::vector<float> row(static_cast<size_t>(count));
    for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i % 7) - 9;
    for (size_t place = 0; place < row.size(); ++place) {
      std::vector<float> changed = row;
      changed[place] = 3;
      changed.back() = 3;
      EXPECT_EQ(FindLargest(count, changed.data()), static_cast<int>(place));
    }
  }
  const std::vector<float> zeros = {-1, -0.0F, 0.0F};
  EXPECT_EQ(FindLargest(3, zeros.data()), 1);
}

TEST(FindLargestTest, FindsNoneBesideNaNOrInfinityOrWhereNoneIsFinite) {
  for (int count = 1; count <= 40; ++count) {
    std::vector<float> row(static_cast<size_t>(count), -kInfinity);
    EXPECT_EQ(FindLargest(count, row.data()), -1);
    for (size_t place = 0; place < row.size(); ++place) {
      std::vector<float> changed = row;
      changed[place] = -2;
      EXPECT_EQ(FindLargest(count, changed.data()), static_cast<int>(place));
      changed.assign(row.size(), 1);
      for (const float bad : {kInfinity, kNaN}) {
        changed[place] = bad;
        EXPECT_EQ(FindLargest(count, changed.data()), -1) << count << ", " << place;
      }
    }
  }
  EXPECT_EQ(FindLargest(0, nullptr), -1);
}

TEST(AddRowTest, AddsElementByElement) {
  std::vector<float> x = {1, 2, 3, kNaN};
  const std::vector<float> bias = {0.5F, -2, kInfinity, 1};
  AddRow(3, bias.data(), x.data());
  EXPECT_EQ(x[0], 1.5F);
  EXPECT_EQ(x[1], 0.0F);
  EXPECT_EQ(x[2], kInfinity);
  EXPECT_TRUE(std::isnan(x[3]));
}

}  // namespace
}  // namespace plumbline::ops_test
