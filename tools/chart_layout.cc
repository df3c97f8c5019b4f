#include "tools/chart_layout.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "tools/table.h"

namespace plumbline {
namespace {

constexpr double kLineHeightPx = 1.15 * kFontPx;
constexpr size_t kMostLabelColumns = 22;
constexpr double kLeaderPx = 22;  // between the plot and a label in the right margin
constexpr double kTickGapPx = 16;
constexpr double kCellPx = 8;

bool IsBoxes(const ChartSeries& series) { return series.shape == SeriesShape::kBoxes; }

void AddDrawable(const ChartAxis& axis, double value, std::vector<double>& values) {
  if (IsDrawable(axis.scale, value)) values.push_back(value);
}

std::vector<double> Values(const Chart& chart, bool of_x) {
  const ChartAxis& axis = of_x ? chart.x : chart.y;
  std::vector<double> values;
  for (const ChartSeries& series : chart.series) {
    for (const ChartBox& box : series.boxes) {
      AddDrawable(axis, of_x ? box.x_low : box.y_low, values);
      AddDrawable(axis, of_x ? box.x_high : box.y_high, values);
    }
    for (const ChartMark& mark : series.marks) {
      if (series.shape != SeriesShape::kBand) AddDrawable(axis, of_x ? mark.x : mark.y, values);
      if (of_x) continue;
      AddDrawable(axis, mark.low, values);
      AddDrawable(axis, mark.high, values);
    }
  }
  return values;
}

class Layouter {
 public:
  explicit Layouter(const Chart& chart) : chart_(chart) {}

  ChartLayout Run() {
    layout_.height_px = std::clamp(chart_.height_px, 200, 4000);
    layout_.x = LayOutAxis(chart_.x, Values(chart_, true), false);
    layout_.y = LayOutAxis(chart_.y, Values(chart_, false), true);
    SetPlot();
    ThinTicks(layout_.x.ticks, true);
    ThinTicks(layout_.y.ticks, false);
    CountOmitted();
    LabelLines();
    LabelKeys();
    LabelEnds();
    LabelMarks();
    return std::move(layout_);
  }

 private:
  bool Shows(double x, double y) const {
    return IsDrawable(layout_.x.scale, x) && IsDrawable(layout_.y.scale, y);
  }
  CanvasPoint At(double x, double y) const {
    const CanvasRect& plot = layout_.plot;
    return {plot.left + layout_.x.Fraction(x) * (plot.right - plot.left),
            plot.bottom + layout_.y.Fraction(y) * (plot.top - plot.bottom)};
  }
  bool Inside(double x, double y) const {
    constexpr double kSlack = 1e-9;
    if (!Shows(x, y)) return false;
    const double across = layout_.x.Fraction(x);
    const double up = layout_.y.Fraction(y);
    return std::min(across, up) >= -kSlack && std::max(across, up) <= 1 + kSlack;
  }

  void SetPlot() {
    double ticks = 0;
    for (const ChartTick& tick : layout_.y.ticks) ticks = std::max(ticks, TextWidthPx(tick.label));
    double names = 0;
    for (const ChartSeries& series : chart_.series) {
      if (series.place == LabelPlace::kEnd && !series.label.empty()) {
        names = std::max(names, kLeaderPx + TextWidthPx(CutText(series.label, kMostLabelColumns)));
      }
    }
    // Half of the last tick's label stands right of the axis.
    const double half_tick =
        layout_.x.ticks.empty() ? 0 : TextWidthPx(layout_.x.ticks.back().label) / 2;
    CanvasRect& plot = layout_.plot;
    plot.left = std::min(ticks + kTickGapPx, kCanvasWidthPx / 2);
    plot.right = kCanvasWidthPx - std::max({names + 4, half_tick + 4, 12.0});
    plot.bottom = layout_.x.title.empty() ? 36 : 64;
    plot.top = layout_.height_px - (layout_.y.title.empty() ? 14 : 46);
  }

