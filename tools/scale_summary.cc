#include "tools/scale_summary.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/scale_text.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMostRows = 8;  // of a table over lengths: the longest ones

std::string Seconds(double seconds) { return FormatSeconds(std::isnan(seconds) ? -1 : seconds); }

Cell EstimateCell(const Estimate& estimate) { return Cell::Text(EstimateText(estimate)); }
Cell FigureCell(double value) { return Cell::Text(FigureText(value)); }
Cell PercentCell(double percent) {
  return Cell::Text(std::isnan(percent) ? "-" : absl::StrFormat("%.1f%%", percent));
}

template <class T>
absl::Span<const T> Longest(const std::vector<T>& rows) {
  const size_t from = rows.size() - std::min(rows.size(), kMostRows);
  return absl::MakeConstSpan(rows).subspan(from);
}

// "12.3 us [12.1, 12.6]" with the interval in the figure's own text.
std::string SecondsText(const Estimate& estimate) {
  if (std::isnan(estimate.low)) return Seconds(estimate.value);
  return absl::StrCat(Seconds(estimate.value), " [", Seconds(estimate.low), ", ",
                      Seconds(estimate.high), "]");
}

std::string FitText(const ScaleModelFindings& model) {
  std::string text;
  const auto within = [](const ScaleFit& fit) {
    return absl::StrFormat(" (every median within %.1f%%).", 100 * fit.largest_residual);
  };
  if (const ScaleFit& fit = model.prefill_fit; fit.a.known()) {
    absl::StrAppend(&text, WrapText(absl::StrCat("Prefill of n tokens: a n + b n^2 with a = ",
                                                 FigureText(1e6 * fit.a.value),
                                                 " us and b = ", FigureText(1e9 * fit.b.value),
                                                 " ns [", FigureText(1e9 * fit.b.low), ", ",
                                                 FigureText(1e9 * fit.b.high), "]", within(fit)),
                                    2));
  }
  if (const ScaleFit& fit = model.decode_fit; fit.a.known()) {
    absl::StrAppend(
        &text, WrapText(absl::StrCat("Decode at context t: a + b t with a = ", SecondsText(fit.a),
                                     " and b = ", FigureText(1e9 * fit.b.value), " ns [",
                                     FigureText(1e9 * fit.b.low), ", ",
                                     FigureText(1e9 * fit.b.high), "]", within(fit)),
                        2));
  }
  return text;
}

std::string CrossingTable(const ScaleModelFindings& model) {
  Table table({"Tokens where", "measured", "by fits", "counted", "full square"});
  const auto add = [&table](const ScaleCrossing& crossing) {
    if (!crossing.measured.known()) return false;
    table.AddRow({Cell::Text(crossing.what), Cell::Text(ReachText(crossing.measured)),
                  FigureCell(crossing.extrapolated), FigureCell(crossing.counted),
                  FigureCell(crossing.full)});
    return true;
  };
  bool any = false;
  for (const ScaleCrossing& crossing : model.crossings) any = add(crossing) || any;
  for (const ScaleCrossing& threshold : model.thresholds) any = add(threshold) || any;
  return any ? absl::StrCat("\n", table.ToString()) : "";
}

std::string ClaimsWith(const ScaleModelFindings& model, ScaleVerdict verdict,
                       absl::string_view heading) {
  std::string text;
  for (const ScaleClaim& claim : model.claims) {
    if (claim.verdict != verdict) continue;
    absl::StrAppend(&text,
                    WrapText(absl::StrCat("- ", claim.claim, " Here: ", claim.measured, "."), 2));
  }
  return text.empty() ? "" : absl::StrCat(heading, "\n", text);
}

