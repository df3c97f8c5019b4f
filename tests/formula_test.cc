// The catalogue: every test vector of every formula, its integrity, bad input, and the cost model
// beside it.
#include "engine/formula.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/cost_model.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/json_fixture.h"

namespace plumbline::formula_test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr double kExactIntegers = 0x1p53;
// No formula takes more than 40 operations, none cancels, and each operation of ours and of the
// vectors' origin adds at most 2^-53 of the result: together less than 1e-14. 1e-12 leaves room for
// that and finds any wrong factor or term.
constexpr double kRelative = 1e-12;

std::vector<Argument> ArgumentsOf(const json& in) {
  std::vector<Argument> arguments;
  for (const auto& [name, value] : in.items()) {
    arguments.push_back({name, FromDecimal(value.get<double>())});
  }
  return arguments;
}

void ExpectVector(const std::string& id, const json& vector) {
  // The names that Argument views live in `vector`.
  const absl::StatusOr<Bounded> value = EvaluateFormula(id, ArgumentsOf(vector.at("in")));
  ASSERT_TRUE(value.ok()) << value.status();
  const double expected = vector.at("out").get<double>();
  if (std::trunc(expected) == expected && std::abs(expected) < kExactIntegers) {
    EXPECT_EQ(value->value, expected) << id << vector;
  } else {
    EXPECT_NEAR(value->value, expected, kRelative * std::abs(expected)) << id << vector;
  }
  EXPECT_LE(value->error, kRelative / 2 * std::abs(value->value)) << id;
}

TEST(FormulaTest, AllTestVectors) {
  const json fixture = ReadFixture("formulas.json");
  size_t vectors = 0;
  for (const json& formula : fixture.at("formulas")) {
    for (const json& vector : formula.at("test_vectors")) {
      ExpectVector(formula.at("id"), vector);
      ++vectors;
    }
  }
  EXPECT_EQ(fixture.at("formulas").size(), 119U);
  EXPECT_GE(vectors, 119U);
}

TEST(FormulaTest, CatalogueIsTheFixturesNoMoreNoLess) {
  const json fixture = ReadFixture("formulas.json");
  std::set<std::string> ids;
  for (const json& known : fixture.at("formulas")) {
    const std::string id = known.at("id");
    ids.insert(id);
    const Formula* formula = FindFormula(id);
    ASSERT_NE(formula, nullptr) << id;
    const std::string source = known.at("source");
    EXPECT_EQ(SourceName(formula->source), absl::StrReplaceAll(source, {{"-", " "}})) << id;
    const auto names = FormulaVariables(*formula);
    std::set<std::string> needed(names.begin(), names.end());
    std::set<std::string> given;
    for (const auto& [name, value] : known.at("test_vectors").at(0).at("in").items()) {
      given.insert(name);
    }
    EXPECT_EQ(needed, given) << id;
  }
  EXPECT_EQ(AllFormulas().size(), ids.size());
}

TEST(FormulaTest, FixtureIsTheSharedFile) {
  const auto shared = ReadShared("seed_formulas.json");
  if (!shared.has_value()) GTEST_SKIP() << "there is no ../shared/seed_formulas.json";
  json expected = json::array();
  for (const char* list : {"formulas", "derived_formulas"}) {
    for (const json& formula : shared->at(list)) {
      expected.push_back({{"id", formula.at("id")},
                          {"source", formula.at("source")},
                          {"test_vectors", formula.at("test_vectors")}});
    }
  }
  EXPECT_EQ(ReadFixture("formulas.json").at("formulas"), expected);
}

TEST(FormulaTest, RowsAreWhole) {
  std::set<absl::string_view> ids, used;
  for (const Formula* formula : AllFormulas()) {
    EXPECT_TRUE(ids.insert(formula->id).second) << formula->id << " stands twice";
    EXPECT_EQ(formula->section.empty(), formula->source == FormulaSource::kDerived);
    EXPECT_FALSE(formula->returns.empty()) << formula->id;
    for (const absl::string_view name : FormulaVariables(*formula)) {
      EXPECT_NE(FindSymbol(name), nullptr) << formula->id << " uses " << name;
      used.insert(name);
    }
    for (const absl::string_view callee : CalledFormulas(formula->expression)) {
      EXPECT_NE(FindFormula(callee), nullptr) << formula->id << " calls " << callee;
    }
    if (formula->unit == Unit::kMacs) {
      EXPECT_THAT(std::string(formula->conventions), HasSubstr("MAC")) << formula->id;
    }
  }
  for (const Symbol& symbol : Symbols()) {
    EXPECT_TRUE(used.contains(symbol.name)) << symbol.name << " is used by no formula";
    EXPECT_FALSE(symbol.unit.empty()) << symbol.name;
  }
}

