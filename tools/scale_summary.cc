#include "tools/scale_summary.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr double kPercent = 100;

std::string Heading(const ScaleModelFindings& model) {
  const CostShape& s = model.shape;
  return WrapText(
      absl::StrCat(Printable(model.model), ": ", s.L, " layers, width ", s.d, ", ", s.h, " heads, ",
                   s.g, " KV heads, feed-forward ", s.F, ", weights ",
                   WeightDtypeName(s.weight_dtype), ", cache ", KvDtypeName(s.cache_dtype)),
      2);
}

const ScaleDoubling* DoublingFrom(const std::vector<ScaleDoubling>& doublings, int64_t tokens) {
  for (const ScaleDoubling& doubling : doublings) {
    if (doubling.tokens == tokens) return &doubling;
  }
  return nullptr;
}

// Times by length, with time(2n) / time(n) beside what the counts and the article's layer give.
std::string LengthTable(const std::string& title, const std::vector<ScaleLength>& lengths,
                        const std::vector<ScaleDoubling>& doublings, bool prefill) {
  if (lengths.empty()) return "";
  std::vector<std::string> headings = {title, "time", "+-", "tokens/s", "x for 2n", "MACs"};
  if (prefill) headings.insert(headings.end(), {"article", "its tok/s"});
  Table table(headings);
  for (const ScaleLength& length : lengths) {
    std::vector<Cell> row = {Cell::Text(absl::StrCat("  ", FormatCount(length.tokens))),
                             Cell::Text(ShownSeconds(length.seconds)),
                             Cell::Text(ShownHalfWidth(length.seconds)),
                             Cell::Text(ShownFigure(length.tokens_per_second.value))};
    const ScaleDoubling* doubling = DoublingFrom(doublings, length.tokens);
    const bool known = doubling != nullptr;
    row.push_back(Cell::Text(known ? ShownFigure(doubling->whole.value) : "-"));
    row.push_back(Cell::Text(known ? ShownFigure(doubling->causal_macs) : "-"));
    if (prefill) {
      row.push_back(Cell::Text(known ? ShownFigure(doubling->full_layer) : "-"));
      row.push_back(Cell::Text(ShownFigure(length.article_tokens_per_second)));
    }
    table.AddRow(std::move(row));
  }
  return absl::StrCat("\n", table.ToString());
}

std::string FitLine(absl::string_view name, const ScaleFit& fit, const Estimate& exponent,
                    absl::string_view first, absl::string_view second) {
  if (!fit.a.known() || !fit.b.known()) return "";
  std::string line = absl::StrCat(name, " = ", FormatSi(fit.a.value * 1e6), " us", first, " + ",
                                  absl::StrFormat("%.4g", fit.b.value * 1e9), " ns ", second,
                                  ", within ", ShownFigure(kPercent * fit.largest_residual), "%");
  if (exponent.known()) {
    absl::StrAppendFormat(&line, "; grows as the power %.2f [%.2f, %.2f]", exponent.value,
                          exponent.low, exponent.high);
  }
  return WrapText(line, 2);
}

std::string Fits(const ScaleModelFindings& model) {
  const std::string lines =
      absl::StrCat(FitLine("prefill(n)", model.prefill_fit, model.prefill_exponent, " n", "n^2"),
                   FitLine("decode(t)", model.decode_fit, model.decode_exponent, "", "t"));
  return lines.empty() ? "" : absl::StrCat("\n", lines);
}

std::string ShareTable(const std::vector<ScaleShare>& shares) {
  if (shares.empty()) return "";
  Table table({"% of prefill", "proj.", "scores", "softmax", "values", "ffn", "head", "other",
               "attn, art.", "causal"});
  for (const ScaleShare& share : shares) {
    std::vector<Cell> row = {Cell::Text(absl::StrCat("  ", FormatCount(share.tokens)))};
    for (const Estimate& part : share.timed) row.push_back(Cell::Text(ShownFigure(part.value)));
    row.push_back(Cell::Text(ShownFigure(share.article_attention)));
    row.push_back(Cell::Text(ShownFigure(share.causal_attention)));
    table.AddRow(std::move(row));
  }
  return absl::StrCat("\n", table.ToString());
}