std::string ClaimLines(const ScaleModelFindings& model) {
  std::string text =
      absl::StrCat(ClaimsWith(model, ScaleVerdict::kDoesNotHold, "Do not hold here:"),
                   ClaimsWith(model, ScaleVerdict::kNotReached, "Not reached:"),
                   ClaimsWith(model, ScaleVerdict::kHolds, "Hold here:"));
  if (text.empty()) return "";
  const auto not_measured = std::count_if(
      model.claims.begin(), model.claims.end(),
      [](const ScaleClaim& claim) { return claim.verdict == ScaleVerdict::kNotMeasured; });
  if (not_measured > 0) absl::StrAppend(&text, not_measured, " more were not measured.\n");
  return absl::StrCat("\nWhat the articles claim\n", text);
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

std::string ShareTable(const ScaleModelFindings& model) {
  if (model.shares.empty()) return "";
  Table table({"Prefill", "scores", "softmax", "values", "proj.", "FFN", "head", "other", "attn.*",
               "attn.**"});
  constexpr WorkClass kOrder[] = {WorkClass::kScores,         WorkClass::kSoftmax,
                                  WorkClass::kWeightedValues, WorkClass::kProjections,
                                  WorkClass::kFeedForward,    WorkClass::kHead,
                                  WorkClass::kOther};
  for (const ScaleShare& share : Longest(model.shares)) {
    std::vector<Cell> row = {Cell::Text(FormatCount(share.tokens))};
    for (const WorkClass part : kOrder) {
      row.push_back(PercentCell(share.timed[static_cast<size_t>(part)].value));
    }
    row.push_back(PercentCell(share.causal_attention));
    row.push_back(PercentCell(share.article_attention));
    table.AddRow(std::move(row));
  }
  return absl::StrCat(
      "\n", table.ToString(),
      WrapText("Of time; * attention's share of a layer's products, causal; ** full square, as the "
               "article's table has it."));
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

std::string CheckLines(const ScaleModelFindings& model) {
  std::string text = "\n";
  const ScaleExactness& exactness = model.exactness;
  absl::StrAppend(
      &text, WrapText(exactness.equal == exactness.compared
                          ? absl::StrCat("All ", FormatCount(exactness.compared),
                                         " counts equal their formulas, to the unit.")
                          : absl::StrCat(FormatCount(exactness.compared - exactness.equal), " of ",
                                         FormatCount(exactness.compared),
                                         " counts differ from their formulas; first ",
                                         exactness.first_difference, ".")));
  for (const ScalePredictionError& error : model.predictions) {
    absl::StrAppend(&text,
                    WrapText(absl::StrFormat(
                        "Predicted times, %s: median error %.1f%%, 90%% within %.1f%%; furthest "
                        "off %+.1f%% at %d tokens, most of it in %s.",
                        error.of, 100 * error.median, 100 * error.p90, 100 * error.largest,
                        error.largest_tokens, error.largest_class)));
  }
  absl::StrAppend(&text, HostLine(model.host));
  const ScaleSteadiness& steady = model.steadiness;
  absl::StrAppend(
      &text, WrapText(absl::StrFormat(
                 "%s samples, %d outliers (counted, none dropped); drift %+.1f%% over "
                 "the run%s.",
                 FormatCount(steady.samples), steady.outliers, 100 * steady.drift.relative_change,
                 steady.drift.flagged ? ": more than chance" : ", as chance has it")));
  return text;
}

std::string ModelText(const ScaleModelFindings& model) {
  const CostShape& shape = model.shape;
  return absl::StrCat(WrapText(absl::StrCat(ShortModelName(model.model), ": ", shape.L,
                                            " layers of ", shape.d, ", ", shape.h, " heads, ",
                                            shape.g, " KV heads, feed-forward ", shape.F)),
                      FitText(model), CrossingTable(model), ClaimLines(model), Sentences(model),
                      DoublingTable(model), ShareTable(model), RateTable(model),
                      VariantTable(model), CheckLines(model));
}

}  // namespace

std::string ScaleSummary(const ScaleFindings& findings) {
  if (findings.models.empty()) return "Nothing was measured.\n";
  std::string text;
  for (const ScaleModelFindings& model : findings.models) {
    if (!text.empty()) absl::StrAppend(&text, "\n");
    absl::StrAppend(&text, ModelText(model));
  }
  return absl::StrCat(text, "\n[low, high]: 95% intervals from ", "resampled repetitions, seed ",
                      findings.seed, ".\n");
}

}  // namespace plumbline
