// A comparison of two load tests as text at 80 columns, and as JSON.
#ifndef PLUMBLINE_TOOLS_COMPARE_REPORT_H_
#define PLUMBLINE_TOOLS_COMPARE_REPORT_H_

#include <string>

#include "tools/compare_loads.h"

namespace plumbline {

// `a` and `b` name the files. Of figures that do not differ only the ones that are asked for first,
// unless `all`.
std::string CompareReport(const LoadComparison& comparison, const std::string& a,
                          const std::string& b, bool all);

// One line, with every figure; null: unknown. Its "verdict" is "different", "indistinguishable" or
// "undecided".
std::string CompareJson(const LoadComparison& comparison, const std::string& a,
                        const std::string& b);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_COMPARE_REPORT_H_
