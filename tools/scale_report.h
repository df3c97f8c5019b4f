// From a scale study and its findings to what its page shows.
#ifndef PLUMBLINE_TOOLS_SCALE_REPORT_H_
#define PLUMBLINE_TOOLS_SCALE_REPORT_H_

#include "tools/scale_files.h"
#include "tools/scale_findings.h"
#include "tools/scale_report_data.h"

namespace plumbline {

// All models of the study side by side. Parts that were not measured stay empty: the page says so.
// Pure.
ScaleReportData ScaleReport(const ScaleStudy& study, const ScaleFindings& findings);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_REPORT_H_
