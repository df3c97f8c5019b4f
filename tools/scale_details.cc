// The rest of a study's findings, for readers who want all of it.
#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "tools/scale_summary.h"
#include "tools/scale_text.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMostRows = 8;  // of a table over lengths: the longest ones

template <class T>
absl::Span<const T> Longest(const std::vector<T>& rows) {
  const size_t from = rows.size() - std::min(rows.size(), kMostRows);
  return absl::MakeConstSpan(rows).subspan(from);
}

std::string DoublingTable(const ScaleModelFindings& model) {
  std::string text;
  if (!model.prefill_doublings.empty()) {
    Table table({"Prefill n to 2n", "time", "attention", "MACs", "full square"});
    for (const ScaleDoubling& row : Longest(model.prefill_doublings)) {
      table.AddRow({Cell::Text(FormatCount(row.tokens)), EstimateCell(row.whole),
                    EstimateCell(row.attention), FigureCell(row.causal_macs),
                    FigureCell(row.full_layer)});
    }
    absl::StrAppend(&text, "\n", table.ToString());
  }
  if (!model.decode_doublings.empty()) {
    Table table({"Decode t to 2t", "time", "attention", "MACs"});
    for (const ScaleDoubling& row : Longest(model.decode_doublings)) {
      table.AddRow({Cell::Text(FormatCount(row.tokens)), EstimateCell(row.whole),
                    EstimateCell(row.attention), FigureCell(row.causal_macs)});
    }
    absl::StrAppend(&text, "\n", table.ToString());
  }
  return text;
}

std::string RateTable(const ScaleModelFindings& model) {
  std::string text;
  if (!model.prefill.empty()) {
    Table table({"Prefill", "time", "tokens/s", "article's tokens/s"});
    for (const ScaleLength& row : Longest(model.prefill)) {
      table.AddRow({Cell::Text(FormatCount(row.tokens)), Cell::Text(SecondsText(row.seconds)),
                    FigureCell(row.tokens_per_second.value),
                    FigureCell(row.article_tokens_per_second)});
    }
    absl::StrAppend(&text, "\n", table.ToString());
  }
  if (!model.decode.empty()) {
    Table table({"Decode at", "time", "tokens/s"});
    for (const ScaleLength& row : Longest(model.decode)) {
      table.AddRow({Cell::Text(FormatCount(row.tokens)), Cell::Text(SecondsText(row.seconds)),
                    FigureCell(row.tokens_per_second.value)});
    }
    absl::StrAppend(&text, "\n", table.ToString());
  }
  return text;
}

std::string VariantTable(const ScaleModelFindings& model) {
  if (model.variants.empty()) return "";
  Table table({"Beside the base", "of", "time", "attention", "softmax", "cache"});
  for (const ScaleVariants& variants : model.variants) {
    for (const ScaleVariant& row : variants.rows) {
      if (row.value == variants.base) continue;
      table.AddRow({Cell::Text(absl::StrCat(variants.name, " ", row.value, " / ", variants.base)),
                    Cell::Text(row.decode ? "decode" : "prefill"), EstimateCell(row.time_ratio),
                    FigureCell(row.attention_ratio.value), FigureCell(row.softmax_ratio),
                    FigureCell(row.cache_byte_ratio)});
    }
  }
  return absl::StrCat("\n", table.ToString());
}

std::string Sentences(const ScaleModelFindings& model) {
  std::string text;
  for (const std::string& sentence : model.contrasts.sentences) {
    absl::StrAppend(&text, WrapText(sentence, 2));
  }
  return text.empty() ? "" : absl::StrCat("\n", text);
}

std::string HostLine(const ScaleHost& host) {
  if (host.free_memory_bytes <= 0) return "";
  return WrapText(absl::StrCat(
      "By the article's formula and ", FormatBytes(host.free_memory_bytes),
      " of free memory the longest sequence has ", FigureText(host.max_tokens_all_layers),
      " tokens with the scores of all layers kept, ", FigureText(host.max_tokens_one_layer),
      " with one layer's; with no scores kept the cache holds ",
      FigureText(host.max_tokens_no_scores), "."));
}

std::string PredictionDetails(const ScaleModelFindings& model) {
  std::string text;
  for (const ScalePredictionError& error : model.predictions) {
    absl::StrAppend(&text,
                    WrapText(absl::StrFormat(
                        "Predicted times, %s: median error %.1f%%, 90%% within %.1f%%; furthest "
                        "off %+.1f%% at %d tokens, most of it in %s.",
                        error.of, 100 * error.median, 100 * error.p90, 100 * error.largest,
                        error.largest_tokens, error.largest_class)));
  }
  return text;
}

}  // namespace

std::string ScaleDetails(const ScaleModelFindings& model) {
  const std::string notes = absl::StrCat(PredictionDetails(model), HostLine(model.host));
  return absl::StrCat(Sentences(model), DoublingTable(model), RateTable(model), VariantTable(model),
                      notes.empty() ? "" : "\n", notes);
}

}  // namespace plumbline
