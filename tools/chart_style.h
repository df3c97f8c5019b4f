// How series look: told apart by colour and, in black and white, by dashes and markers.
#ifndef PLUMBLINE_TOOLS_CHART_STYLE_H_
#define PLUMBLINE_TOOLS_CHART_STYLE_H_

#include <array>
#include <cstddef>

#include "tools/chart.h"

namespace plumbline {

// Colours are those of Okabe and Ito, "Color Universal Design" (2008), which readers with any kind
// of colour vision tell apart. Their light ones are too faint for text on white, so that labels
// have darker shades, of a contrast of at least 4.5 (WCAG 2.1, criterion 1.4.3).
struct SeriesStyle {
  const char* colour;
  const char* text_colour;
  const char* dash;  // gnuplot's dashtype
  int marker;        // gnuplot's pointtype
};

// Light and dark take turns, for the segments of a stacked bar on paper.
inline constexpr std::array<SeriesStyle, kChartStyles> kSeriesStyles = {
    SeriesStyle{"#0072B2", "#0072B2", "solid", 7},       // blue, disc
    SeriesStyle{"#E69F00", "#8F6200", "(10,5)", 5},      // orange, square
    SeriesStyle{"#009E73", "#007A59", "(3,4)", 9},       // bluish green, triangle
    SeriesStyle{"#56B4E9", "#1B71A3", "(12,4,3,4)", 6},  // sky blue, ring
    SeriesStyle{"#D55E00", "#B34F00", "(6,3)", 13},      // vermillion, diamond
    SeriesStyle{"#CC79A7", "#A03C75", "(16,5)", 11},     // reddish purple, triangle down
    SeriesStyle{"#000000", "#000000", "solid", 4},       // black, open square
    SeriesStyle{"#F0E442", "#6E6700", "(2,6)", 8}};      // yellow, open triangle

inline const SeriesStyle& StyleOf(int style) {
  const int index = (style % kChartStyles + kChartStyles) % kChartStyles;
  return kSeriesStyles[static_cast<size_t>(index)];
}

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CHART_STYLE_H_
