// Expressions and the error bounds of their values.
#include "engine/expression.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::expression_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

double ValueOf(absl::string_view text) {
  const absl::StatusOr<Bounded> value = Evaluate(text, {{"n", {8}}, {"d_k", {3}}});
  EXPECT_TRUE(value.ok()) << text << ": " << value.status();
  return value.ok() ? value->value : std::numeric_limits<double>::quiet_NaN();
}

TEST(ExpressionTest, FollowsTheRulesOfArithmetic) {
  EXPECT_EQ(ValueOf("1 + 2*3"), 7);
  EXPECT_EQ(ValueOf("(1 + 2)*3"), 9);
  EXPECT_EQ(ValueOf("10 - 4 - 3"), 3);
  EXPECT_EQ(ValueOf("100/10/2"), 5);
  EXPECT_EQ(ValueOf("7/2"), 3.5);
  EXPECT_EQ(ValueOf("2*n^2"), 128);
  EXPECT_EQ(ValueOf("n^3/n"), 64);
  EXPECT_EQ(ValueOf("-n + 2*-d_k"), -14);
  EXPECT_EQ(ValueOf("n*(d_k - 1)"), 16);
  EXPECT_EQ(ValueOf("1.5e9 + 2e3"), 1500002000.0);
  EXPECT_EQ(ValueOf("min(n, 3) + max(n, 3) + floor(7/2) + ceil(7/2) + sqrt(16) + log2(n)"), 25);
}

TEST(ExpressionTest, CallsFormulasByName) {
  EXPECT_EQ(ValueOf("A1_PAIRS(n=10)"), 100);
  EXPECT_EQ(ValueOf("A1_PAIRS(n)"), 64);
  EXPECT_EQ(ValueOf("A1_SCORES_MULS(d_k, n=2*n)/2"), 384);
}

TEST(ExpressionTest, BindingsSeeThoseBefore) {
  const auto values = EvaluateBindings("a=2, b=a^2 + 1", {});
  ASSERT_TRUE(values.ok()) << values.status();
  ASSERT_EQ(values->size(), 2U);
  EXPECT_EQ((*values)[1].name, "b");
  EXPECT_EQ((*values)[1].value.value, 5);
}

TEST(ExpressionTest, NamesItsNeeds) {
  constexpr absl::string_view kText = "2e3*n + min(w, n)*A1_PAIRS(n=2*t)/D_CORE_MAC(h, e, pairs=1)";
  EXPECT_THAT(NeededNames(kText), ElementsAre("n", "w", "t", "h", "e"));
  EXPECT_THAT(CalledFormulas(kText), ElementsAre("A1_PAIRS", "D_CORE_MAC"));
}