  // Leaves out every second, then every third, ... until the labels have room.
  void ThinTicks(std::vector<ChartTick>& ticks, bool across) const {
    for (size_t stride = 1; stride <= ticks.size(); ++stride) {
      if (!Crowded(ticks, stride, across)) {
        std::vector<ChartTick> kept;
        for (size_t i = 0; i < ticks.size(); i += stride) kept.push_back(ticks[i]);
        ticks = kept;
        return;
      }
    }
  }
  bool Crowded(const std::vector<ChartTick>& ticks, size_t stride, bool across) const {
    for (size_t i = stride; i < ticks.size(); i += stride) {
      const ChartTick& a = ticks[i - stride];
      const ChartTick& b = ticks[i];
      const double distance = across ? (layout_.x.Fraction(b.value) - layout_.x.Fraction(a.value)) *
                                           (layout_.plot.right - layout_.plot.left)
                                     : (layout_.y.Fraction(b.value) - layout_.y.Fraction(a.value)) *
                                           (layout_.plot.top - layout_.plot.bottom);
      const double needed =
          across ? (TextWidthPx(a.label) + TextWidthPx(b.label)) / 2 + 4 : kLineHeightPx;
      if (distance < needed) return true;
    }
    return false;
  }

  void CountOmitted() {
    for (const ChartSeries& series : chart_.series) {
      const bool band = series.shape == SeriesShape::kBand;
      for (const ChartMark& mark : series.marks) {
        const bool shown =
            band ? Shows(mark.x, mark.low) && Shows(mark.x, mark.high) : Inside(mark.x, mark.y);
        if (!shown) ++layout_.omitted;
      }
      for (const ChartBox& box : series.boxes) {
        if (!Shows(box.x_low, box.y_low) || !Shows(box.x_high, box.y_high)) ++layout_.omitted;
      }
    }
  }

  void LabelLines() {
    for (const ChartSeries& series : chart_.series) {
      if (series.place != LabelPlace::kAlong || series.label.empty()) continue;
      double longest = 0;
      PlacedLabel label;
      CanvasPoint end;  // of the longest piece
      for (size_t i = 1; i < series.marks.size(); ++i) {
        const ChartMark& from = series.marks[i - 1];
        const ChartMark& to = series.marks[i];
        if (!Inside(from.x, from.y) || !Inside(to.x, to.y)) continue;
        const CanvasPoint a = At(from.x, from.y);
        const CanvasPoint b = At(to.x, to.y);
        const double length = std::hypot(b.x - a.x, b.y - a.y);
        if (length <= longest) continue;
        longest = length;
        end = b;
        const double angle = std::atan2(b.y - a.y, b.x - a.x);
        constexpr double kAbove = 0.7 * kFontPx;
        label.at = {(a.x + b.x) / 2 - kAbove * std::sin(angle),
                    (a.y + b.y) / 2 + kAbove * std::cos(angle)};
        label.degrees = angle * 180 / std::numbers::pi;
      }
      if (longest == 0) continue;
      label.text = Printable(series.label);
      label.align = TextAlign::kCentre;
      // Longer than a level piece it would run out of the picture.
      const bool level = std::abs(label.degrees) < 1;
      if (level) label.at.x = std::min(label.at.x, end.x - TextWidthPx(label.text) / 2);
      label.style = series.style;
      layout_.labels.push_back(label);
    }
  }

  void LabelKeys() {
    constexpr double kMarkerPx = 16;
    CanvasPoint at = {layout_.plot.left + kMarkerPx, layout_.plot.top - kLineHeightPx / 2};
    for (const ChartSeries& series : chart_.series) {
      if (series.place != LabelPlace::kKey || series.label.empty()) continue;
      layout_.labels.push_back(
          {.text = Printable(series.label), .at = at, .style = series.style, .marker = true});
      at.y -= kLineHeightPx;
    }
  }

