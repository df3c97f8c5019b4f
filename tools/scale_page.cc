#include "tools/scale_page.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/chart_page.h"
#include "tools/scale_charts.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr absl::string_view kNotMeasured = "Not measured in this run.";
constexpr absl::string_view kIntervals =
    "Bars show the interval that each median is known to; where none is seen, the marker is "
    "larger.";

bool HasSamples(const ScaleCurves& curves) {
  return std::any_of(curves.series.begin(), curves.series.end(),
                     [](const ScaleSeries& series) { return !series.samples.empty(); });
}

std::string TermName(double power) {
  if (power == 0) return "constant";
  if (power == 1) return "n";
  return power == 2 ? "n²" : absl::StrFormat("n^%g", power);
}

std::string Interval(const ScaleEstimate& value) {
  if (!std::isfinite(value.low) || !std::isfinite(value.high)) return "-";
  return absl::StrFormat("%.3e to %.3e", value.low, value.high);
}

// The coefficients behind the curves.
HtmlTable FitTable(const ScaleCurves& curves, absl::string_view unit) {
  HtmlTable table;
  table.caption = absl::StrCat("Fitted coefficients, for a length of n tokens (", unit, ")");
  table.columns = {"series", "term", "coefficient", "interval"};
  table.text_columns = 2;
  for (const ScaleSeries& series : curves.series) {
    for (const ScaleFitTerm& term : series.fit) {
      table.rows.push_back({series.name, TermName(term.power),
                            absl::StrFormat("%.3e", term.coefficient.median),
                            Interval(term.coefficient)});
    }
  }
  return table;
}

// Adds sections.
class Writer {
 public:
  Writer(const ScaleReportData& data, const PlotOptions& options)
      : data_(data), page_(data.title, data.lead, options) {}

  absl::StatusOr<std::string> Run() {
    if (!data_.findings.empty()) page_.AddHeading("Findings");
    page_.AddList(data_.findings);
    AddCurves("Prefill time against length", {data_.prefill_seconds}, PrefillTimeChart, kIntervals);
    AddShares();
    AddCurves("Decode time against context", data_.decode_seconds, DecodeTimeChart, kIntervals);
    AddRoofline();
    AddPredictions();
    AddCurves("Memory against length", data_.memory_bytes, MemoryChart, "");
    AddTables();
    return page_.Finish();
  }

 private:
  // A picture for each of `all` that has samples.
  void AddCurves(absl::string_view heading, const std::vector<ScaleCurves>& all,
                 Chart (*draw)(const ScaleCurves&), absl::string_view about) {
    page_.AddHeading(heading);
    if (std::none_of(all.begin(), all.end(), HasSamples)) page_.AddParagraph(kNotMeasured);
    for (const ScaleCurves& curves : all) {
      if (!HasSamples(curves)) continue;
      page_.AddChart(draw(curves),
                     JoinedSentences(curves.of_what, JoinedSentences(about, curves.note)));
      const HtmlTable fits = FitTable(curves, "seconds");
      if (!fits.rows.empty()) page_.AddTable(fits);
    }
  }

  void AddShares() {
    page_.AddHeading("Where the work goes");
    bool any = false;
    for (const ScaleShares& shares : data_.shares) {
      if (shares.tokens.empty() || shares.classes.empty()) continue;
      any = true;
      page_.AddChart(ClassSharesChart(shares),
                     JoinedSentences(absl::StrCat("Share of ", shares.of_what,
                                                  " by class; figures are those of the last bar."),
                                     shares.note));
    }
    if (!any) page_.AddParagraph(kNotMeasured);
  }

  void AddRoofline() {
    page_.AddHeading("Roofline");
    const ScaleRoofline& roofline = data_.roofline;
    if (roofline.points.empty()) {
      page_.AddParagraph(kNotMeasured);
      return;
    }
    page_.AddChart(
        ScaleRooflineChart(roofline),
        JoinedSentences(
            "The lines are this machine's measured limits; a class below those of its own numeric "
            "type leaves time unused. Each group of classes has a colour and marker.",
            roofline.note));
  }

  void AddPredictions() {
    page_.AddHeading("Predicted against measured");
    const ScalePredictions& predictions = data_.predictions;
    if (predictions.points.empty()) {
      page_.AddParagraph(kNotMeasured);
      return;
    }
    const auto count = static_cast<int64_t>(predictions.points.size());
    page_.AddParagraph(absl::StrCat(FormatCount(count - MissedPredictions(predictions)), " of ",
                                    FormatCount(count),
                                    " measured times lie within 10% of what was predicted."));
    page_.AddChart(PredictedMeasuredChart(predictions),
                   "On the diagonal both agree; the grey band is 10% either way.");
    page_.AddChart(
        PredictedRatioChart(predictions),
        JoinedSentences(
            "The same with the diagonal laid flat. The furthest outside of the band are named.",
            predictions.note));
  }

  void AddTables() {
    if (!data_.tables.empty()) page_.AddHeading("Tables");
    for (const HtmlTable& table : data_.tables) page_.AddTable(table);
    if (!data_.raw_data.empty()) page_.AddDetails("Raw data", data_.raw_data);
  }

  const ScaleReportData& data_;
  ChartPage page_;
};

}  // namespace

absl::StatusOr<std::string> ScalePage(const ScaleReportData& data, const PlotOptions& options) {
  return Writer(data, options).Run();
}

}  // namespace plumbline
