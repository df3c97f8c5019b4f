// The files that a load test leaves.
#ifndef PLUMBLINE_TOOLS_LOAD_FILES_H_
#define PLUMBLINE_TOOLS_LOAD_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/load_metrics.h"
#include "tools/load_record.h"
#include "tools/load_slo.h"
#include "tools/plot.h"

namespace plumbline {

// Paths; empty: none.
struct LoadFileOptions {
  std::string json;
  std::string csv;  // prefix of two files
  std::string trace;
  std::string page;
  // All of the above, as run.json, run-requests.csv, run-steps.csv, trace.json and page.html.
  std::string folder;
};

// Makes the folder, where there is one to be made, so that a run does not end without it. Unknown
// where that fails, with what the system says.
absl::Status PrepareLoadFiles(const LoadFileOptions& options);

// Writes what is asked for, each file whole or not at all. `json` is LoadJson of the others. Errors
// are those of ReplacingFile, and of LoadPage for a page that was asked for by name; without
// gnuplot a folder has no page, and a warning is logged. Files that do not fail are written all the
// same; the first error is returned.
absl::Status WriteLoadFiles(const LoadFileOptions& options, const LoadRecord& record,
                            const LoadSlo& slo, const LoadMetrics& metrics, absl::string_view json,
                            const PlotOptions& plot = {});

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_FILES_H_