TEST(ExpressionTest, WhatCannotBeReadIsInvalid) {
  for (const char* text : {"",
                           "1 +",
                           "(1",
                           "1)",
                           "x",
                           "1 2",
                           "n^0",
                           "n^",
                           "n^12",
                           "min(1)",
                           "min(1, 2",
                           "sqrt()",
                           "1..2",
                           "A1_PAIRS",
                           "A1_PAIRS()",
                           "A1_PAIRS(n=1, d=2)",
                           "A1_PAIRS(d=2)",
                           "A1_PAIRS(m)",
                           "A1_PAIRS(n=1",
                           "NO_SUCH(n=1)",
                           "1 $ 2",
                           "=",
                           "n=1"}) {
    const absl::StatusOr<Bounded> value = Evaluate(text, {{"n", {8}}});
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(EvaluateBindings("a=1 b=2", {}).ok());
  EXPECT_FALSE(EvaluateBindings("a", {}).ok());
}

TEST(ExpressionTest, DeepTextDoesNotExhaustTheStack) {
  EXPECT_FALSE(Evaluate(std::string(100000, '('), {}).ok());
  EXPECT_FALSE(Evaluate(std::string(100000, '-'), {}).ok());
}

TEST(ExpressionTest, ResultsMustBeFinite) {
  for (const char* text :
       {"1/0", "n/(n - n)", "1e300*1e300", "sqrt(0 - 1)", "log2(0)", "1/(1e200*1e200)", "1e400"}) {
    const absl::StatusOr<Bounded> value = Evaluate(text, {{"n", {8}}});
    EXPECT_EQ(value.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(Evaluate("1/0", {}).status().message(), HasSubstr("divides by zero"));
}

TEST(BoundedTest, KnowsWhatIsExact) {
  const auto exact = [](absl::string_view text) { return Evaluate(text, {})->exact(); };
  EXPECT_TRUE(exact("9007199254740991 - 1"));
  EXPECT_TRUE(exact("3/2 + 1/4"));
  EXPECT_TRUE(exact("sqrt(16384)"));
  EXPECT_TRUE(exact("log2(1024)"));
  EXPECT_TRUE(exact("2^9*1e15*2^9"));  // past 2^53, but with few digits
  EXPECT_FALSE(exact("0.7"));
  EXPECT_FALSE(exact("1/3"));
  EXPECT_FALSE(exact("9007199254740991*9007199254740991"));
  EXPECT_FALSE(exact("9007199254740991 + 1/2"));
  EXPECT_FALSE(exact("sqrt(2)"));
  EXPECT_FALSE(exact("log2(3)"));
  // A quotient that was rounded, but far enough from a whole number.
  EXPECT_TRUE(exact("ceil(1000/7)"));
  EXPECT_TRUE(exact("floor(sqrt(24*1e9*0.7/288))"));
}

TEST(BoundedTest, FloorAtAWholeNumberAdmitsThatItMayBeOneOff) {
  const Bounded near_five = {5, 1e-18};
  EXPECT_EQ(Floor(near_five).error, 1);
  EXPECT_EQ(Ceil(near_five).error, 1);
  EXPECT_EQ(Floor(Bounded{5, 0}).error, 0);
  EXPECT_EQ(Floor(Bounded{5.5, 0.1}).error, 0);
}

TEST(BoundedTest, ADivisorThatMayBeZeroLeavesNoBound) {
  const Bounded may_be_zero = {1e-20, 1e-19};
  EXPECT_EQ((Bounded{1} / may_be_zero).error, std::numeric_limits<double>::infinity());
  EXPECT_EQ(Log2(may_be_zero).error, std::numeric_limits<double>::infinity());
}

TEST(BoundedTest, UnderflowIsNotExact) {
  EXPECT_FALSE((Bounded{1e-200} * Bounded{1e-200}).exact());
  EXPECT_FALSE((Bounded{1e-300} / Bounded{1e300}).exact());
  EXPECT_TRUE((Bounded{0} * Bounded{1e-200}).exact());
}

// The bound holds against the same arithmetic in long double, whose own errors are 2048 times
// smaller, and is not absurdly wide.
TEST(BoundedTest, BoundsHoldForRandomArithmetic) {
  constexpr uint32_t kSeed = 20240601;
  std::mt19937 random(kSeed);
  std::uniform_real_distribution<double> real(0.01, 100);
  for (int round = 0; round < 2000; ++round) {
    Bounded value = {real(random)};
    long double exact = value.value;
    for (int step = 0; step < 8; ++step) {
      const double other = real(random);
      switch (random() % 5) {
        case 0:
          value = value + Bounded{other};
          exact += other;
          break;
        case 1:
          value = value - Bounded{other};
          exact -= other;
          break;
        case 2:
          value = value * Bounded{other};
          exact *= other;
          break;
        case 3:
          value = value / Bounded{other};
          exact /= other;
          break;
        default:
          value = Sqrt(value * value + Bounded{other});
          exact = std::sqrt(exact * exact + static_cast<long double>(other));
      }
    }
    const auto off = static_cast<double>(std::abs(exact - static_cast<long double>(value.value)));
    const double reference_error = 1e-18 * std::abs(value.value);
    EXPECT_LE(off, value.error * 1.001 + reference_error)
        << "seed " << kSeed << ", round " << round;
  }
}

}  // namespace
}  // namespace plumbline::expression_test
