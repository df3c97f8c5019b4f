#include "tools/scale_summary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/scale_text.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMostContradicted = 5;  // claims of a summary that is not verbose
constexpr size_t kMostHolding = 2;
constexpr size_t kAll = std::numeric_limits<size_t>::max();

Cell ShareCell(double percent) {
  return Cell::Text(std::isnan(percent) ? "-" : absl::StrFormat("%.1f%%", percent));
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
  std::vector<std::string> exponents;
  const auto add_exponent = [&exponents](const char* what, const Estimate& exponent) {
    if (exponent.known()) exponents.push_back(absl::StrCat(what, EstimateText(exponent)));
  };
  add_exponent("prefill n^", model.prefill_exponent);
  add_exponent("decode t^", model.decode_exponent);
  if (exponents.empty()) return text;
  return absl::StrCat(text, WrapText(absl::StrCat("Over the whole sweep the time grows as ",
                                                  absl::StrJoin(exponents, ", "), "."),
                                     2));
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

// At most `most` claims of this verdict, and how many others there are.
std::string ClaimsWith(const ScaleModelFindings& model, ScaleVerdict verdict, size_t most,
                       absl::string_view heading) {
  std::string text;
  size_t count = 0;
  for (const ScaleClaim& claim : model.claims) {
    if (claim.verdict != verdict || ++count > most) continue;
    absl::StrAppend(&text,
                    WrapText(absl::StrCat("- ", claim.claim, " Here: ", claim.measured, "."), 2));
  }
  if (count == 0) return "";
  return absl::StrCat(heading, " ", count, count > most ? "; the first of them:\n" : ":\n", text);
}

std::string ClaimLines(const ScaleModelFindings& model, bool verbose) {
  const auto count = [&model](ScaleVerdict verdict) {
    return std::count_if(model.claims.begin(), model.claims.end(),
                         [verdict](const ScaleClaim& claim) { return claim.verdict == verdict; });
  };
  const auto unmeasured = count(ScaleVerdict::kNotMeasured);
  if (unmeasured == static_cast<int64_t>(model.claims.size())) return "";
  std::string text = absl::StrCat(
      "\nWhat the articles claim\n",
      ClaimsWith(model, ScaleVerdict::kDoesNotHold, verbose ? kAll : kMostContradicted,
                 "Do not hold here:"),
      ClaimsWith(model, ScaleVerdict::kHolds, verbose ? kAll : kMostHolding, "Hold here:"));
  if (verbose) {
    absl::StrAppend(&text, ClaimsWith(model, ScaleVerdict::kNotReached, kAll, "Not reached:"));
  } else if (const auto others = count(ScaleVerdict::kNotReached); others > 0) {
    absl::StrAppend(&text, "Not reached: ", others, "\n");
  }
  if (unmeasured > 0) absl::StrAppend(&text, "Not measured: ", unmeasured, "\n");
  return text;
}

// The shortest, the one in the middle and the longest; or all.
std::vector<ScaleShare> ShownShares(const std::vector<ScaleShare>& shares, bool verbose) {
  if (verbose || shares.size() <= 3) return shares;
  return {shares.front(), shares[shares.size() / 2], shares.back()};
}

std::string ShareTable(const ScaleModelFindings& model, bool verbose) {
  if (model.shares.empty()) return "";
  Table table({"Prefill", "scores", "softmax", "values", "proj.", "FFN", "head", "other", "attn.*",
               "attn.**"});
  constexpr WorkClass kOrder[] = {WorkClass::kScores,         WorkClass::kSoftmax,
                                  WorkClass::kWeightedValues, WorkClass::kProjections,
                                  WorkClass::kFeedForward,    WorkClass::kHead,
                                  WorkClass::kOther};
  for (const ScaleShare& share : ShownShares(model.shares, verbose)) {
    std::vector<Cell> row = {Cell::Text(FormatCount(share.tokens))};
    for (const WorkClass part : kOrder) {
      row.push_back(ShareCell(share.timed[static_cast<size_t>(part)].value));
    }
    row.push_back(ShareCell(share.causal_attention));
    row.push_back(ShareCell(share.article_attention));
    table.AddRow(std::move(row));
  }
  return absl::StrCat(
      "\n", table.ToString(),
      WrapText("Of time; * attention's share of a layer's products, causal; ** full square, as the "
               "article's table has it."));
}

// Each counter-example at the longest length that it was measured at.
std::string ContrastTable(const ScaleModelFindings& model) {
  if (model.contrasts.rows.empty()) return "";
  std::vector<const ScaleContrast*> longest;
  for (const ScaleContrast& row : model.contrasts.rows) {
    const auto same = std::find_if(longest.begin(), longest.end(),
                                   [&row](const auto* other) { return other->name == row.name; });
    if (same == longest.end()) {
      longest.push_back(&row);
    } else if ((*same)->tokens < row.tokens) {
      *same = &row;
    }
  }
  Table table({"Counter-example", "tokens", "time ratio", "products", "bytes"});
  for (const ScaleContrast* row : longest) {
    table.AddRow({Cell::Text(row->name), Cell::Count(row->tokens), EstimateCell(row->time_ratio),
                  FigureCell(row->mac_ratio), FigureCell(row->peak_byte_ratio)});
  }
  return absl::StrCat("\n", table.ToString(),
                      WrapText("Bytes: of the scores kept; of the cache for paged / contiguous."));
}

std::string PredictionLine(const ScaleModelFindings& model) {
  std::vector<std::string> parts;
  for (const ScalePredictionError& error : model.predictions) {
    parts.push_back(
        absl::StrFormat("%s %.1f%% (%.1f%%)", error.of, 100 * error.median, 100 * error.p90));
  }
  if (parts.empty()) return "";
  return WrapText(absl::StrCat(
      "Predicted times, median error (90% within): ", absl::StrJoin(parts, ", "), "."));
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
  absl::StrAppend(&text, PredictionLine(model));
  const ScaleSteadiness& steady = model.steadiness;
  absl::StrAppend(
      &text, WrapText(absl::StrFormat(
                 "%s samples, %d outliers (counted, none dropped); drift %+.1f%% over "
                 "the run%s.",
                 FormatCount(steady.samples), steady.outliers, 100 * steady.drift.relative_change,
                 steady.drift.flagged ? ": more than chance" : ", as chance has it")));
  return text;
}

std::string ModelText(const ScaleModelFindings& model, bool verbose) {
  const CostShape& shape = model.shape;
  return absl::StrCat(WrapText(absl::StrCat(ShortModelName(model.model), ": ", shape.L,
                                            " layers of ", shape.d, ", ", shape.h, " heads, ",
                                            shape.g, " KV heads, feed-forward ", shape.F)),
                      FitText(model), CrossingTable(model), ClaimLines(model, verbose),
                      ShareTable(model, verbose), ContrastTable(model),
                      verbose ? ScaleDetails(model) : "", CheckLines(model));
}

}  // namespace

std::string ScaleSummary(const ScaleFindings& findings, bool verbose) {
  if (findings.models.empty()) return "Nothing was measured.\n";
  std::string text;
  for (const ScaleModelFindings& model : findings.models) {
    if (!text.empty()) absl::StrAppend(&text, "\n");
    absl::StrAppend(&text, ModelText(model, verbose));
  }
  absl::StrAppend(&text, "\n[low, high]: 95% intervals from resampled repetitions, seed ",
                  findings.seed, ".\n");
  if (!verbose) {
    absl::StrAppend(&text, WrapText("More of it with --verbose (with --resume nothing is measured "
                                    "again), on the page and in the JSON."));
  }
  return text;
}

}  // namespace plumbline
