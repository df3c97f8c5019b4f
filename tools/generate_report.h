// What `plumbline generate` prints behind the text: times, and counts held against formulas.
#ifndef PLUMBLINE_TOOLS_GENERATE_REPORT_H_
#define PLUMBLINE_TOOLS_GENERATE_REPORT_H_

#include <string>

#include "tools/count_agreement.h"
#include "tools/generate.h"

namespace plumbline {

// Lines of at most 80 columns (the texts aside). For several requests it starts with their texts;
// for one, that was shown as it came. Every measured figure that differs from its formula has a
// "!=" behind it.
std::string GenerateReport(const GenerateRun& run);

// How many of the run's counts were held against a formula, and how many differ. Counts of the
// cache are left out for requests that were cut off.
CountAgreement CompareWithFormulas(const GenerateRun& run);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_GENERATE_REPORT_H_