std::string ShownLength(double tokens, double last_tokens) {
  if (std::isinf(tokens)) return absl::StrCat("> ", ShownFigure(last_tokens));
  if (tokens == 0) return "at once";
  return ShownFigure(tokens);
}

std::string CrossingTable(const ScaleModelFindings& model) {
  std::vector<ScaleCrossing> crossings = model.crossings;
  crossings.insert(crossings.end(), model.thresholds.begin(), model.thresholds.end());
  if (crossings.empty()) return "";
  Table table({"Crosses at tokens", "measured", "by fit", "counted", "full square", "claim"});
  for (const ScaleCrossing& crossing : crossings) {
    table.AddRow({Cell::Text(absl::StrCat("  ", crossing.what)),
                  Cell::Text(ShownLength(crossing.measured.value, crossing.last_tokens)),
                  Cell::Text(ShownFigure(crossing.extrapolated)),
                  Cell::Text(ShownFigure(crossing.counted)), Cell::Text(ShownFigure(crossing.full)),
                  Cell::Text(crossing.claim.empty() ? "-" : crossing.claim)});
  }
  return absl::StrCat("\n", table.ToString());
}

std::string VariantTable(const ScaleModelFindings& model) {
  if (model.variants.empty()) return "";
  Table table({"Varies", "value", "step", "tokens", "time", "x base", "attention x", "cache x"});
  for (const ScaleVariants& variants : model.variants) {
    for (const ScaleVariant& row : variants.rows) {
      table.AddRow({Cell::Text(absl::StrCat("  ", variants.name)),
                    Cell::Text(absl::StrCat(row.value, row.value == variants.base ? " *" : "")),
                    Cell::Text(row.decode ? "decode" : "prefill"),
                    Cell::Text(FormatCount(row.tokens)), Cell::Text(ShownSeconds(row.seconds)),
                    Cell::Text(ShownFigure(row.time_ratio.value)),
                    Cell::Text(ShownFigure(row.attention_ratio.value)),
                    Cell::Text(ShownFigure(row.cache_byte_ratio))});
    }
  }
  return absl::StrCat("\n", table.ToString());
}

std::string ContrastTable(const ScaleContrasts& contrasts) {
  if (contrasts.rows.empty()) return "";
  Table table({"Counter-example", "tokens", "time x", "low", "high", "MACs x", "bytes x"});
  for (const ScaleContrast& row : contrasts.rows) {
    table.AddRow(
        {Cell::Text(absl::StrCat("  ", row.name)), Cell::Text(FormatCount(row.tokens)),
         Cell::Text(ShownFigure(row.time_ratio.value)), Cell::Text(ShownFigure(row.time_ratio.low)),
         Cell::Text(ShownFigure(row.time_ratio.high)), Cell::Text(ShownFigure(row.mac_ratio)),
         Cell::Text(ShownFigure(row.peak_byte_ratio))});
  }
  return absl::StrCat("\n", table.ToString());
}

std::string Claims(const std::vector<ScaleClaim>& claims) {
  std::string text;
  for (const ScaleClaim& claim : claims) {
    if (claim.verdict == ScaleVerdict::kNotMeasured) continue;
    absl::StrAppend(&text, WrapText(absl::StrCat(ScaleVerdictName(claim.verdict), ": ", claim.claim,
                                                 " (", claim.id, "). ", claim.measured),
                                    2));
  }
  return text.empty() ? "" : absl::StrCat("\nThe articles' claims, here\n", text);
}

std::string Steadiness(const ScaleModelFindings& model) {
  const ScaleSteadiness& steadiness = model.steadiness;
  std::string text = absl::StrCat(FormatCount(steadiness.samples), " samples, ",
                                  FormatCount(steadiness.outliers), " of them outliers (kept)");
  if (steadiness.drift.flagged) {
    absl::StrAppendFormat(&text, "; the machine drifted by %+.1f%% meanwhile",
                          kPercent * steadiness.drift.relative_change);
  }
  for (const ScalePredictionError& error : model.predictions) {
    if (error.samples == 0) continue;
    absl::StrAppend(&text, "; predicted ", error.of, " times are off by ",
                    ShownFigure(kPercent * error.median), "% (median)");
  }
  return absl::StrCat("\n", WrapText(absl::StrCat(text, ".")));
}

