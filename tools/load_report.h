// A load test's report at 80 columns.
#ifndef PLUMBLINE_TOOLS_LOAD_REPORT_H_
#define PLUMBLINE_TOOLS_LOAD_REPORT_H_

#include <string>

#include "tools/load_metrics.h"
#include "tools/load_record.h"
#include "tools/load_search.h"
#include "tools/load_slo.h"

namespace plumbline {

// `metrics` are those of the record and `slo`.
std::string LoadReport(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics);

// The rates that were tried.
std::string SearchReport(const RateSearch& search, const LoadSlo& slo, double target_share);

// What steps took beside what was predicted of them, and what the cache held beside the formula and
// the articles' figure. Part of LoadReport.
std::string LoadStepsReport(const LoadRecord& record);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_REPORT_H_