// Depth of the calls below a formula; a cycle runs past the number of formulas.
size_t CallDepth(const Formula& formula, size_t depth) {
  if (depth > AllFormulas().size()) return depth;
  size_t deepest = depth;
  for (const absl::string_view id : CalledFormulas(formula.expression)) {
    deepest = std::max(deepest, CallDepth(*FindFormula(id), depth + 1));
  }
  return deepest;
}

TEST(FormulaTest, NoFormulaCallsItself) {
  for (const Formula* formula : AllFormulas()) EXPECT_LE(CallDepth(*formula, 0), 4U) << formula->id;
}

TEST(FormulaTest, EveryVariableMatters) {
  for (const Formula* formula : AllFormulas()) {
    const std::vector<absl::string_view> names = FormulaVariables(*formula);
    // Rising and falling values, so that no minimum hides a variable in both.
    for (const absl::string_view changed : names) {
      bool matters = false;
      for (const auto& [first, step] : {std::pair(3.0, 7.0), std::pair(500.0, -7.0)}) {
        std::vector<Argument> before, after;
        double next = first;
        for (const absl::string_view name : names) {
          before.push_back({name, {next}});
          after.push_back({name, {name == changed ? next * 40 : next}});
          next += step;
        }
        const auto a = EvaluateFormula(*formula, before), b = EvaluateFormula(*formula, after);
        ASSERT_TRUE(a.ok() && b.ok()) << a.status() << b.status();
        matters = matters || a->value != b->value;
      }
      // Doubling is the same at every length and width.
      EXPECT_EQ(matters, formula->id != "A2_DOUBLING") << formula->id << ", " << changed;
    }
  }
}

TEST(FormulaTest, BadInputNamesWhatIsNeeded) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::pair<std::vector<Argument>, std::string>> cases = {
      {{}, "n is missing"},
      {{{"n", {1}}}, "d is missing"},
      {{{"n", {1}}, {"d", {1}}, {"x", {1}}}, "it has no x"},
      {{{"n", {1}}, {"d", {1}}, {"n", {1}}}, "n is given twice"},
      {{{"n", {-1}}, {"d", {1}}}, "n is -1"},
      {{{"n", {inf}}, {"d", {1}}}, "n is inf"},
      {{{"n", {1}}, {"d", {nan}}}, "d is nan"},
      {{{"n", {1e200}}, {"d", {1}}}, "no finite value"},
      {{{"n", {0}}, {"d", {1}}}, "divides by zero"},
      {{{"n", {1}}, {"d", {0}}}, "divides by zero"},
  };
  for (const auto& [arguments, problem] : cases) {
    const absl::Status status = EvaluateFormula("A1_PATH_EFFICIENCY", arguments).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << problem;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(problem), HasSubstr("n (tokens), d (elements)")));
  }
  EXPECT_EQ(EvaluateFormula("A1_NO_SUCH", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(EvaluateFormula("A1_PATH_RNN_MAX", {{"n", {0}}}).status().message()),
              HasSubstr("comes to -1"));
}

TEST(FormulaTest, WorkCountsTwoFlopsForAMac) {
  const std::vector<Argument> arguments = {{"n", {1024}}, {"d", {768}}};
  const Formula* mixed = FindFormula("A1_ATTN_FLOPS");
  const Bounded value = *EvaluateFormula(*mixed, arguments);
  const Work work = *WorkOf(*mixed, value, arguments);
  EXPECT_EQ(work.macs.value, 2.0 * 1024 * 1024 * 768);
  EXPECT_EQ(work.flops.value, 4.0 * 1024 * 1024 * 768 + 3.0 * 1024 * 1024);
  const Formula* pure = FindFormula("A1_LAYER_TOTAL");
  const Bounded total = *EvaluateFormula(*pure, arguments);
  EXPECT_EQ(WorkOf(*pure, total, arguments)->flops.value, 2 * total.value);
  EXPECT_FALSE(CountsWork(*FindFormula("A2_KV_BYTES")));
  EXPECT_FALSE(CountsWork(*FindFormula("A1_SOFTMAX_OPS")));
}

