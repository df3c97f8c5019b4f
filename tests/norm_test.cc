// Norms against their definition in double. The bounds follow the operations one by one (Higham,
// Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.1: n factors of 1 + d or its
// inverse give at most 1 + gamma_n).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "engine/ops.h"
#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"
#include "tests/support/row_values.h"

namespace plumbline::norm_test {
namespace {

constexpr double kU = kUnitF32;

struct Inputs {
  NormKind kind = NormKind::kRms;
  bool with_norm_bias = false;
  int width = 0;
  std::vector<float> x, gain, bias;
};

Inputs MakeInputs(NormKind kind, int width) {
  Inputs in;
  in.kind = kind;
  in.with_norm_bias = kind == NormKind::kLayer;
  in.width = width;
  const auto seed = static_cast<uint64_t>(width);
  in.x = NormalValues(width, seed, 1.5F);
  for (float& value : in.x) value += 0.5F;  // a mean to take away
  in.gain = NormalValues(width, seed + 1000, 1.0F);
  in.bias = NormalValues(width, seed + 2000, 1.0F);
  return in;
}

NormParams Params(const Inputs& in) {
  return {in.kind, 1e-5F, in.gain.data(), in.with_norm_bias ? in.bias.data() : nullptr};
}

// What the norm of exactly `x` is, and how far an f32 computation of it may be off.
struct Expected {
  std::vector<double> y, bounds;
};

Expected ExactNorm(const Inputs& in, const std::vector<float>& x) {
  const double n = in.width;
  double mean = 0;
  double abs_mean = 0;
  for (const float value : x) {
    mean += value / n;
    abs_mean += std::abs(value) / n;
  }
  const bool layer = in.kind == NormKind::kLayer;
  if (!layer) mean = 0;
  // The mean's own error goes into every centred element, whose difference is rounded once.
  const double mean_error = layer ? Gamma(n + 1, kU) * abs_mean : 0;
  double squares = 0;
  double squares_error = 0;
  std::vector<double> errors;
  for (const float value : x) {
    const double centred = value - mean;
    errors.push_back(layer ? mean_error * (1 + kU) + kU * std::abs(centred) : 0);
    squares += centred * centred;
    squares_error += 2 * std::abs(centred) * errors.back() + errors.back() * errors.back();
  }
  // n sums, the division and the sum with epsilon; then root, inverse, and two products.
  const double total = squares / n + static_cast<double>(1e-5F);
  const double off =
      (squares_error / n * (1 + Gamma(n + 2, kU)) + Gamma(n + 2, kU) * total) / total;
  const double inverse = 1 / std::sqrt(total);
  const double largest = inverse / std::sqrt(1 - off) * (1 + Gamma(4, kU));
  Expected expected;
  for (size_t i = 0; i < x.size(); ++i) {
    const double size = std::abs(x[i] - mean);
    const double bias = in.with_norm_bias ? in.bias[i] : 0;
    const double gain = std::abs(in.gain[i]);
    const double scaled = gain * ((size + errors[i]) * largest - size * inverse);
    const double y = (x[i] - mean) * inverse * in.gain[i] + bias;
    expected.y.push_back(y);
    expected.bounds.push_back(scaled + kU * (std::abs(y) + scaled));
  }
  return expected;
}

using Param = std::tuple<NormKind, WeightDtype>;
class NormTest : public testing::TestWithParam<Param> {};

void ExpectNorm(const Inputs& in, WeightDtype dtype) {
  OutputRow out(in.width, dtype);
  NormRow(Params(in), in.width, in.x.data(), dtype, out.data());
  const Expected expected = ExactNorm(in, in.x);
  for (size_t i = 0; i < in.x.size(); ++i) {
    ASSERT_LE(std::abs(out.Value(i) - expected.y[i]),
              WithRounding(dtype, expected.y[i], expected.bounds[i]))
        << i;
  }
  EXPECT_TRUE(out.GuardIsIntact());
}

TEST_P(NormTest, MatchesTheDefinitionForEveryWidth) {
  const auto [kind, dtype] = GetParam();
  std::vector<int> widths = {255, 256, 257, 768};
  for (int width = 1; width <= 70; ++width) widths.push_back(width);
  for (const int width : widths) {
    SCOPED_TRACE(testing::Message() << "width " << width);
    const Inputs in = MakeInputs(kind, width);
    ExpectNorm(in, dtype);
    Inputs other = in;
    other.with_norm_bias = !in.with_norm_bias;
    ExpectNorm(other, dtype);
  }
}

TEST_P(NormTest, WritesFloatsInItsOwnPlace) {
  Inputs in = MakeInputs(std::get<0>(GetParam()), 70);
  OutputRow out(70, WeightDtype::kF32);
  NormRow(Params(in), 70, in.x.data(), WeightDtype::kF32, out.data());
  NormRow(Params(in), 70, in.x.data(), WeightDtype::kF32,
          reinterpret_cast<std::byte*>(in.x.data()));
  for (size_t i = 0; i < in.x.size(); ++i) EXPECT_EQ(in.x[i], out.Value(i)) << i;
}

TEST_P(NormTest, NoticesAnElementLeftOut) {
  const auto [kind, dtype] = GetParam();
  Inputs in = MakeInputs(kind, 33);
  in.x.back() = 10;  // most of the sum of squares
  Inputs shorter = in;
  shorter.width = 32;
  const std::vector<float> first(in.x.begin(), in.x.end() - 1);
  const Expected full = ExactNorm(in, in.x);
  const Expected cut = ExactNorm(shorter, first);
  EXPECT_GT(std::abs(cut.y[3] - full.y[3]), WithRounding(dtype, full.y[3], full.bounds[3]));
}

TEST_P(NormTest, NaNAndInfinityReachTheOutput) {
  const auto [kind, dtype] = GetParam();
  for (const int width : {1, 15, 16, 17, 70}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Inputs in = MakeInputs(kind, width);
      in.x.back() = bad;
      OutputRow out(width, dtype);
      NormRow(Params(in), width, in.x.data(), dtype, out.data());
      EXPECT_FALSE(std::isfinite(out.Value(static_cast<size_t>(width) - 1))) << width;
      if (std::isnan(bad)) {
        EXPECT_TRUE(std::isnan(out.Value(0))) << width;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, NormTest,
                         testing::Combine(testing::Values(NormKind::kRms, NormKind::kLayer),
                                          testing::Values(WeightDtype::kF32, WeightDtype::kBf16)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param) == NormKind::kRms
                                                  ? "Rms_"
                                                  : "Layer_") +
                                  std::string(WeightDtypeName(std::get<1>(test.param)));
                         });

}  // namespace
}  // namespace plumbline::norm_test
