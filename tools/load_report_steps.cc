// The part of a load test's report that has a formula beside it.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/load_report.h"
#include "tools/load_tables.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// At the fullest step. Measured: blocks that were held, in the store's bytes, and of them the part
// that was not waste.
std::string CacheTable(const LoadRecord& record) {
  const StepRecord* fullest = nullptr;
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const StepRecord& step : repetition.steps) {
      if (fullest == nullptr || step.blocks_used > fullest->blocks_used) fullest = &step;
    }
  }
  if (fullest == nullptr || record.block_tokens < 1) return "";
  Table table({"Cache at its fullest, bytes", "measured", "formula", "article"});
  const int64_t tokens = fullest->cached_tokens;
  const int64_t held = fullest->blocks_used * record.block_bytes;
  const int64_t wasted = fullest->waste_tokens * (record.block_bytes / record.block_tokens);
  table.AddRow({{absl::StrCat("  used, ", FormatCount(tokens), " tokens"), ""},
                Cell::Count(held - wasted),
                Cell::Count(tokens * record.token_bytes),
                Cell::Count(tokens * record.article_token_bytes)});
  table.AddRow({{absl::StrCat("  allocated, ", FormatCount(fullest->blocks_used), " blocks"), ""},
                Cell::Count(held),
                Cell::Count((tokens + fullest->waste_tokens) * record.token_bytes),
                Cell::None()});
  return table.ToString();
}

}  // namespace

std::string LoadStepsReport(const LoadRecord& record) {
  const std::vector<StepRow> rows = StepRows(record);
  if (rows.empty()) return absl::StrCat(kNoSteps, "\n");
  std::vector<std::string> headings = {"Steps"};
  for (std::string& column : StepColumns(record)) headings.push_back(std::move(column));
  Table table(headings);
  for (const StepRow& row : rows) {
    std::vector<Cell> cells = {{absl::StrCat("  ", row.label), ""}};
    for (const std::string& text : row.cells) cells.push_back(Cell::Text(text));
    table.AddRow(std::move(cells));
  }
  return absl::StrCat(table.ToString(),
                      record.target == "engine"
                          ? "predicted: the forward pass alone; a step also plans and samples\n"
                          : "",
                      "\n", CacheTable(record));
}

}  // namespace plumbline
