#include "tools/load_report.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/load_tables.h"
#include "tools/table.h"

namespace plumbline {
namespace {

std::string LoadHeading(const LoadRecord& record) {
  return absl::StrCat(
      WrapText(absl::StrCat(
          CutText(Printable(record.model), kTerminalColumns - 1), ", weights ", record.weights,
          ", cache ", record.kv_dtype, ", ", FormatThreads(record.threads),
          record.target == "engine" ? "" : absl::StrCat(", ", record.target, " in virtual time"))),
      WrapText(absl::StrCat(Printable(record.workload), "; seed ", record.seed,
                            record.salt == 0 ? ", no salt" : "")),
      WrapText(absl::StrCat(Printable(PolicyText(record)), "; cache of ", CacheText(record))));
}

std::string LatencyTable(const LoadMetrics& metrics) {
  Table table({"Seconds", "mean", "p50", "p90", "p95", "p99", "max"});
  for (const LatencyRow& row : LatencyRows(metrics)) {
    std::vector<Cell> values = {{absl::StrCat(row.part ? "    " : "  ", row.label), ""}};
    std::vector<Cell> widths = {{"      +-", ""}};
    for (const std::string& value : row.values) values.push_back(Cell::Text(value));
    for (const std::string& width : row.half_widths) widths.push_back(Cell::Text(width));
    table.AddRow(std::move(values));
    table.AddRow(std::move(widths));
  }
  return table.ToString();
}

std::string LoadFigureTable(const LoadMetrics& metrics) {
  Table table({"Rates and use", "value", "from", "to"});
  for (const RateRow& row : RateRows(metrics)) {
    table.AddRow({{absl::StrCat("  ", row.label), ""},
                  Cell::Text(row.value),
                  Cell::Text(row.from),
                  Cell::Text(row.to)});
  }
  return table.ToString();
}

// What the anchors through a run cost. Empty where there are none.
std::string AnchorNote(const LoadRecord& record) {
  size_t marks = 0;
  size_t repeated = 0;
  double cost = 0;
  double run = 0;
  for (const RepetitionRecord& repetition : record.repetitions) {
    run += repetition.end_seconds;
    marks += repetition.anchor_marks.size();
    repeated += repetition.repeated_steps.size();
    for (const AnchorMark& mark : repetition.anchor_marks) cost += mark.cost_seconds;
    for (const RepeatedStep& step : repetition.repeated_steps) cost += step.cost_seconds;
  }
  if (marks + repeated == 0) return "";
  return WrapText(absl::StrFormat(
      "Anchors: %d taken between steps, and %d steps run twice; %.1f%% of the time, "
      "while the run's clock stood still.",
      marks, repeated, 100 * cost / (cost + run)));
}

std::string LoadNotes(const LoadRecord& record, const LoadMetrics& metrics) {
  std::string text;
  for (const std::string& warning : LoadWarnings(record, metrics)) {
    absl::StrAppend(&text, WrapText(warning));
  }
  return absl::StrCat(text, AnchorNote(record),
                      WrapText(absl::StrCat("+-, from, to: ", IntervalNote(record, metrics))));
}

}  // namespace

std::string LoadReport(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics) {
  return absl::StrCat(
      LoadHeading(record), WrapText(absl::StrCat("requests: ", RequestCounts(record, metrics)), 2),
      slo.text.empty() ? "goals: none\n" : absl::StrCat("goals: ", Printable(slo.text), "\n"), "\n",
      LatencyTable(metrics), "\n", LoadFigureTable(metrics), "\n", LoadStepsReport(record), "\n",
      LoadNotes(record, metrics));
}

std::string SearchReport(const RateSearch& search, const LoadSlo& slo, double target_share) {
  Table table({"Rate tried, requests/s", "met the goals", "verdict"});
  for (const RateProbe& probe : search.probes) {
    table.AddRow({{absl::StrFormat("  %.4g", probe.rate), ""},
                  Cell::Text(FigureText(probe.good_share, true)),
                  Cell::Text(probe.passed ? "keeps them" : "too fast")});
  }
  std::string text = table.ToString();
  if (search.highest > 0) {
    absl::StrAppendFormat(&text, "highest rate at which %.4g%% meet %s: %.4g requests/s\n\n",
                          100 * target_share, Printable(slo.text), search.highest);
  } else {
    absl::StrAppendFormat(&text, "no rate that was tried lets %.4g%% of requests meet %s\n\n",
                          100 * target_share, Printable(slo.text));
  }
  return text;
}

}  // namespace plumbline
