#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "tools/table.h"
#include "tools/validate.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMedianTarget = 0.10;
constexpr double kP90Target = 0.25;
constexpr size_t kWorstPoints = 5;

Cell PercentCell(double share) { return Cell::Text(absl::StrFormat("%.1f%%", 100 * share)); }

Cell ErrorPercent(double share) { return Cell::Text(absl::StrFormat("%+.1f%%", 100 * share)); }

std::vector<Cell> SummaryCells(absl::string_view name, const ErrorSummary& summary) {
  if (summary.points == 0) return {Cell::Text(name), Cell::Count(0), Cell::None(), Cell::None()};
  return {Cell::Text(name), Cell::Count(summary.points), PercentCell(summary.median),
          PercentCell(summary.p90)};
}

// What comes before the step in a point's name: the model and its types.
std::string Label(const GridPoint& point) {
  const std::string mark = absl::StrCat(" ", StepKindName(point.kind), " ");
  return point.name.substr(0, point.name.find(mark));
}

std::string GroupTable(const ValidateRun& run) {
  Table table({"Absolute error of a step's time", "points", "median", "90th pct", "worst"});
  table.SetLeastWidths({40, 6, 8, 8, 8});
  std::vector<std::string> labels;
  for (const ValidatedPoint& point : run.points) {
    const std::string label =
        absl::StrCat(Label(point.point), ", ", StepKindName(point.point.kind));
    if (labels.empty() || std::find(labels.begin(), labels.end(), label) == labels.end()) {
      labels.push_back(label);
    }
  }
  for (const std::string& label : labels) {
    double worst = 0;
    const auto summary = SummarizeErrors(run, [&](const ValidatedPoint& point) {
      const bool match =
          label == absl::StrCat(Label(point.point), ", ", StepKindName(point.point.kind));
      if (match && std::fabs(point.Error()) > std::fabs(worst)) worst = point.Error();
      return match;
    });
    std::vector<Cell> cells = SummaryCells(absl::StrCat("  ", label), summary);
    cells.push_back(ErrorPercent(worst));
    table.AddRow(std::move(cells));
  }
  return table.ToString();
}

std::string TotalTable(const ValidateRun& run) {
  Table table({"All", "points", "median", "90th pct", "target"});
  table.SetLeastWidths({40, 6, 8, 8, 8});
  const auto add = [&](absl::string_view name, const ErrorSummary& summary) {
    std::vector<Cell> cells = SummaryCells(name, summary);
    const bool met = summary.median <= kMedianTarget && summary.p90 <= kP90Target;
    cells.push_back(Cell::Text(summary.points == 0 ? "-" : met ? "met" : "missed"));
    table.AddRow(std::move(cells));
  };
  add("  all", SummarizeErrors(run, [](const ValidatedPoint&) { return true; }));
  add("  tuning half",
      SummarizeErrors(run, [](const ValidatedPoint& p) { return !p.point.held_out; }));
  add("  held-out half",
      SummarizeErrors(run, [](const ValidatedPoint& p) { return p.point.held_out; }));
  return table.ToString();
}

std::string WorstTable(const ValidateRun& run) {
  std::vector<const ValidatedPoint*> worst;
  for (const ValidatedPoint& point : run.points) worst.push_back(&point);
  std::stable_sort(worst.begin(), worst.end(), [](const auto* a, const auto* b) {
    return std::fabs(a->Error()) > std::fabs(b->Error());
  });
  worst.resize(std::min(worst.size(), kWorstPoints));
  Table table({"Farthest off", "measured", "predicted", "error"});
  for (const ValidatedPoint* point : worst) {
    table.AddRow({Cell::Text(absl::StrCat("  ", point->point.name)),
                  Cell::Text(FormatSeconds(point->MedianSeconds())),
                  Cell::Text(FormatSeconds(point->MedianPredicted())),
                  ErrorPercent(point->Error())});
  }
  return table.ToString();
}

Json SummaryJson(const ErrorSummary& summary) {
  return {{"points", summary.points}, {"median", summary.median}, {"p90", summary.p90}};
}

Json PointJson(const ValidatedPoint& point) {
  Json json;
  json["name"] = point.point.name;
  json["held_out"] = point.point.held_out;
  json["error"] = point.Error();
  Json& samples = json["samples"] = Json::array();
  for (const ValidateSample& sample : point.samples) {
    Json entry;
    entry["seconds"] = sample.seconds;
    entry["predicted_seconds"] = sample.predicted.seconds();
    entry["matmul_flops_per_second"] = sample.anchors.matmul_flops_per_second;
    entry["read_bytes_per_second"] = sample.anchors.read_bytes_per_second;
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      const ClassTime& predicted = sample.predicted.classes[c];
      const std::string key =
          absl::StrReplaceAll(WorkClassName(static_cast<WorkClass>(c)), {{" ", "_"}, {"-", "_"}});
      entry["classes"][key] = {{"seconds", sample.class_seconds[c]},
                               {"predicted_seconds", predicted.seconds()},
                               {"compute_seconds", predicted.compute_seconds},
                               {"memory_seconds", predicted.memory_seconds},
                               {"overhead_seconds", predicted.overhead_seconds},
                               {"in_turn_seconds", predicted.in_turn_seconds},
                               {"bound", BoundName(predicted.bound())}};
    }
    samples.push_back(std::move(entry));
  }
  return json;
}

}  // namespace

std::string ValidateReport(const ValidateRun& run) {
  std::string out = WrapText(absl::StrFormat(
      "%d of %d steps in %s, %d threads; keys and values of earlier positions are seeded values "
      "(filled), the anchors are of this run. Error: predicted over measured time, less one, the "
      "median of the repetitions.%s",
      run.points.size(), run.grid.points.size(), FormatSeconds(run.seconds), run.profile.threads,
      run.interrupted ? " Interrupted: what there is." : ""));
  absl::StrAppend(&out, "\n", GroupTable(run), "\n", WorstTable(run), "\n", TotalTable(run));
  absl::StrAppend(&out,
                  WrapText("Target: median at most 10%, 90th percentile at most 25%. Held out: "
                           "steps whose name has an FNV-1a hash with bit 32 set; they took no part "
                           "in tuning."));
  if (run.left_out.empty()) return out;
  absl::StrAppend(&out, "Left out:\n");
  for (const LeftOut& left : run.left_out) {
    absl::StrAppend(&out, WrapText(absl::StrCat("  ", left.name, ": ", left.reason), 4));
  }
  return out;
}

std::string ValidateJson(const ValidateRun& run) {
  Json json;
  json["threads"] = run.profile.threads;
  json["seconds"] = run.seconds;
  json["interrupted"] = run.interrupted;
  json["filled"] = true;
  json["grid_points"] = run.grid.points.size();
  json["held_out_rule"] = "bit 32 of the name's FNV-1a hash is set";
  json["all"] = SummaryJson(SummarizeErrors(run, [](const ValidatedPoint&) { return true; }));
  json["tuning"] = SummaryJson(
      SummarizeErrors(run, [](const ValidatedPoint& point) { return !point.point.held_out; }));
  json["held_out"] = SummaryJson(
      SummarizeErrors(run, [](const ValidatedPoint& point) { return point.point.held_out; }));
  Json& points = json["points"] = Json::array();
  for (const ValidatedPoint& point : run.points) points.push_back(PointJson(point));
  Json& left_out = json["left_out"] = Json::array();
  for (const LeftOut& left : run.left_out) {
    left_out.push_back({{"name", left.name}, {"reason", left.reason}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace plumbline
