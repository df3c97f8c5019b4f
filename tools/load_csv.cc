#include "tools/load_csv.h"

#include <array>
#include <cstddef>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/replacing_file.h"
#include "tools/csv_text.h"
#include "tools/load_fields.h"
#include "tools/load_timing.h"

namespace plumbline {
namespace {

// Times carry nanoseconds; one that is not there is an empty field.
struct CsvValue {
  std::string operator()(double seconds) const {
    return seconds < 0 ? std::string() : absl::StrFormat("%.9f", seconds);
  }
  std::string operator()(int64_t count) const { return absl::StrCat(count); }
};

template <class Record>
std::string CsvFieldText(const Record& record, const LoadField<Record>& field) {
  return std::visit([&record](auto member) { return CsvValue()(record.*member); }, field.member);
}

struct TimingColumn {
  const char* name;
  double RequestTiming::*member;
};
constexpr std::array<TimingColumn, 9> kTimingColumns = {
    {{"ttft_seconds", &RequestTiming::ttft},
     {"queue_seconds", &RequestTiming::queue},
     {"prefill_seconds", &RequestTiming::prefill},
     {"stalled_seconds", &RequestTiming::stalled},
     {"preempted_seconds", &RequestTiming::preempted},
     {"e2e_seconds", &RequestTiming::e2e},
     {"tpot_seconds", &RequestTiming::tpot},
     {"p99_gap_seconds", &RequestTiming::p99_gap},
     {"longest_gap_seconds", &RequestTiming::longest_gap}}};

}  // namespace

std::string RequestsCsv(const LoadRecord& record) {
  std::string csv = "repetition";
  for (const auto& field : kRequestFields) absl::StrAppend(&csv, ",", field.name);
  for (const auto& column : kTimingColumns) absl::StrAppend(&csv, ",", column.name);
  absl::StrAppend(&csv, ",preemptions,outcome,error\n");
  for (size_t r = 0; r < record.repetitions.size(); ++r) {
    const RepetitionRecord& repetition = record.repetitions[r];
    for (const RequestRecord& request : repetition.requests) {
      absl::StrAppend(&csv, r);
      for (const auto& field : kRequestFields) {
        absl::StrAppend(&csv, ",", CsvFieldText(request, field));
      }
      const RequestTiming timing = TimingOf(request, repetition.steps);
      for (const auto& column : kTimingColumns) {
        absl::StrAppend(&csv, ",", CsvValue()(timing.*column.member));
      }
      absl::StrAppend(&csv, ",", request.preemptions.size(), ",", LoadOutcomeName(request.outcome),
                      ",", QuotedCsv(request.error), "\n");
    }
  }
  return csv;
}

std::string StepsCsv(const LoadRecord& record) {
  std::string csv = "repetition";
  for (const auto& field : kStepFields) absl::StrAppend(&csv, ",", field.name);
  csv += "\n";
  for (size_t r = 0; r < record.repetitions.size(); ++r) {
    for (const StepRecord& step : record.repetitions[r].steps) {
      absl::StrAppend(&csv, r);
      for (const auto& field : kStepFields) absl::StrAppend(&csv, ",", CsvFieldText(step, field));
      csv += "\n";
    }
  }
  return csv;
}

absl::Status WriteLoadCsv(const LoadRecord& record, const std::string& prefix) {
  absl::Status status = ReplaceFile(absl::StrCat(prefix, "-requests.csv"), RequestsCsv(record));
  if (status.ok()) status = ReplaceFile(absl::StrCat(prefix, "-steps.csv"), StepsCsv(record));
  return status;
}

}  // namespace plumbline
