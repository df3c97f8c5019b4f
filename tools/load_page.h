// A load test as one HTML page.
#ifndef PLUMBLINE_TOOLS_LOAD_PAGE_H_
#define PLUMBLINE_TOOLS_LOAD_PAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "tools/load_metrics.h"
#include "tools/load_record.h"
#include "tools/load_slo.h"
#include "tools/plot.h"

namespace plumbline {

// The whole page, which needs no other file: findings, pictures, tables, settings,
// and the report as the terminal shows it. `metrics` are those of the record and `slo`. A part for
// which nothing was recorded is a sentence that says so. Errors are those of DrawChart: without
// gnuplot there is no page. Thread-safe.
absl::StatusOr<std::string> LoadPage(const LoadRecord& record, const LoadSlo& slo,
                                     const LoadMetrics& metrics, const PlotOptions& options = {});

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_PAGE_H_
