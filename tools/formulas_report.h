// What `plumbline formulas` prints, as text of at most 80 columns and as JSON.
#ifndef PLUMBLINE_TOOLS_FORMULAS_REPORT_H_
#define PLUMBLINE_TOOLS_FORMULAS_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/formula.h"
#include "tools/formula_table.h"

namespace plumbline {

// A formula, what went in and what came out.
struct FormulaValue {
  const Formula* formula = nullptr;
  std::vector<Argument> arguments;
  Bounded value;
  std::optional<Work> work;  // where it counts work
};

// To the last unit where the value is an exact integer, else twelve digits.
std::string FormatValue(const Bounded& value);

std::string FormulaListText();
std::string FormulaListJson();
std::string FormulaText(const Formula& formula);  // what it means
std::string FormulaJson(const Formula& formula);
std::string FormulaValueText(const FormulaValue& result);
std::string FormulaValueJson(const FormulaValue& result);
// REQUIRES: `computed` is the table's own.
std::string FormulaTableText(const FormulaTable& table, const ComputedTable& computed);
std::string FormulaTableJson(const FormulaTable& table, const ComputedTable& computed);

// All claims, contradictions first, then rounded ones, then those that agree; where asked, external
// ones last. InvalidArgument where a claim cannot be recomputed.
absl::StatusOr<std::string> AuditText(bool external);
absl::StatusOr<std::string> AuditJson(bool external);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_FORMULAS_REPORT_H_
