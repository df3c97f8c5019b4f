#include "tools/formulas.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/formula.h"
#include "tools/formula_table.h"
#include "tools/formulas_report.h"
#include "tools/output.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// "n=1024"; the name is a view into the word.
absl::StatusOr<Argument> ParseArgument(absl::string_view word) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(word, absl::MaxSplits('=', 1));
  double value = 0;
  if (parts.first.empty() || !absl::SimpleAtod(parts.second, &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Printable(word), "\" is no value: write name=number, such as n=1024, ",
                     "d=1e9 or safety=0.7 (no commas)"));
  }
  return Argument{parts.first, FromDecimal(value)};
}

absl::StatusOr<FormulaValue> ValueOf(const Formula& formula, absl::Span<const std::string> words) {
  FormulaValue result;
  result.formula = &formula;
  for (const std::string& word : words) {
    const absl::StatusOr<Argument> argument = ParseArgument(word);
    if (!argument.ok()) return argument.status();
    result.arguments.push_back(*argument);
  }
  const absl::StatusOr<Bounded> value = EvaluateFormula(formula, result.arguments);
  if (!value.ok()) return value.status();
  result.value = *value;
  if (CountsWork(formula)) {
    const absl::StatusOr<Work> work = WorkOf(formula, *value, result.arguments);
    if (!work.ok()) return work.status();
    result.work = *work;
  }
  return result;
}

absl::StatusOr<std::string> FormulaReport(const FormulasOptions& options) {
  const std::string& id = options.words[0];
  const Formula* formula = FindFormula(absl::AsciiStrToUpper(id));
  if (formula == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no formula \"", Printable(id),
                                            "\": `plumbline formulas` lists them"));
  }
  if (options.words.size() == 1) {
    return options.json ? FormulaJson(*formula) : FormulaText(*formula);
  }
  const absl::StatusOr<FormulaValue> value =
      ValueOf(*formula, absl::MakeConstSpan(options.words).subspan(1));
  if (!value.ok()) return value.status();
  return options.json ? FormulaValueJson(*value) : FormulaValueText(*value);
}

absl::StatusOr<std::string> TableReport(const FormulasOptions& options) {
  const absl::StatusOr<FormulaTable> table = FindTable(options.table);
  if (!table.ok()) return table.status();
  const absl::StatusOr<ComputedTable> computed = Compute(*table);
  if (!computed.ok()) return computed.status();
  return options.json ? FormulaTableJson(*table, *computed) : FormulaTableText(*table, *computed);
}

absl::StatusOr<std::string> FormulasText(const FormulasOptions& options) {
  if (options.audit) {
    return options.json ? AuditJson(options.external) : AuditText(options.external);
  }
  if (!options.table.empty()) return TableReport(options);
  if (!options.words.empty()) return FormulaReport(options);
  return options.json ? FormulaListJson() : FormulaListText();
}

}  // namespace

absl::Status RunFormulas(const FormulasOptions& options, std::ostream& out) {
  const absl::StatusOr<std::string> report = FormulasText(options);
  if (!report.ok()) return report.status();
  out << *report;
  return FlushOutput(out);
}

}  // namespace plumbline
