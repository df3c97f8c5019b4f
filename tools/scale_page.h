// A scaling study as one HTML page.
#ifndef PLUMBLINE_TOOLS_SCALE_PAGE_H_
#define PLUMBLINE_TOOLS_SCALE_PAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/plot.h"
#include "tools/scale_report_data.h"

namespace plumbline {

// The whole page, which needs no other file. A part that was not measured is a
// sentence that says so. Values that could not be drawn are counted in the caption. Errors are
// those of DrawChart: without gnuplot there is no page. Thread-safe.
absl::StatusOr<std::string> ScalePage(const ScaleReportData& data, const PlotOptions& options = {});

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_PAGE_H_
