// Findings of a scaling study for the terminal.
#ifndef PLUMBLINE_TOOLS_SCALE_SUMMARY_H_
#define PLUMBLINE_TOOLS_SCALE_SUMMARY_H_

#include <string>

#include "tools/scale_findings.h"

namespace plumbline {

// A screen or two for each model, at most 80 columns wide: the fits, where costs meet, the
// articles' claims, shares and counter-examples. With `verbose` all claims and lengths, and
// ScaleDetails. What was not measured is left out, or "-" within a table. Ends with a newline.
std::string ScaleSummary(const ScaleFindings& findings, bool verbose);

// Counter-examples in words, doublings, rates, variants and predictions of one model; every part
// has a blank line above it.
std::string ScaleDetails(const ScaleModelFindings& model);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_SUMMARY_H_
