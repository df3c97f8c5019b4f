// Findings of a scaling study for the terminal.
#ifndef PLUMBLINE_TOOLS_SCALE_SUMMARY_H_
#define PLUMBLINE_TOOLS_SCALE_SUMMARY_H_

#include <string>

#include "tools/scale_findings.h"

namespace plumbline {

// A screen or two for each model, at most 80 columns wide, what surprises first. What was not
// measured is left out, or "-" within a table. Ends with a newline.
std::string ScaleSummary(const ScaleFindings& findings);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_SUMMARY_H_
