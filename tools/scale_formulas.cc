#include "tools/scale_formulas.h"

#include <cmath>
#include <limits>

#include "engine/formula.h"

namespace plumbline {
namespace {

constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();

double Figure(int64_t value) { return static_cast<double>(value); }

FormulaValues ShapeValues(const CostShape& s) {
  // An element's share of its scale included.
  const double cached = Figure(s.cache_bytes) + Figure(s.cache_scale_bytes) / Figure(s.e);
  return {{"L", Figure(s.L)},        {"d", Figure(s.d)},     {"h", Figure(s.h)},
          {"g", Figure(s.g)},        {"e", Figure(s.e)},     {"F", Figure(s.F)},
          {"m", Figure(s.m)},        {"vocab", Figure(s.V)}, {"b", cached},
          {"b_w", s.weight_bytes()}, {"b_c", cached},        {"weights", Figure(WeightCount(s))}};
}

LayerWork LayerWorkOf(const CostShape& shape, double rows, double pairs) {
  const auto layers = static_cast<double>(shape.L);
  return {layers * FormulaAt("D_CORE_MAC", shape, {{"pairs", pairs}}),
          layers * FormulaAt("D_PROJ_MAC", shape, {{"n", rows}}),
          layers * FormulaAt("D_FFN_MAC", shape, {{"n", rows}}),
          layers * FormulaAt("D_SOFTMAX_OPS", shape, {{"pairs", pairs}})};
}

}  // namespace

double FormulaAt(absl::string_view id, const CostShape& shape, const FormulaValues& more) {
  const Formula* formula = FindFormula(id);
  if (formula == nullptr) return kNoFigure;
  FormulaValues values = more;
  const FormulaValues own = ShapeValues(shape);
  values.insert(values.end(), own.begin(), own.end());
  std::vector<Argument> arguments;
  for (const absl::string_view name : FormulaVariables(*formula)) {
    for (const auto& [known, value] : values) {
      if (known != name) continue;
      arguments.push_back({name, FromDecimal(value)});
      break;
    }
  }
  const auto result = EvaluateFormula(*formula, arguments);
  return result.ok() ? result->value : kNoFigure;
}

LayerWork CausalPrefillWork(const CostShape& shape, double n) {
  return LayerWorkOf(shape, n, FormulaAt("D_PAIRS_CAUSAL", shape, {{"n", n}}));
}

LayerWork DecodeWork(const CostShape& shape, double t) { return LayerWorkOf(shape, 1, t); }

double FirstFrom(const std::function<double(double)>& rising) {
  double low = 0;
  double high = 0x1p30;
  if (!(rising(high) >= 0)) return std::numeric_limits<double>::infinity();
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (rising(middle) >= 0 ? high : low) = middle;
  }
  return high;
}

}  // namespace plumbline
