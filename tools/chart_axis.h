// Ranges, ticks and their labels.
#ifndef PLUMBLINE_TOOLS_CHART_AXIS_H_
#define PLUMBLINE_TOOLS_CHART_AXIS_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "tools/chart.h"

namespace plumbline {

// An axis with nothing left to choose. low < high, both drawable.
struct AxisLayout {
  AxisScale scale = AxisScale::kLinear;
  double low = 0;
  double high = 1;
  std::vector<ChartTick> ticks;  // all within the range, ascending
  std::string title;             // with the unit, unless the ticks carry it

  // 0 at `low`, 1 at `high`. REQUIRES: IsDrawable(scale, value).
  double Fraction(double value) const;
};

bool IsDrawable(AxisScale scale, double value);

// `values` is what the axis must show; what is not drawable is passed over. With `whole_ticks` a
// linear range ends at ticks (for upright axes). A range with nothing in it is made up.
AxisLayout LayOutAxis(const ChartAxis& axis, absl::Span<const double> values, bool whole_ticks);

// "10 ms", "1.5 GB", "200 k", "0"; units of more than two characters are left out.
std::string TickLabel(double value, const std::string& unit);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHART_AXIS_H_
