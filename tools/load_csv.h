// A load test's requests and steps as CSV (RFC 4180), for spreadsheets and data frames.
#ifndef PLUMBLINE_TOOLS_LOAD_CSV_H_
#define PLUMBLINE_TOOLS_LOAD_CSV_H_

#include <string>

#include "absl/status/status.h"
#include "tools/load_record.h"

namespace plumbline {

// A heading, then one line for each request of each repetition, with the times that follow from its
// record; empty fields: there is no such time.
std::string RequestsCsv(const LoadRecord& record);
// The same of steps.
std::string StepsCsv(const LoadRecord& record);

// Writes both to PREFIX-requests.csv and PREFIX-steps.csv, each whole or not at all. Errors of
// ReplacingFile.
absl::Status WriteLoadCsv(const LoadRecord& record, const std::string& prefix);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_CSV_H_
