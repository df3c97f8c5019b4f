#include "tools/generate_times.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/generate_tables.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// Some steps together. Each is counted once, however many requests shared it.
struct StepTimes {
  ClassSeconds measured = {};
  StepTime predicted;
  bool is_predicted = true;

  void Add(const RequestStep& step) {
    is_predicted = is_predicted && step.predicted.has_value();
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      measured[c] += step.measured_seconds[c];
      if (!step.predicted.has_value()) continue;
      ClassTime& sum = predicted.classes[c];
      const ClassTime& time = step.predicted->classes[c];
      sum.compute_seconds += time.compute_seconds;
      sum.memory_seconds += time.memory_seconds;
      sum.overhead_seconds += time.overhead_seconds;
      sum.in_turn_seconds += time.in_turn_seconds;
    }
  }
};

std::string Residual(double measured, double predicted) {
  if (!(predicted > 0)) return "-";
  return absl::StrFormat("%+.1f%%", 100 * (measured / predicted - 1));
}

std::string Attainable(double measured, double attainable) {
  if (!(measured > 0) || !(attainable > 0)) return "-";
  return absl::StrFormat("%.0f%%", 100 * attainable / measured);
}

void AddTotal(const StepTimes& times, Table& table) {
  const double measured = Total(times.measured);
  if (!times.is_predicted) {
    table.AddRow({Cell::Text("  total"), Cell::Text(FormatSeconds(measured))});
    return;
  }
  double attainable = 0;
  for (const ClassTime& time : times.predicted.classes) {
    attainable += time.work_seconds();
  }
  table.AddRow({Cell::Text("  total"), Cell::Text(FormatSeconds(measured)),
                Cell::Text(FormatSeconds(times.predicted.seconds())),
                Cell::Text(Residual(measured, times.predicted.seconds())), Cell::Text(""),
                Cell::Text(Attainable(measured, attainable))});
}

// The class whose measured seconds lie furthest from the predicted ones.
std::string LargestResidual(const StepTimes& times) {
  const ClassSeconds predicted = times.predicted.class_seconds();
  size_t largest = 0;
  for (size_t c = 1; c < kNumWorkClasses; ++c) {
    const auto off = [&](size_t i) { return std::abs(times.measured[i] - predicted[i]); };
    if (off(c) > off(largest)) largest = c;
  }
  const double difference = times.measured[largest] - predicted[largest];
  return WrapText(absl::StrFormat("  largest residual: %s, %s %s than predicted",
                                  WorkClassName(static_cast<WorkClass>(largest)),
                                  FormatSeconds(std::abs(difference)),
                                  difference < 0 ? "less" : "more"));
}

std::string TimeTable(absl::string_view title, const StepTimes& times) {
  Table table({absl::StrCat("Time, ", title), "measured", "predicted", "residual", "bound by",
               "attainable"});
  table.SetLeastWidths({28, 10, 10, 8, 8, 6});
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    const double measured = times.measured[c];
    const ClassTime& time = times.predicted.classes[c];
    if (measured == 0 && time.seconds() == 0) continue;
    std::vector<Cell> row = {
        Cell::Text(absl::StrCat("  ", WorkClassName(static_cast<WorkClass>(c)))),
        Cell::Text(FormatSeconds(measured))};
    if (times.is_predicted) {
      row.insert(row.end(), {Cell::Text(FormatSeconds(time.seconds())),
                             Cell::Text(Residual(measured, time.seconds())),
                             Cell::Text(BoundName(time.bound())),
                             Cell::Text(Attainable(measured, time.work_seconds()))});
    }
    table.AddRow(std::move(row));
  }
  AddTotal(times, table);
  return absl::StrCat("\n", table.ToString(), times.is_predicted ? LargestResidual(times) : "");
}

std::string OneRequestTimes(const RequestResult& result) {
  const size_t first_decode = FirstDecodeStep(result);
  std::string out;
  if (first_decode > 0) {
    StepTimes prefill;
    for (size_t i = 0; i < first_decode; ++i) prefill.Add(result.steps[i]);
    absl::StrAppend(&out, TimeTable("prefill", prefill));
  }
  if (first_decode == result.steps.size()) return out;
  const RequestStep step = MedianDecodeStep(result);
  StepTimes decode;
  decode.Add(step);
  absl::StrAppend(&out,
                  TimeTable(absl::StrCat("step at ", FormatCount(step.context_tokens)), decode));
  return out;
}

std::string ManyRequestTimes(const GenerateRun& run) {
  std::map<double, const RequestStep*> steps;  // by end: the same for all requests of a step
  for (const GeneratedRequest& request : run.requests) {
    for (const RequestStep& step : request.result.steps) steps[step.end_seconds] = &step;
  }
  if (steps.empty()) return "";
  StepTimes all;
  for (const auto& [end, step] : steps) all.Add(*step);
  return TimeTable(absl::StrCat(steps.size(), " steps"), all);
}

std::string Note(const std::string& text) { return absl::StrCat("  ", WrapText(text, 4, 76)); }

}  // namespace

std::string TimeTables(const GenerateRun& run) {
  std::string out =
      run.requests.size() == 1 ? OneRequestTimes(run.requests[0].result) : ManyRequestTimes(run);
  if (out.empty()) return out;
  if (!run.profile.has_value()) {
    return absl::StrCat(out,
                        "  no times are predicted: plumbline calibrate measures this machine\n");
  }
  return absl::StrCat(
      out, WrapText(absl::StrFormat("  anchors of this run: matmul %sFLOP/s, read %sB/s",
                                    FormatSi(run.profile->anchors.matmul_flops_per_second),
                                    FormatSi(run.profile->anchors.read_bytes_per_second))));
}

std::string ArticleNotes(const GenerateRun& run) {
  const CostShape& s = run.shape;
  int64_t longest = 0;
  for (const GeneratedRequest& request : run.requests) {
    longest = std::max(longest, static_cast<int64_t>(request.result.prompt.size()));
  }
  std::string out = "\nWhere the article's figures part from ours (ratio: article / measured)\n";
  absl::StrAppend(&out, Note("scores, weighted values: the full square n^2, ours is its causal "
                             "half n (n + 1) / 2"));
  if (s.g < s.h || s.h * s.e != s.d) {
    absl::StrAppend(
        &out,
        Note(absl::StrFormat(
            "projections, cache: %d heads of d / h with keys and values each; here %d share %d",
            s.h, s.h, s.g)));
  }
  if (s.m * s.F != 8 * s.d) {
    absl::StrAppend(
        &out, Note(absl::StrFormat("feed-forward: two matrices of 4 d; here %d of %d", s.m, s.F)));
  }
  absl::StrAppend(&out, Note("a step: one product, t d; projections, feed-forward, head and the "
                             "second product are left out, and weights from its bytes"));
  const double all_heads = ArticleScoreBytes(s, longest);
  absl::StrAppend(
      &out, Note(absl::StrFormat("stored scores of %s tokens: %sB (one layer, %d heads; article 2: "
                                 "%sB, one head); here tiles take %sB, whatever the length",
                                 FormatCount(longest), FormatSi(all_heads), s.h,
                                 FormatSi(all_heads / static_cast<double>(s.h)),
                                 FormatSi(static_cast<double>(run.score_scratch_bytes)))));
  return out;
}

}  // namespace plumbline
