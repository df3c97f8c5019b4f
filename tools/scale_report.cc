#include "tools/scale_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/scale_notes.h"
#include "tools/scale_roofline.h"
#include "tools/scale_text.h"
#include "tools/table.h"

namespace plumbline {
namespace {

ScaleEstimate ToScale(const Estimate& estimate) {
  return {estimate.value, estimate.low, estimate.high};
}

ScaleSeries LengthSeries(const ScaleModelFindings& model, const std::vector<ScaleLength>& lengths,
                         const ScaleFit& fit, double first_power) {
  ScaleSeries series;
  series.name = ShortModelName(model.model);
  for (const ScaleLength& length : lengths) {
    if (!length.seconds.known()) continue;
    series.samples.push_back({static_cast<double>(length.tokens), ToScale(length.seconds)});
  }
  if (fit.a.known() && fit.b.known()) {
    series.fit = {{first_power, ToScale(fit.a)}, {first_power + 1, ToScale(fit.b)}};
  }
  return series;
}

ScaleShares Shares(const ScaleModelFindings& model, bool timed) {
  ScaleShares shares;
  shares.of_what = absl::StrCat(timed ? "measured prefill time, " : "prefill's products, ",
                                ShortModelName(model.model));
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    shares.classes.emplace_back(WorkClassName(static_cast<WorkClass>(c)));
  }
  shares.amounts.resize(kNumWorkClasses);
  for (const ScaleShare& share : model.shares) {
    shares.tokens.push_back(share.tokens);
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      const double amount = timed ? share.timed[c].value : share.counted[c];
      shares.amounts[c].push_back(std::isfinite(amount) ? amount : 0);
    }
  }
  return shares;
}

// Seconds of the repetitions of a point.
std::vector<double> SecondsOf(const ScaleData& data, int64_t point, double ScaleSample::*field) {
  std::vector<double> seconds;
  for (const ScaleSample& sample : data.samples) {
    if (sample.point == point) seconds.push_back(sample.*field);
  }
  return seconds;
}

ScalePredictions Predictions(const ScaleData& data) {
  ScalePredictions predictions;
  for (size_t i = 0; i < data.points.size(); ++i) {
    const auto point = static_cast<int64_t>(i);
    const std::vector<double> predicted = SecondsOf(data, point, &ScaleSample::predicted_seconds);
    if (predicted.empty() || Median(predicted) < 0) continue;
    const auto measured = MedianEstimate(SecondsOf(data, point, &ScaleSample::seconds));
    if (!measured.ok()) continue;
    const ScalePoint& of = data.points[i];
    predictions.points.push_back({of.chunk > 0 ? "prefill" : "decode",
                                  absl::StrCat(ScaleSweepName(of.sweep), " ", of.tokens),
                                  Median(predicted), ToScale(*measured)});
  }
  return predictions;
}

// Bytes of buffers that were really there, by length, of one model.
ScaleCurves Memory(const ScaleData& data, const std::string& model) {
  ScaleSeries stored = {"stored scores", {}, {}};
  ScaleSeries tiles = {"tiles", {}, {}};
  ScaleSeries cache = {"cache", {}, {}};
  const auto add = [](ScaleSeries& series, int64_t tokens, int64_t bytes) {
    const auto value = static_cast<double>(bytes);
    series.samples.push_back({static_cast<double>(tokens), {value, value, value}});
  };
  for (const ScalePoint& point : data.points) {
    if (point.model != model) continue;
    if (point.sweep == ScaleSweep::kStoredFull) add(stored, point.tokens, point.peak_score_bytes);
    if (point.sweep != ScaleSweep::kTiled) continue;
    add(tiles, point.tokens, point.peak_score_bytes);
    add(cache, point.tokens, point.cache_bytes);
  }
  return {{std::move(stored), std::move(tiles), std::move(cache)},
          absl::StrCat("One layer of ", ShortModelName(model), ":"),
          "what attention keeps of scores, and the layer's keys and values."};
}

// "MHA, 12 KV heads".
std::string HeadsName(int64_t heads, int64_t kv_heads) {
  const char* kind = kv_heads == heads ? "MHA" : kv_heads == 1 ? "MQA" : "GQA";
  return absl::StrCat(kind, ", ", kv_heads, kv_heads == 1 ? " KV head" : " KV heads");
}

