// Findings of a scaling study as JSON.
#ifndef PLUMBLINE_TOOLS_SCALE_FINDINGS_JSON_H_
#define PLUMBLINE_TOOLS_SCALE_FINDINGS_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json_fwd.hpp"
#include "tools/scale_files.h"
#include "tools/scale_findings.h"

namespace plumbline {

// {"seed": ..., "models": [...]}, each field under its name in scale_findings.h. An estimate is
// {"value", "low", "high"}. What is unknown or infinite is null; a crossing says which by "reach":
// "within", "before_first", "not_reached" or "unknown". Names that are no UTF-8 are for the caller
// to handle when it writes the text (error_handler_t::replace).
nlohmann::ordered_json ScaleFindingsJson(const ScaleFindings& findings);

// What `plumbline scale --json` prints: one object with "findings" and all that ScaleJson writes.
std::string ScaleResultJson(const ScaleStudy& study, const ScaleFindings& findings);

inline constexpr absl::string_view kScaleFindingsFile = "findings.json";
// The findings alone, in that file of a folder that is there. Errors of ReplacingFile.
absl::Status WriteScaleFindings(const std::string& folder, const ScaleFindings& findings);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_FINDINGS_JSON_H_
