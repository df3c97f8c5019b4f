#include "tools/plot.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/chart_axis.h"
#include "tools/chart_style.h"
#include "tools/child_process.h"
#include "tools/svg.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr absl::string_view kInk = "#333333";  // axes and their text
constexpr absl::string_view kGrid = "#DDDDDD";
constexpr absl::string_view kLeader = "#999999";
constexpr absl::string_view kBandFill = "#E2E2E2";

// In single quotes gnuplot knows nothing special but the quote itself: no escapes, no commands.
std::string GnuplotQuoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(Printable(text), {{"'", "''"}}), "'");
}

std::string GnuplotNumber(double value) { return absl::StrFormat("%.10g", value); }

std::string Screen(const CanvasPoint& point, double height_px) {
  return absl::StrFormat("screen %.5f,%.5f", point.x / kCanvasWidthPx, point.y / height_px);
}

// gnuplot 5.4 cuts a tick's label after 49 bytes, also inside of a character.
std::string FittingTick(absl::string_view text) {
  constexpr size_t kMostBytes = 48;
  std::string label = Printable(text);
  for (size_t columns = kMostBytes; label.size() > kMostBytes; --columns) {
    label = CutText(label, columns);  // ends: a character has at most four bytes
  }
  return label;
}

void AppendTicks(absl::string_view axis, const std::vector<ChartTick>& ticks, std::string& script) {
  // In characters: gnuplot leaves more room than is needed here.
  const absl::string_view offset = axis == "x" ? "0,0.45" : "0.3,0";
  std::vector<std::string> parts;
  parts.reserve(ticks.size());
  for (const ChartTick& tick : ticks) {
    // A tick's label is a format of its value.
    const std::string label = absl::StrReplaceAll(FittingTick(tick.label), {{"%", "%%"}});
    parts.push_back(absl::StrCat(GnuplotQuoted(label), " ", GnuplotNumber(tick.value)));
  }
  absl::StrAppend(&script, "set ", axis, "tics nomirror scale 0.5 offset ", offset, " (",
                  absl::StrJoin(parts, ", "), ") textcolor rgb '", kInk, "'\n");
}

void AppendAxis(absl::string_view name, const AxisLayout& axis, std::string& script) {
  absl::StrAppend(&script, "set ", name, "range [", GnuplotNumber(axis.low), ":",
                  GnuplotNumber(axis.high), "]\n");
  if (axis.scale != AxisScale::kLinear) absl::StrAppend(&script, "set logscale ", name, " 10\n");
  AppendTicks(name, axis.ticks, script);
}

void AppendLabel(const PlacedLabel& label, double height_px, std::string& script) {
  constexpr double kGapPx = 4;  // between a text and the line that leads from it
  constexpr double kMarkerGapPx = 16;
  CanvasPoint at = label.at;
  if (label.align == TextAlign::kLeft) at.x += kGapPx;
  if (label.align == TextAlign::kRight) at.x -= kGapPx;
  const char* align = label.align == TextAlign::kLeft    ? "left"
                      : label.align == TextAlign::kRight ? "right"
                                                         : "center";
  if (label.marker) {
    absl::StrAppend(&script, "set label '' at ", Screen(at, height_px), " point pointtype ",
                    StyleOf(label.style).marker, " pointsize 0.8 linecolor rgb '",
                    StyleOf(label.style).colour, "' front\n");
    at.x += kMarkerGapPx;
  }
  absl::StrAppend(&script, "set label ", GnuplotQuoted(label.text), " at ", Screen(at, height_px),
                  " ", align, absl::StrFormat(" rotate by %.1f", label.degrees),
                  " front textcolor rgb '", StyleOf(label.style).text_colour, "'\n");
  if (label.target.has_value()) {
    absl::StrAppend(&script, "set arrow from ", Screen(*label.target, height_px), " to ",
                    Screen(label.at, height_px), " nohead front linewidth 0.6 linecolor rgb '",
                    kLeader, "'\n");
  }
}