// The model's own sweep over contexts, and its variants with other numbers of KV heads.
ScaleCurves Decode(const ScaleModelFindings& model) {
  ScaleCurves curves;
  curves.of_what = absl::StrCat(ShortModelName(model.model), ".");
  curves.series.push_back(LengthSeries(model, model.decode, model.decode_fit, 0));
  curves.series.back().name = HeadsName(model.shape.h, model.shape.g);
  std::map<int64_t, ScaleSeries, std::greater<>> others;
  for (const ScaleVariants& variants : model.variants) {
    if (variants.name != ScaleSweepName(ScaleSweep::kKvHeads)) continue;
    for (const ScaleVariant& row : variants.rows) {
      if (!row.decode || row.value == model.shape.g || !row.seconds.known()) continue;
      others[row.value].samples.push_back({static_cast<double>(row.tokens), ToScale(row.seconds)});
    }
  }
  for (auto& [kv_heads, series] : others) {
    series.name = HeadsName(model.shape.h, kv_heads);
    curves.series.push_back(std::move(series));
  }
  return curves;
}

HtmlTable CrossingHtml(const ScaleModelFindings& model) {
  HtmlTable table;
  table.caption = absl::StrCat("Where costs meet, in tokens: ", ShortModelName(model.model));
  table.columns = {"what", "article", "measured", "by fits", "counted", "full square"};
  table.text_columns = 2;
  std::vector<ScaleCrossing> crossings = model.crossings;
  crossings.insert(crossings.end(), model.thresholds.begin(), model.thresholds.end());
  for (const ScaleCrossing& crossing : crossings) {
    table.rows.push_back({crossing.what, crossing.claim, ReachText(crossing.measured),
                          FigureText(crossing.extrapolated), FigureText(crossing.counted),
                          FigureText(crossing.full)});
  }
  return table;
}

HtmlTable ClaimTable(const ScaleModelFindings& model) {
  HtmlTable table;
  table.caption = absl::StrCat("The articles' claims: ", ShortModelName(model.model));
  table.columns = {"claim", "here", "verdict"};
  table.text_columns = 3;
  for (const ScaleClaim& claim : model.claims) {
    table.rows.push_back({claim.claim, claim.measured, ScaleVerdictName(claim.verdict)});
  }
  return table;
}

HtmlTable RateHtml(const ScaleModelFindings& model, const std::vector<ScaleLength>& lengths,
                   absl::string_view what) {
  HtmlTable table;
  table.caption = absl::StrCat(what, ": ", ShortModelName(model.model));
  table.columns = {"tokens",          "repetitions",         "seconds",
                   "tokens a second", "article's, a second", "article's ms"};
  for (const ScaleLength& length : lengths) {
    table.rows.push_back({FormatCount(length.tokens), FormatCount(length.repetitions),
                          EstimateText(length.seconds), EstimateText(length.tokens_per_second),
                          FigureText(length.article_tokens_per_second),
                          FigureText(length.article_ms)});
  }
  return table;
}

void AddModelSections(const ScaleModelFindings& model, ScaleReportData& data) {
  if (!model.prefill.empty()) {
    data.prefill_seconds.series.push_back(LengthSeries(model, model.prefill, model.prefill_fit, 1));
    data.tables.push_back(RateHtml(model, model.prefill, "Prefill"));
  }
  if (!model.decode.empty()) {
    data.decode_seconds.push_back(Decode(model));
    data.tables.push_back(RateHtml(model, model.decode, "Decode"));
  }
  if (!model.shares.empty()) {
    data.shares.push_back(Shares(model, true));
    data.shares.push_back(Shares(model, false));
  }
  const std::vector<std::string>& sentences = model.contrasts.sentences;
  for (const std::string& sentence : sentences) {
    data.findings.push_back(absl::StrCat(ShortModelName(model.model), ": ", sentence));
  }
  data.tables.push_back(CrossingHtml(model));
  data.tables.push_back(ClaimTable(model));
}

}  // namespace

ScaleReportData ScaleReport(const ScaleStudy& study, const ScaleFindings& findings) {
  ScaleReportData data;
  data.title = "Prefill against decode";
  data.lead = absl::StrJoin(study.settings, "; ", absl::PairFormatter(" "));
  const CountAgreement agreement = CompareWithFormulas(study.data);
  data.findings.push_back(absl::StrCat(FormatCount(agreement.figures - agreement.differences),
                                       " of ", FormatCount(agreement.figures),
                                       " counts equal their formulas, to the unit."));
  for (const ScaleModelFindings& model : findings.models) {
    AddModelSections(model, data);
    data.memory_bytes.push_back(Memory(study.data, model.model));
  }
  for (const std::string& reason : study.left_out) {
    data.findings.push_back(absl::StrCat("Left out: ", reason));
  }
  data.predictions = Predictions(study.data);
  data.roofline = StudyRoofline(study);
  data.raw_data = ScaleCsv(study);
  return data;
}

}  // namespace plumbline
