// Figures of a scaling study as text.
#ifndef PLUMBLINE_TOOLS_SCALE_TEXT_H_
#define PLUMBLINE_TOOLS_SCALE_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/stats.h"
#include "tools/table.h"

namespace plumbline {

// Three significant digits, or four from 1000 on: "0.0312", "2.97", "3,071". "-": unknown;
// "inf": infinite.
std::string FigureText(double value);
// "2.97 [2.95, 2.99]"; the figure alone where its interval is unknown.
std::string EstimateText(const Estimate& estimate);
// "12.3 us [12.1 us, 12.6 us]".
std::string SecondsText(const Estimate& seconds);
Cell FigureCell(double value);
Cell EstimateCell(const Estimate& estimate);
// A length that may lie outside of the sweep: "3,071 [2,990, 3,150]", "not reached",
// "before the first".
std::string ReachText(const Estimate& tokens);

// A model's name as pictures and headings show it: "gpt2-small,kv_heads=4" (without its
// context, which changes no cost), or a file's name
// without its folder and ".gguf"; at most 40 characters.
std::string ShortModelName(absl::string_view model);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_TEXT_H_
