#include "tools/formulas_report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kIdWidth = 26;
constexpr size_t kExpressionWidth = 34;
constexpr size_t kLabelWidth = 13;
constexpr double kGib = 1024.0 * 1024 * 1024;

std::string Pad(absl::string_view text, size_t width) {
  std::string cut = CutText(text, width);
  cut.append(width - DisplayWidth(cut), ' ');
  return cut;
}

// "label        text", with the text's further lines below its first.
std::string Labelled(absl::string_view label, absl::string_view text) {
  if (text.empty()) return "";
  const std::string wrapped = WrapText(text, 0, kTerminalColumns - kLabelWidth);
  std::string out = Pad(label, kLabelWidth);
  for (const char c : wrapped) {
    out.push_back(c);
    if (c == '\n') out.append(kLabelWidth, ' ');
  }
  out.resize(out.size() - kLabelWidth);
  return out;
}

std::string ErrorText(const Bounded& value) {
  return value.exact() ? "exact" : absl::StrFormat("to within %.1e", value.error);
}

// The formulas that an expression calls, and those that they call, each once.
std::vector<const Formula*> Called(const Formula& formula) {
  std::vector<const Formula*> all = {&formula};
  for (size_t i = 0; i < all.size(); ++i) {
    for (const absl::string_view id : CalledFormulas(all[i]->expression)) {
      const Formula* callee = FindFormula(id);
      if (callee != nullptr && std::find(all.begin(), all.end(), callee) == all.end()) {
        all.push_back(callee);
      }
    }
  }
  all.erase(all.begin());
  return all;
}

// "  n           tokens, of the sequence".
std::string VariableLine(absl::string_view name) {
  constexpr size_t kNameWidth = 14;
  const Symbol* symbol = FindSymbol(name);
  if (symbol == nullptr) return absl::StrCat("  ", name, "\n");
  const std::string meaning = symbol->meaning.empty() ? "" : absl::StrCat(", ", symbol->meaning);
  return absl::StrCat("  ", Pad(name, kNameWidth), symbol->unit, meaning, "\n");
}

// The value in the other units that it is often given in.
std::string OtherUnits(const Formula& formula, const Bounded& value) {
  if (formula.unit == Unit::kBytes) {
    return Labelled("", absl::StrFormat("%.6g GB (1e9), %.6g GiB (1024^3)", value.value / 1e9,
                                        value.value / kGib));
  }
  if (formula.unit == Unit::kGib) {
    return Labelled("bytes", FormatValue(value * FromDecimal(kGib)));
  }
  return "";
}

std::string WorkText(const FormulaValue& result) {
  if (!result.work.has_value()) return "";
  const bool mixed = result.formula->unit == Unit::kOperations;
  return Labelled("MAC", FormatValue(result.work->macs)) +
         Labelled("FLOPs", absl::StrCat(FormatValue(result.work->flops), "  (2 a MAC",
                                        mixed ? ", 1 for each other operation)" : ")"));
}

}  // namespace

std::string FormatValue(const Bounded& value) {
  constexpr double kInt64Range = 0x1p63;
  const bool whole = std::trunc(value.value) == value.value;
  if (value.exact() && whole && std::abs(value.value) < kInt64Range) {
    return FormatCount(static_cast<int64_t>(value.value));
  }
  return absl::StrFormat("%.12g", value.value);
}

std::string FormulaListText() {
  std::string out;
  std::optional<FormulaSource> source;
  for (const Formula* formula : AllFormulas()) {
    if (source != formula->source) {
      absl::StrAppend(&out, source.has_value() ? "\n" : "", SourceName(formula->source), ":\n");
      source = formula->source;
    }
    absl::StrAppend(&out, Pad(formula->id, kIdWidth), "  ",
                    Pad(formula->expression, kExpressionWidth), "  ", UnitName(formula->unit),
                    "\n");
  }
  absl::StrAppend(&out, "\n",
                  WrapText(absl::StrCat(AllFormulas().size(),
                                        " formulas. MAC: one multiply-accumulate; FLOPs = 2 MAC. "
                                        "GB is 1e9, GiB 1024^3 bytes. ~ marks a cut line.")),
                  "Whole, with its variables:  plumbline formulas A1_ATTN_FLOPS\n"
                  "Its value:                  plumbline formulas A1_ATTN_FLOPS n=1024 d=768\n");
  return out;
}

std::string FormulaText(const Formula& formula) {
  const std::string section = formula.section.empty() ? "" : absl::StrCat(": ", formula.section);
  std::string out = absl::StrCat(formula.id, "  (", SourceName(formula.source), section, ")\n\n");
  absl::StrAppend(&out, Labelled("formula", formula.expression));
  absl::string_view label = "with";
  for (const Formula* callee : Called(formula)) {
    absl::StrAppend(&out, Labelled(std::exchange(label, ""),
                                   absl::StrCat(callee->id, " = ", callee->expression)));
  }
  absl::StrAppend(&out,
                  Labelled("value", absl::StrCat(formula.returns, "; ", UnitName(formula.unit))),
                  Labelled("conventions", formula.conventions), Labelled("notes", formula.notes),
                  "\nVariables:\n");
  std::string call = absl::StrCat("plumbline formulas ", formula.id);
  for (const absl::string_view name : FormulaVariables(formula)) {
    absl::StrAppend(&out, VariableLine(name));
    absl::StrAppend(&call, " ", name, "=...");
  }
  absl::StrAppend(&out, "\nIts value:\n  ", WrapText(call, 4, kTerminalColumns - 2));
  return out;
}

std::string FormulaValueText(const FormulaValue& result) {
  const Formula& formula = *result.formula;
  const std::string arguments =
      absl::StrJoin(result.arguments, ", ", [](std::string* text, const Argument& argument) {
        absl::StrAppend(text, argument.name, "=", FormatValue(argument.value));
      });
  return absl::StrCat(
      WrapText(absl::StrCat(formula.id, ": ", arguments), 2), "\n",
      Labelled("formula", formula.expression),
      Labelled("value", absl::StrCat(FormatValue(result.value), " ", UnitName(formula.unit), ", ",
                                     ErrorText(result.value))),
      OtherUnits(formula, result.value), WorkText(result), Labelled("what", formula.returns),
      Labelled("conventions", formula.conventions), Labelled("notes", formula.notes));
}

std::string FormulaTableText(const FormulaTable& table, const ComputedTable& computed) {
  std::vector<std::string> headings;
  for (const TableColumn& column : table.columns) headings.emplace_back(column.heading);
  Table text(headings);
  for (const std::vector<std::string>& row : computed.cells) {
    std::vector<Cell> cells;
    cells.reserve(row.size());
    for (const std::string& cell : row) cells.push_back(Cell::Text(cell));
    text.AddRow(std::move(cells));
  }
  const std::string footer = computed.footer.empty() ? "" : absl::StrCat(computed.footer, "\n");
  return absl::StrCat(table.title, "\n\n", text.ToString(), footer, "\n",
                      WrapText(absl::StrCat(table.id, ": ", table.notes)));
}

}  // namespace plumbline
