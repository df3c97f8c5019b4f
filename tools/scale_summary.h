// What a scale study found, for a terminal.
#ifndef PLUMBLINE_TOOLS_SCALE_SUMMARY_H_
#define PLUMBLINE_TOOLS_SCALE_SUMMARY_H_

#include <string>

#include "tools/scale_files.h"
#include "tools/scale_findings.h"

namespace plumbline {

// Tables of all models, none wider than 80 columns, then what was left out, whether the machine was
// steady, and whether counters and formulas agree. `folder`: where the files went; empty: nowhere.
std::string ScaleSummary(const ScaleStudy& study, const ScaleFindings& findings,
                         const std::string& folder);

// Measured counts beside formulas: of every sample, products, executed products and bytes by class,
// and softmax pairs.
struct ScaleAgreement {
  int64_t figures = 0;
  int64_t differences = 0;
};
ScaleAgreement CompareWithFormulas(const ScaleData& data);

// For tables: "12.35 ms" with "+-1.2%"; "-" where not known.
std::string ShownSeconds(const Estimate& seconds);
std::string ShownHalfWidth(const Estimate& estimate);
// Three digits; "-" where not known.
std::string ShownFigure(double value);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_SUMMARY_H_
