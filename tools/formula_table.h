// The tables of the articles (T1 to T8) and some that they do not print (X1 to X5), every cell
// computed from the catalogue (engine/formula.h) when asked for, in the articles' number formats.
#ifndef PLUMBLINE_TOOLS_FORMULA_TABLE_H_
#define PLUMBLINE_TOOLS_FORMULA_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/bounded.h"

namespace plumbline {

// How a column writes its numbers. Ties round to even, as printf does.
struct NumberFormat {
  int decimals = 0;  // kShortest: as many as ten digits need
  bool thousands = false;
  absl::string_view suffix = "";

  static constexpr int kShortest = -1;
};

struct TableColumn {
  absl::string_view heading;
  absl::string_view expression;  // over the row's names; empty: the row's label
  NumberFormat format = {};
};

struct TableRow {
  absl::string_view label;
  std::string bindings;  // "n=512, d=768": values of names (engine/expression.h)
};

struct FormulaTable {
  absl::string_view id;
  absl::string_view title;
  absl::string_view notes;
  std::vector<TableColumn> columns;
  std::vector<TableRow> rows;
  absl::string_view shared = "";  // bindings evaluated after those of each row
  absl::string_view footer = "";  // printed before the value of footer_expression
  absl::string_view footer_expression = "";
};

struct ComputedTable {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::vector<Bounded>> values;  // of the same shape; 0 for labels
  std::string footer;                        // empty: none
};

std::vector<FormulaTable> PrintedTables();    // T1 to T8
std::vector<FormulaTable> UnprintedTables();  // X1 to X5

// By its id or the part before the first "_", in any case. NotFound, naming all tables.
absl::StatusOr<FormulaTable> FindTable(absl::string_view id);

// InvalidArgument where an expression has no value.
absl::StatusOr<ComputedTable> Compute(const FormulaTable& table);
std::string FormatNumber(double value, const NumberFormat& format);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_FORMULA_TABLE_H_
