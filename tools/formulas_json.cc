#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tools/formulas_report.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(absl::string_view text) { return std::string(text); }

std::string IndentedJson(const Json& json) { return json.dump(2) + "\n"; }

Json FormulaObject(const Formula& formula) {
  Json variables = Json::object();
  for (const absl::string_view name : FormulaVariables(formula)) {
    const Symbol* symbol = FindSymbol(name);
    if (symbol == nullptr) continue;
    variables[Text(name)] = {{"unit", Text(symbol->unit)}, {"meaning", Text(symbol->meaning)}};
  }
  return {{"id", Text(formula.id)},
          {"source", Text(SourceName(formula.source))},
          {"section", Text(formula.section)},
          {"formula", Text(formula.expression)},
          {"unit", Text(UnitName(formula.unit))},
          {"returns", Text(formula.returns)},
          {"conventions", Text(formula.conventions)},
          {"notes", Text(formula.notes)},
          {"variables", variables}};
}

}  // namespace

std::string FormulaListJson() {
  Json list = Json::array();
  for (const Formula* formula : AllFormulas()) list.push_back(FormulaObject(*formula));
  return IndentedJson({{"formulas", list}});
}

std::string FormulaJson(const Formula& formula) { return IndentedJson(FormulaObject(formula)); }

std::string FormulaValueJson(const FormulaValue& result) {
  Json json = FormulaObject(*result.formula);
  Json arguments = Json::object();
  for (const auto& [name, value] : result.arguments) arguments[Text(name)] = value.value;
  json["arguments"] = arguments;
  json["value"] = result.value.value;
  json["error_bound"] = result.value.error;
  if (result.work.has_value()) {
    json["macs"] = result.work->macs.value;
    json["flops"] = result.work->flops.value;
  }
  return IndentedJson(json);
}

std::string FormulaTableJson(const FormulaTable& table, const ComputedTable& computed) {
  Json columns = Json::array();
  for (const TableColumn& column : table.columns) {
    columns.push_back({{"heading", Text(column.heading)}, {"expression", Text(column.expression)}});
  }
  Json values = Json::array();
  for (size_t i = 0; i < computed.values.size(); ++i) {
    Json row = Json::array();
    for (size_t c = 0; c < table.columns.size(); ++c) {
      if (table.columns[c].expression.empty()) {
        row.push_back(computed.cells[i][c]);
      } else {
        row.push_back(computed.values[i][c].value);
      }
    }
    values.push_back(row);
  }
  return IndentedJson({{"id", Text(table.id)},
                       {"title", Text(table.title)},
                       {"notes", Text(table.notes)},
                       {"columns", columns},
                       {"cells", computed.cells},
                       {"values", values},
                       {"footer", computed.footer}});
}

}  // namespace plumbline
