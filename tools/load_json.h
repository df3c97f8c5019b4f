// A load test's file: its whole record, and the figures that follow from it.
#ifndef PLUMBLINE_TOOLS_LOAD_JSON_H_
#define PLUMBLINE_TOOLS_LOAD_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/load_metrics.h"
#include "tools/load_record.h"
#include "tools/load_search.h"
#include "tools/load_slo.h"

namespace plumbline {

// One line. Numbers are written so that ParseLoadJson gives the same bits back. `metrics` are those
// of the record and `slo`. `search`, where not null, is how the record's rate was found.
std::string LoadJson(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics,
                     const RateSearch* search = nullptr);

struct LoadFile {
  LoadRecord record;
  LoadSlo slo;
};
// Reads what LoadJson wrote; figures are left aside, since they follow. DataLoss for text that is
// no such file, with what is wrong; FailedPrecondition for another version.
absl::StatusOr<LoadFile> ParseLoadJson(absl::string_view text);
// The same of a file; NotFound where it cannot be read.
absl::StatusOr<LoadFile> ReadLoadFile(const std::string& path);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_JSON_H_
