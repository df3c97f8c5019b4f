// The table and the JSON object of `plumbline perplexity`.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "tools/json_text.h"
#include "tools/perplexity.h"
#include "tools/table.h"

namespace plumbline {
namespace {

using PerplexityObject = nlohmann::ordered_json;

constexpr double kHundred = 100;  // per cent
constexpr size_t kColumns = 8;

Cell Shown(const std::string& text) { return Cell::Text(text); }

// What a table has no room for, or nobody knows, is "-".
Cell Significant(double value) {
  return std::isfinite(value) ? Shown(absl::StrFormat("%.4g", value)) : Cell::None();
}

// They span many powers of ten.
Cell DivergenceCell(double value) {
  return std::isfinite(value) ? Shown(absl::StrFormat("%.2e", value)) : Cell::None();
}

// Two digits tell how far a figure may be off.
Cell ErrorCell(double value) {
  return std::isfinite(value) ? Shown(absl::StrFormat("%.2g", value)) : Cell::None();
}

Cell ChangeCell(double ratio) {
  return std::isfinite(ratio) ? Shown(absl::StrFormat("%+.3f%%", kHundred * (ratio - 1)))
                              : Cell::None();
}

Cell ShareCell(double share) { return Shown(absl::StrFormat("%.2f%%", kHundred * share)); }

void AddTo(const PerplexityRow& row, bool is_reference, Table* table) {
  std::vector<Cell> cells = {Cell::Text(WeightDtypeName(row.types.weights)),
                             Cell::Text(KvDtypeName(row.types.kv_dtype))};
  if (row.summary.has_value()) {
    const PerplexitySummary& summary = *row.summary;
    cells.push_back(Significant(summary.perplexity.value));
    cells.push_back(ErrorCell(summary.perplexity.error));
    if (is_reference) {
      cells.push_back(Cell::Text("reference"));
    } else {
      cells.push_back(ChangeCell(summary.ratio.value));
      cells.push_back(DivergenceCell(summary.mean_divergence.value));
      cells.push_back(DivergenceCell(summary.divergence_p99));
      cells.push_back(ShareCell(summary.equal_top_share));
    }
  }
  while (cells.size() < kColumns) cells.push_back(Cell::None());
  table->AddRow(std::move(cells));
}

std::string Head(const PerplexityResult& result) {
  const WindowLayout& layout = result.layout;
  const PerplexityWindow last = WindowAt(layout, layout.windows() - 1);
  std::string text = WrapText(
      absl::StrCat(Printable(result.name), " (", result.architecture, "), ",
                   FormatCount(layout.text_tokens), " tokens of ", Printable(result.text_name),
                   " (", FormatBytes(result.text_bytes), "), ", FormatThreads(result.threads)));
  absl::StrAppend(
      &text, WrapText(absl::StrCat(
                 FormatCount(layout.windows()), " windows of ", layout.context, " positions",
                 layout.start_tokens > 0 ? " (the first a start token)" : "", ", ", layout.stride,
                 " tokens apart: the last ", layout.stride, " of each are scored, each with ",
                 layout.context - layout.stride, " positions or more before it")));
  if (last.scored < layout.stride) {
    absl::StrAppend(&text,
                    WrapText(absl::StrCat("the last window has ", last.end - last.begin,
                                          " tokens, of which ", last.scored, " are scored")));
  }
  return text;
}

std::string Foot(const PerplexityResult& result) {
  std::string text;
  const auto line = [&text](const std::string& words) {
    absl::StrAppend(&text, WrapText(words, 2));
  };
  for (const std::string& sentence : result.left_out) line(absl::StrCat("left out: ", sentence));
  if (result.interrupted) {
    line("interrupted: each line holds the windows that were done; - where none was");
  }
  if (result.reference.summary.has_value()) {
    const PerplexitySummary& summary = *result.reference.summary;
    line(absl::StrCat(FormatCount(summary.tokens), " tokens scored in ",
                      FormatCount(summary.windows), " windows, ", FormatSeconds(result.seconds),
                      " in ", result.passes, result.passes == 1 ? " pass" : " passes",
                      " with models side by side; logits of a step take ",
                      FormatBytes(result.logit_bytes), " a model"));
  }
  line("+-: one standard error, over windows (tokens depend on their neighbours)");
  line("change: of the perplexity, against the reference over the same tokens");
  line("KL: divergence KL(reference || this) of the next token, nats; 99% lie below it");
  line("equal top: tokens where both find the same one likeliest");
  return absl::StrCat(text, AgreementText(result.agreement));
}

PerplexityObject RowJson(const PerplexityRow& row) {
  PerplexityObject json;
  json["weights"] = std::string(WeightDtypeName(row.types.weights));
  json["kv_dtype"] = std::string(KvDtypeName(row.types.kv_dtype));
  json["windows"] = row.summary.has_value() ? row.summary->windows : 0;
  if (!row.summary.has_value()) return json;
  const PerplexitySummary& summary = *row.summary;
  json["tokens"] = summary.tokens;
  json["perplexity"] = FiniteOrNull(summary.perplexity.value);
  json["perplexity_error"] = FiniteOrNull(summary.perplexity.error);
  json["perplexity_ratio"] = FiniteOrNull(summary.ratio.value);
  json["perplexity_ratio_error"] = FiniteOrNull(summary.ratio.error);
  json["kl_mean"] = FiniteOrNull(summary.mean_divergence.value);
  json["kl_mean_error"] = FiniteOrNull(summary.mean_divergence.error);
  json["kl_p99"] = FiniteOrNull(summary.divergence_p99);
  json["kl_max"] = FiniteOrNull(summary.divergence_max);
  json["equal_top"] = FiniteOrNull(summary.equal_top_share);
  return json;
}

}  // namespace

std::string PerplexityReport(const PerplexityResult& result) {
  Table table({"Weights", "cache", "perplexity", "+-", "change", "mean KL", "99% KL", "equal top"});
  AddTo(result.reference, true, &table);
  for (const PerplexityRow& row : result.rows) AddTo(row, false, &table);
  return absl::StrCat(Head(result), "\n", table.ToString(), "\n", Foot(result));
}

std::string PerplexityJson(const PerplexityResult& result) {
  const WindowLayout& layout = result.layout;
  PerplexityObject json;
  json["model"] = result.model;
  json["architecture"] = result.architecture;
  json["text"] = {
      {"name", result.text_name}, {"bytes", result.text_bytes}, {"tokens", layout.text_tokens}};
  json["windows"] = {{"count", layout.windows()},
                     {"context", layout.context},
                     {"stride", layout.stride},
                     {"start_tokens", layout.start_tokens},
                     {"tokens", layout.scored_tokens()}};
  json["threads"] = result.threads;
  json["chunk_tokens"] = result.chunk_tokens;
  json["logit_bytes"] = result.logit_bytes;
  json["passes"] = result.passes;
  json["seconds"] = result.seconds;
  json["interrupted"] = result.interrupted;
  json["counts"] = {{"compared", result.agreement.figures},
                    {"equal", result.agreement.figures - result.agreement.differences}};
  json["left_out"] = result.left_out;
  json["reference"] = RowJson(result.reference);
  json["rows"] = PerplexityObject::array();
  for (const PerplexityRow& row : result.rows) json["rows"].push_back(RowJson(row));
  return JsonLine(json) + "\n";
}

}  // namespace plumbline
