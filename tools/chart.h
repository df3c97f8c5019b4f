// What a picture shows, apart from how it is drawn. Plain values: one thread at a time may write.
#ifndef PLUMBLINE_TOOLS_CHART_H_
#define PLUMBLINE_TOOLS_CHART_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace plumbline {

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

enum class AxisScale { kLinear, kLog10, kLog2 };

struct ChartTick {
  double value = 0;
  std::string label;
};

struct ChartAxis {
  std::string label = {};  // what is shown, without the unit
  std::string unit = {};   // without a prefix: "s", "B", "tokens"; empty: a pure number
  AxisScale scale = AxisScale::kLinear;
  std::optional<double> low = {};  // both: chosen to hold the data where not given
  std::optional<double> high = {};
  std::vector<ChartTick> ticks = {};  // empty: chosen
};

// A value that is not finite, beyond 1e60 in size, or not positive on a logarithmic axis cannot be
// drawn: its mark is left out and counted, and a line is broken there.
struct ChartMark {
  double x = 0;
  double y = 0;
  double low = kNoValue;  // interval of y, drawn as an error bar; kBand: its two edges
  double high = kNoValue;
  std::string label = {};  // written near the mark
};

struct ChartBox {
  double x_low = 0;
  double x_high = 0;
  double y_low = 0;
  double y_high = 0;
};

enum class SeriesShape {
  kPoints,      // marks, with error bars where they have intervals
  kLine,        // from mark to mark, in their order
  kLinePoints,  // both
  kSteps,       // horizontal, then vertical
  kBand,        // a grey area between `low` and `high`
  kBoxes        // filled rectangles: `boxes` counts, `marks` does not
};

enum class LabelPlace {
  kEnd,    // in the right margin, at the height of the last mark or box
  kNear,   // close to the last mark, where there is room
  kAlong,  // above the longest straight piece, turned with it
  kKey     // with its marker in the upper left corner, below each other
};

struct ChartSeries {
  std::string label = {};  // empty: none
  SeriesShape shape = SeriesShape::kLinePoints;
  LabelPlace place = LabelPlace::kEnd;
  int style = 0;  // one colour, dash and marker; counted modulo kChartStyles
  std::vector<ChartMark> marks = {};
  std::vector<ChartBox> boxes = {};
};

struct Chart {
  std::string title;        // for readers who cannot see the picture, like `description`
  std::string description;  // one or two sentences
  ChartAxis x = {};
  ChartAxis y = {};
  std::vector<ChartSeries> series = {};
  int height_px = 440;  // 720 wide; 200 to 4000, else the nearer of the two
};

inline constexpr int kChartStyles = 8;

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHART_H_