  // Where the label of a series points to: its last mark or box.
  std::optional<CanvasPoint> EndOf(const ChartSeries& series) const {
    if (IsBoxes(series)) {
      const auto middle = [](const auto& box) { return box.y_low + (box.y_high - box.y_low) / 2; };
      const auto box = std::find_if(series.boxes.rbegin(), series.boxes.rend(),
                                    [&](const auto& b) { return Shows(b.x_high, middle(b)); });
      if (box == series.boxes.rend()) return std::nullopt;
      return At(box->x_high, middle(*box));
    }
    const auto mark = std::find_if(series.marks.rbegin(), series.marks.rend(),
                                   [&](const ChartMark& m) { return Inside(m.x, m.y); });
    if (mark == series.marks.rend()) return std::nullopt;
    return At(mark->x, mark->y);
  }

  void LabelEnds() {
    std::vector<double> wanted;
    std::vector<PlacedLabel> labels;
    for (const ChartSeries& series : chart_.series) {
      if (series.place != LabelPlace::kEnd || series.label.empty()) continue;
      const std::optional<CanvasPoint> end = EndOf(series);
      if (!end.has_value()) continue;
      PlacedLabel label;
      label.text = CutText(Printable(series.label), kMostLabelColumns);
      label.style = series.style;
      label.target = CanvasPoint{end->x + 6, end->y};
      labels.push_back(label);
      wanted.push_back(end->y);
    }
    const std::vector<double> placed = Spread(wanted, kLineHeightPx, layout_.plot.bottom + 4,
                                              layout_.height_px - kLineHeightPx / 2);
    for (size_t i = 0; i < labels.size(); ++i) {
      labels[i].at = {layout_.plot.right + kLeaderPx, placed[i]};
      layout_.labels.push_back(labels[i]);
    }
  }

  void LabelMarks() {
    std::vector<PlacedLabel> wanted;
    for (const ChartSeries& series : chart_.series) {
      AddObstacles(series);
      for (const ChartMark& mark : series.marks) {
        if (!mark.label.empty() && Inside(mark.x, mark.y)) {
          wanted.push_back(
              {.text = Printable(mark.label), .at = At(mark.x, mark.y), .style = series.style});
        }
      }
      const std::optional<CanvasPoint> end = EndOf(series);
      if (series.place == LabelPlace::kNear && !series.label.empty() && end.has_value()) {
        wanted.push_back({.text = Printable(series.label), .at = *end, .style = series.style});
      }
    }
    PlaceNear(wanted, obstacles_,
              {layout_.plot.left + 4, kCanvasWidthPx, layout_.plot.bottom + 4, layout_.plot.top},
              layout_.labels);
  }

  void AddObstacles(const ChartSeries& series) {
    if (IsBoxes(series) || series.shape == SeriesShape::kBand) return;
    CanvasPoint last;
    bool joined = false;  // a line leads from `last` to the next mark
    for (const ChartMark& mark : series.marks) {
      if (!Inside(mark.x, mark.y)) {
        joined = false;
        continue;
      }
      const CanvasPoint here = At(mark.x, mark.y);
      AddObstacle(here);
      const double length = joined ? std::hypot(here.x - last.x, here.y - last.y) : 0;
      for (int cell = 1; cell * kCellPx < length; ++cell) {
        const double share = cell * kCellPx / length;
        AddObstacle({last.x + (here.x - last.x) * share, last.y + (here.y - last.y) * share});
      }
      last = here;
      joined = series.shape != SeriesShape::kPoints;
    }
  }

  // One for each cell of the canvas, so that many marks cost no more than a full canvas.
  void AddObstacle(const CanvasPoint& point) {
    constexpr auto kCellsAcross = static_cast<size_t>(kCanvasWidthPx / kCellPx) + 1;
    const auto column = static_cast<size_t>(point.x / kCellPx);
    const size_t cell = static_cast<size_t>(point.y / kCellPx) * kCellsAcross + column;
    if (cell >= occupied_.size()) occupied_.resize(cell + 1, false);
    if (!occupied_[cell]) obstacles_.push_back(point);
    occupied_[cell] = true;
  }

  const Chart& chart_;
  ChartLayout layout_;
  std::vector<CanvasPoint> obstacles_;  // marks and places on lines
  std::vector<bool> occupied_;
};

}  // namespace

ChartLayout LayOut(const Chart& chart) { return Layouter(chart).Run(); }

}  // namespace plumbline