std::string ModelText(const ScaleModelFindings& model) {
  return absl::StrCat(
      Heading(model), LengthTable("Prefill of n", model.prefill, model.prefill_doublings, true),
      LengthTable("Decode at t", model.decode, model.decode_doublings, false), Fits(model),
      ShareTable(model.shares), CrossingTable(model), VariantTable(model),
      ContrastTable(model.contrasts), Claims(model.claims), Steadiness(model), "\n");
}

std::string LeftOut(const std::vector<std::string>& reasons) {
  if (reasons.empty()) return "";
  std::string text = "Left out\n";
  for (const std::string& reason : reasons) {
    absl::StrAppend(&text, WrapText(absl::StrCat("- ", Printable(reason)), 2));
  }
  return absl::StrCat(text, "\n");
}

std::string Verdict(const ScaleData& data) {
  const ScaleAgreement agreement = CompareWithFormulas(data);
  if (agreement.figures == 0) return "Nothing was measured.\n";
  if (agreement.differences == 0) {
    return WrapText(absl::StrCat("All ", FormatCount(agreement.figures),
                                 " counts equal their formulas, to the unit."));
  }
  return WrapText(absl::StrCat("!= ", FormatCount(agreement.differences), " of ",
                               FormatCount(agreement.figures),
                               " counts differ from their formulas: a bug, or a finding."));
}

}  // namespace

ScaleAgreement CompareWithFormulas(const ScaleData& data) {
  ScaleAgreement agreement;
  const auto compare = [&agreement](int64_t measured, int64_t formula) {
    ++agreement.figures;
    if (measured != formula) ++agreement.differences;
  };
  for (const ScaleSample& sample : data.samples) {
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      compare(sample.macs.useful[c], sample.formula_macs.useful[c]);
      compare(sample.macs.executed[c], sample.formula_macs.executed[c]);
      compare(sample.bytes[c], sample.formula_bytes[c]);
    }
    compare(sample.softmax_pairs, sample.formula_softmax_pairs);
  }
  return agreement;
}

std::string ShownSeconds(const Estimate& seconds) {
  return seconds.known() ? FormatSeconds(seconds.value) : "-";
}

std::string ShownHalfWidth(const Estimate& estimate) {
  const double share = estimate.RelativeHalfWidth();
  return std::isfinite(share) ? absl::StrFormat("%.1f%%", kPercent * share) : "-";
}

std::string ShownFigure(double value) {
  if (std::isnan(value)) return "-";
  if (std::isinf(value)) return "never";
  return std::abs(value) >= 1000 ? FormatSi(value) : absl::StrFormat("%.3g", value);
}

std::string ScaleSummary(const ScaleStudy& study, const ScaleFindings& findings,
                         const std::string& folder) {
  std::string text;
  for (const ScaleModelFindings& model : findings.models) {
    absl::StrAppend(&text, ModelText(model));
  }
  absl::StrAppend(&text, LeftOut(study.left_out), Verdict(study.data));
  if (!study.same_bits_exception.empty()) {
    absl::StrAppend(&text, WrapText(absl::StrCat("Results here are not the same bits whatever the "
                                                 "batch: ",
                                                 study.same_bits_exception)));
  }
  absl::StrAppend(&text,
                  "x for 2n: time(2n) / time(n), then the same of products, and of the article's\n"
                  "layer. *: the model itself. k, M, G are 1e3, 1e6, 1e9.\n");
  if (!folder.empty()) {
    absl::StrAppend(&text, WrapText(absl::StrCat("Every sample: ", Printable(folder), "/",
                                                 kScaleJsonFile, " and ", kScaleCsvFile)));
  }
  return text;
}

}  // namespace plumbline