// The axis of heights is named above itself: upright text would cost width and be hard to read.
void AppendTitles(const ChartLayout& layout, std::string& script) {
  const double height = layout.height_px;
  const CanvasPoint below = {(layout.plot.left + layout.plot.right) / 2, 14};
  absl::StrAppend(&script, "set label ", GnuplotQuoted(layout.x.title), " at ",
                  Screen(below, height), " center textcolor rgb '", kInk, "'\n");
  absl::StrAppend(&script, "set label ", GnuplotQuoted(layout.y.title), " at ",
                  Screen({6, height - 16}, height), " left textcolor rgb '", kInk, "'\n");
}

void AppendSettings(const ChartLayout& layout, std::string& script) {
  const double height = layout.height_px;
  absl::StrAppend(
      &script, "set encoding utf8\nset terminal svg size ", GnuplotNumber(kCanvasWidthPx), ",",
      GnuplotNumber(height), " dynamic noenhanced rounded linewidth 1.5 font 'sans-serif,",
      GnuplotNumber(kFontPx), "'\nunset key\nset border 3 linecolor rgb '", kInk,
      "'\nset grid back linetype 1 dashtype solid linewidth 0.6 linecolor rgb '", kGrid, "'\n");
  absl::StrAppend(
      &script,
      absl::StrFormat("set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
                      "set bmargin at screen %.5f\nset tmargin at screen %.5f\n",
                      layout.plot.left / kCanvasWidthPx, layout.plot.right / kCanvasWidthPx,
                      layout.plot.bottom / height, layout.plot.top / height));
  AppendAxis("x", layout.x, script);
  AppendAxis("y", layout.y, script);
  AppendTitles(layout, script);
  for (const PlacedLabel& label : layout.labels) AppendLabel(label, height, script);
}

// The data of one series, one row for each mark or box; a blank line breaks a line.
class SeriesData {
 public:
  SeriesData(const ChartSeries& series, const ChartLayout& layout)
      : series_(series), layout_(layout) {
    for (const ChartMark& mark : series.marks) AddMark(mark);
    for (const ChartBox& box : series.boxes) AddBox(box);
  }

  bool empty() const { return rows_ == 0; }
  bool has_intervals() const { return has_intervals_; }
  const std::string& text() const { return text_; }

 private:
  void AddRow(std::initializer_list<double> values) {
    absl::StrAppend(&text_,
                    absl::StrJoin(values, " ",
                                  [](std::string* out, double value) {
                                    absl::StrAppend(out, GnuplotNumber(value));
                                  }),
                    "\n");
    ++rows_;
  }
  bool Shows(double x, double y) const {
    return IsDrawable(layout_.x.scale, x) && IsDrawable(layout_.y.scale, y);
  }
  // An edge of an interval that cannot be drawn (zero on a logarithmic axis) is at the axis' end.
  double Edge(double value, double otherwise, double end) const {
    if (IsDrawable(layout_.y.scale, value)) return value;
    return value <= 0 ? end : otherwise;
  }
  void AddMark(const ChartMark& mark) {
    if (series_.shape == SeriesShape::kBand) {
      if (Shows(mark.x, mark.low) && Shows(mark.x, mark.high)) {
        AddRow({mark.x, mark.low, mark.high});
      }
      return;
    }
    if (!Shows(mark.x, mark.y)) {
      absl::StrAppend(&text_, "\n");
      return;
    }
    const double low = Edge(mark.low, mark.y, layout_.y.low);
    const double high = Edge(mark.high, mark.y, mark.y);
    has_intervals_ = has_intervals_ || low != mark.y || high != mark.y;
    AddRow({mark.x, mark.y, low, high});
  }
  void AddBox(const ChartBox& box) {
    if (!Shows(box.x_low, box.y_low) || !Shows(box.x_high, box.y_high)) return;
    AddRow({(box.x_low + box.x_high) / 2, (box.y_low + box.y_high) / 2, box.x_low, box.x_high,
            box.y_low, box.y_high});
  }

  const ChartSeries& series_;
  const ChartLayout& layout_;
  std::string text_;
  size_t rows_ = 0;
  bool has_intervals_ = false;
};

