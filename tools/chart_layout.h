// Where everything of a chart stands, in pixels of the canvas, so that labels can be kept apart
// before anything is drawn.
#ifndef PLUMBLINE_TOOLS_CHART_LAYOUT_H_
#define PLUMBLINE_TOOLS_CHART_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tools/chart.h"
#include "tools/chart_axis.h"

namespace plumbline {

inline constexpr double kCanvasWidthPx = 720;
// Eleven pixels on a phone, which shows the canvas at half its width.
inline constexpr double kFontPx = 22;

// Pixels from the lower left corner of the canvas; y grows upwards.
struct CanvasPoint {
  double x = 0;
  double y = 0;
};

struct CanvasRect {
  double left = 0;
  double right = 0;
  double bottom = 0;
  double top = 0;
};

enum class TextAlign { kLeft, kCentre, kRight };

struct PlacedLabel {
  std::string text;
  CanvasPoint at;  // the middle of the text's height
  TextAlign align = TextAlign::kLeft;
  double degrees = 0;  // counter-clockwise
  int style = 0;
  std::optional<CanvasPoint> target = {};  // a thin line leads there
  bool marker = false;                     // the style's marker stands before the text
};

struct ChartLayout {
  double height_px = 0;
  AxisLayout x;
  AxisLayout y;
  CanvasRect plot;  // between the axes
  std::vector<PlacedLabel> labels;
  int64_t omitted = 0;  // marks and boxes that cannot be drawn, or lie outside of a given range
};

ChartLayout LayOut(const Chart& chart);

// A guess at the width of text in the picture's font, on the generous side.
double TextWidthPx(absl::string_view text);

// Heights as close to those wanted as a distance of `gap` between any two allows, all within
// [low, high]; same order. Where they cannot all fit, the gap shrinks.
std::vector<double> Spread(const std::vector<double>& wanted, double gap, double low, double high);

// Labels near points, each where it covers least of the others, of `obstacles` and of the world
// outside of `room`; where points lie close together, their labels stand below each other. Adds to
// `labels`, whose own texts are kept clear of. `wanted` have text, style and the point as `at`; at
// most 60 are placed, in their order.
void PlaceNear(absl::Span<const PlacedLabel> wanted, absl::Span<const CanvasPoint> obstacles,
               const CanvasRect& room, std::vector<PlacedLabel>& labels);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHART_LAYOUT_H_
