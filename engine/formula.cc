#include "engine/formula.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formula_rows.h"

namespace plumbline {
namespace {

std::array<absl::Span<const Formula>, 5> Themes() {
  return {Article1WorkFormulas(), Article1LimitFormulas(), Article2Formulas(),
          DerivedWorkFormulas(), DerivedByteFormulas()};
}

bool Contains(absl::Span<const absl::string_view> names, absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What is wrong with the arguments, or empty.
std::string Problem(const Formula& formula, absl::Span<const Argument> arguments) {
  const std::vector<absl::string_view> needed = FormulaVariables(formula);
  std::vector<absl::string_view> given;
  for (const auto& [name, value] : arguments) {
    if (!Contains(needed, name)) return absl::StrCat("it has no ", name);
    if (Contains(given, name)) return absl::StrCat(name, " is given twice");
    if (!std::isfinite(value.value) || value.value < 0) {
      return absl::StrCat(name, " is ", value.value, ", not a finite number from 0 up");
    }
    given.push_back(name);
  }
  for (const absl::string_view name : needed) {
    if (!Contains(given, name)) return absl::StrCat(name, " is missing");
  }
  return "";
}

absl::Status Error(const Formula& formula, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(formula.id, ": ", problem, "; it needs ",
                                                 DescribeVariables(formula), ", each from 0 up"));
}

}  // namespace

std::vector<const Formula*> AllFormulas() {
  std::vector<const Formula*> all;
  for (const absl::Span<const Formula> theme : Themes()) {
    for (const Formula& formula : theme) all.push_back(&formula);
  }
  return all;
}

const Formula* FindFormula(absl::string_view id) {
  for (const absl::Span<const Formula> theme : Themes()) {
    for (const Formula& formula : theme) {
      if (formula.id == id) return &formula;
    }
  }
  return nullptr;
}

std::vector<absl::string_view> FormulaVariables(const Formula& formula) {
  return NeededNames(formula.expression);
}

std::string DescribeVariables(const Formula& formula) {
  return absl::StrJoin(FormulaVariables(formula), ", ", [](std::string* out, auto name) {
    const Symbol* symbol = FindSymbol(name);
    absl::StrAppend(out, name);
    if (symbol != nullptr) absl::StrAppend(out, " (", symbol->unit, ")");
  });
}

absl::string_view SourceName(FormulaSource source) {
  constexpr absl::string_view kNames[] = {"article 1", "article 2", "derived"};
  return kNames[static_cast<size_t>(source)];
}

absl::string_view UnitName(Unit unit) {
  constexpr absl::string_view kNames[] = {
      "MAC",    "operations", "FLOPs",    "bytes",   "GiB",      "pairs",
      "tokens", "positions",  "elements", "weights", "steps",    "seconds",
      "ms",     "tokens/s",   "percent",  "times",   "as given", "up to a constant",
  };
  static_assert(std::size(kNames) == static_cast<size_t>(Unit::kProportional) + 1);
  return kNames[static_cast<size_t>(unit)];
}

absl::StatusOr<Bounded> EvaluateFormula(const Formula& formula,
                                        absl::Span<const Argument> arguments) {
  const std::string problem = Problem(formula, arguments);
  if (!problem.empty()) return Error(formula, problem);
  const absl::StatusOr<Bounded> value = Evaluate(formula.expression, arguments);
  if (!value.ok()) return Error(formula, value.status().message());
  if (value->value < 0) return Error(formula, absl::StrCat("it comes to ", value->value));
  return *value;
}

absl::StatusOr<Bounded> EvaluateFormula(absl::string_view id,
                                        absl::Span<const Argument> arguments) {
  const Formula* formula = FindFormula(id);
  if (formula == nullptr) return absl::NotFoundError(absl::StrCat("there is no formula ", id));
  return EvaluateFormula(*formula, arguments);
}

bool CountsWork(const Formula& formula) {
  return formula.unit == Unit::kMacs || !formula.mac_expression.empty();
}

absl::StatusOr<Work> WorkOf(const Formula& formula, const Bounded& value,
                            absl::Span<const Argument> arguments) {
  absl::StatusOr<Bounded> macs = value;
  if (formula.unit != Unit::kMacs) macs = Evaluate(formula.mac_expression, arguments);
  if (!macs.ok()) return Error(formula, macs.status().message());
  const Work work = {*macs, value + *macs};  // the other operations are value - macs
  if (!std::isfinite(work.flops.value)) return Error(formula, "its FLOPs overflow");
  return work;
}

}  // namespace plumbline