std::string LineLook(const SeriesStyle& style) {
  return absl::StrCat("dashtype ", style.dash, " linewidth 1.8 linecolor rgb '", style.colour, "'");
}

// What to plot of data block `data`, for gnuplot's `plot`.
std::vector<std::string> PlotItems(const ChartSeries& series, const SeriesData& data,
                                   const std::string& block) {
  const SeriesStyle& style = StyleOf(series.style);
  const std::string colour = absl::StrCat(" linecolor rgb '", style.colour, "'");
  std::vector<std::string> items;
  switch (series.shape) {
    case SeriesShape::kBand:
      return {absl::StrCat(block,
                           " using 1:2:3 with filledcurves fillstyle solid noborder fillcolor "
                           "rgb '",
                           kBandFill, "'")};
    case SeriesShape::kBoxes:
      return {absl::StrCat(block,
                           " using 1:2:3:4:5:6 with boxxyerror fillstyle solid border "
                           "linecolor rgb 'white' fillcolor rgb '",
                           style.colour, "'")};
    case SeriesShape::kSteps:
      return {absl::StrCat(block, " using 1:2 with steps ", LineLook(style))};
    case SeriesShape::kLine:
    case SeriesShape::kLinePoints:
      items.push_back(absl::StrCat(block, " using 1:2 with lines ", LineLook(style)));
      break;
    case SeriesShape::kPoints:
      break;
  }
  if (series.shape == SeriesShape::kLine) return items;
  if (data.has_intervals()) {
    // Not yerrorbars: they blank out a disc around each point.
    items.push_back(
        absl::StrCat(block, " using 1:3:(0):($4-$3) with vectors nohead linewidth 1.3", colour));
  }
  items.push_back(absl::StrCat(block, " using 1:2 with points pointtype ", style.marker,
                               " pointsize 0.8", colour));
  return items;
}

absl::Status FromChild(const absl::Status& status, const PlotOptions& options) {
  if (absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status)) return status;
  return absl::FailedPreconditionError(
      absl::StrCat("pictures need gnuplot, but ", status.message(),
                   "; install it (Debian: apt-get install gnuplot-nox), or see that ",
                   options.program, " is on the PATH"));
}

}  // namespace

std::string PlotScript(const Chart& chart, const ChartLayout& layout) {
  std::string script;
  AppendSettings(layout, script);
  std::vector<std::string> items;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const SeriesData data(chart.series[i], layout);
    if (data.empty()) continue;
    const std::string block = absl::StrCat("$d", i);
    absl::StrAppend(&script, block, " << END\n", data.text(), "END\n");
    for (std::string& item : PlotItems(chart.series[i], data, block)) {
      items.push_back(std::move(item));
    }
  }
  if (items.empty()) {
    absl::StrAppend(&script, "set label 'no data' at graph 0.5,0.5 center textcolor rgb '", kInk,
                    "'\n");
    items.emplace_back("NaN notitle");  // the axes alone
  }
  absl::StrAppend(&script, "plot ", absl::StrJoin(items, ", \\\n  "), "\n");
  return script;
}

absl::StatusOr<Picture> DrawChart(const Chart& chart, absl::string_view id,
                                  const PlotOptions& options) {
  const ChartLayout layout = LayOut(chart);
  ChildRun run;
  run.program = options.program;
  run.arguments = {"-d", "-"};  // no settings of the user's; commands from standard input
  run.input = PlotScript(chart, layout);
  run.time_limit = options.time_limit;
  const absl::StatusOr<ChildResult> drawn = RunChild(run);
  if (!drawn.ok()) return FromChild(drawn.status(), options);
  if (drawn->exit_code != 0) {
    return absl::InternalError(
        absl::StrCat(options.program, " needs to end with exit code 0 but has ", drawn->exit_code,
                     " and says: ", CutText(Printable(drawn->err), 400)));
  }
  absl::StatusOr<std::string> svg = EmbedSvg(drawn->out, {id, chart.title, chart.description});
  if (!svg.ok()) return svg.status();
  return Picture{*std::move(svg), layout.omitted};
}

}  // namespace plumbline
