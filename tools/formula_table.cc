#include "tools/formula_table.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/expression.h"

namespace plumbline {
namespace {

// Commas between groups of three of the digits before the point.
std::string WithThousands(const std::string& number) {
  const size_t whole = std::min(number.find('.'), number.size());
  std::string out;
  for (size_t i = 0; i < number.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) out.push_back(',');
    out.push_back(number[i]);
  }
  return out;
}

absl::Status In(const FormulaTable& table, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(table.id, ": ", status.message()));
}

}  // namespace

std::string FormatNumber(double value, const NumberFormat& format) {
  const std::string number = format.decimals == NumberFormat::kShortest
                                 ? absl::StrFormat("%.10g", value)
                                 : absl::StrFormat("%.*f", format.decimals, value);
  return absl::StrCat(format.thousands ? WithThousands(number) : number, format.suffix);
}

absl::StatusOr<FormulaTable> FindTable(absl::string_view id) {
  std::vector<std::string> ids;
  for (const auto& tables : {PrintedTables(), UnprintedTables()}) {
    for (const FormulaTable& table : tables) {
      const absl::string_view number = table.id.substr(0, table.id.find('_'));
      if (absl::EqualsIgnoreCase(id, table.id) || absl::EqualsIgnoreCase(id, number)) return table;
      ids.emplace_back(table.id);
    }
  }
  return absl::NotFoundError(
      absl::StrCat("there is no table \"", id, "\": there are ", absl::StrJoin(ids, ", ")));
}

absl::StatusOr<ComputedTable> Compute(const FormulaTable& table) {
  ComputedTable computed;
  for (const TableRow& row : table.rows) {
    absl::StatusOr<std::vector<Argument>> names = EvaluateBindings(row.bindings, {});
    if (names.ok()) names = EvaluateBindings(table.shared, *std::move(names));
    if (!names.ok()) return In(table, names.status());
    std::vector<std::string> cells;
    std::vector<Bounded> values;
    for (const TableColumn& column : table.columns) {
      if (column.expression.empty()) {
        cells.emplace_back(row.label);
        values.emplace_back();
        continue;
      }
      const absl::StatusOr<Bounded> value = Evaluate(column.expression, *names);
      if (!value.ok()) return In(table, value.status());
      cells.push_back(FormatNumber(value->value, column.format));
      values.push_back(*value);
    }
    computed.cells.push_back(std::move(cells));
    computed.values.push_back(std::move(values));
  }
  if (!table.footer.empty()) {
    const absl::StatusOr<Bounded> value = Evaluate(table.footer_expression, {});
    if (!value.ok()) return In(table, value.status());
    computed.footer = absl::StrCat(table.footer, FormatNumber(value->value, {}));
  }
  return computed;
}

}  // namespace plumbline