CostShape OddShape() {
  CostShape shape;
  shape.L = 3;
  shape.h = 12;
  shape.g = 4;
  shape.e = 40;
  shape.d = 480;
  shape.F = 1300;
  shape.m = 3;
  shape.V = 777;
  shape.weight_dtype = WeightDtype::kBf16;
  shape.cache_bytes = 4;
  return shape;
}

double D(absl::string_view id, const std::string& values) {
  const std::string shape = "L=3, h=12, g=4, e=40, d=480, F=1300, m=3, vocab=777, ";
  const auto names = EvaluateBindings(shape, {});
  std::vector<Argument> needed = *EvaluateBindings(values, {});
  for (const Argument& argument : *names) {
    const auto wanted = FormulaVariables(*FindFormula(id));
    if (std::find(wanted.begin(), wanted.end(), argument.name) != wanted.end()) {
      needed.push_back(argument);
    }
  }
  const auto value = EvaluateFormula(id, needed);
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? value->value : -1;
}

// The engine's cost model is integers written apart; the catalogue must say the same.
TEST(FormulaTest, CostModelAgrees) {
  const CostShape shape = OddShape();
  for (const int64_t n : {1, 17, 1000}) {
    const std::string tokens = absl::StrCat("n=", n), context = absl::StrCat("t=", n);
    EXPECT_EQ(static_cast<double>(PrefillMacs(shape, n)), D("D_PREFILL_MAC", tokens));
    EXPECT_EQ(static_cast<double>(DecodeMacs(shape, n)), D("D_DECODE_MAC", context));
    EXPECT_EQ(static_cast<double>(SpanPairs({.first = 0, .count = n})),
              D("D_PAIRS_CAUSAL", tokens));
    EXPECT_EQ(static_cast<double>(KvUsedBytes(shape, n)), D("D_KV_BYTES", context + ", b=4"));
    EXPECT_EQ(static_cast<double>(KvAllocatedBytes(shape, n)),
              D("D_KV_PAGED_BYTES", context + ", b=4, page=16"));
    const std::string weights = absl::StrCat(", weights=", WeightCount(shape));
    EXPECT_EQ(static_cast<double>(DecodeFloorBytes(shape, n)),
              D("D_DECODE_BYTES", context + weights + ", b_w=2, b_c=4"));
  }
  EXPECT_EQ(static_cast<double>(WeightCount(shape)), D("D_WEIGHTS", ""));
}

TEST(FormulaTest, ArticleFiguresOfTheCostModel) {
  const CostShape shape = OddShape();
  const double L = 3, d = 480, n = 1000;
  EXPECT_EQ(ArticlePrefillMacs(shape, 1000), L * (2 * n * n * d + 12 * n * d * d));
  const auto by_class = ArticlePrefillMacsByClass(shape, 1000);
  EXPECT_EQ(by_class[static_cast<size_t>(WorkClass::kProjections)], L * 4 * n * d * d);
  EXPECT_EQ(by_class[static_cast<size_t>(WorkClass::kScores)], L * n * n * d);
  EXPECT_EQ(by_class[static_cast<size_t>(WorkClass::kWeightedValues)], L * n * n * d);
  EXPECT_EQ(by_class[static_cast<size_t>(WorkClass::kFeedForward)], L * 8 * n * d * d);
  EXPECT_EQ(by_class[static_cast<size_t>(WorkClass::kHead)], 0);
  EXPECT_EQ(ArticleDecodeMacs(shape, 1000), L * n * d);
  EXPECT_EQ(ArticleKvBytes(shape, 1000), 2 * L * n * d * 4);
}

}  // namespace
}  // namespace plumbline::formula_test
