#include "tools/load_step_scale.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_format.h"

namespace plumbline {
namespace {

struct RowsOfStep {
  double log_rows;
  const RepeatedStep* step;
};

std::vector<RowsOfStep> ByRows(absl::Span<const RepeatedStep> steps) {
  std::vector<RowsOfStep> sorted;
  for (const RepeatedStep& step : steps) {
    sorted.push_back({std::log(static_cast<double>(SpanTokens(step.spans))), &step});
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const RowsOfStep& a, const RowsOfStep& b) {
    return a.log_rows < b.log_rows;
  });
  return sorted;
}

}  // namespace

StepScale::StepScale(const AnchoredProfile& profile, const CostShape& shape,
                     absl::Span<const RepeatedStep> steps) {
  const std::vector<RowsOfStep> sorted = ByRows(steps);
  const auto count = std::ssize(sorted);
  const int64_t groups = std::clamp<int64_t>(count / kScaleSteps, 1, kScalePoints);
  for (int64_t group = 0; group < groups; ++group) {
    ClassSeconds measured = {};
    ClassSeconds predicted = {};
    double log_rows = 0;
    const int64_t begin = group * count / groups;
    const int64_t end = (group + 1) * count / groups;
    for (int64_t i = begin; i < end; ++i) {
      const RepeatedStep& step = *sorted[i].step;
      const StepTime time = PredictStep(profile.At(step.seconds), shape, step.spans);
      for (size_t c = 0; c < measured.size(); ++c) {
        measured[c] += step.classes[c];
        predicted[c] += time.classes[c].seconds();
      }
      log_rows += sorted[i].log_rows / static_cast<double>(end - begin);
    }
    if (!(Total(predicted) > 0)) continue;
    Point& point = points_.emplace_back();
    point.rows = std::exp(log_rows);
    point.whole = Total(measured) / Total(predicted);
    for (size_t c = 0; c < measured.size(); ++c) {
      point.classes[c] = predicted[c] > 0 ? measured[c] / predicted[c] : 1;
    }
  }
}

double StepScale::Seconds(const StepTime& predicted, int64_t rows) const {
  if (points_.empty()) return predicted.seconds();
  const auto at = static_cast<double>(rows);
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), at,
                       [](const Point& point, double wanted) { return point.rows < wanted; });
  const Point& above = after == points_.end() ? points_.back() : *after;
  const Point& below = after == points_.begin() ? above : *(after - 1);
  double part = 0;
  if (above.rows > below.rows) {
    part = std::log(at / below.rows) / std::log(above.rows / below.rows);
  }
  double seconds = 0;
  for (size_t c = 0; c < below.classes.size(); ++c) {
    const double times = below.classes[c] + part * (above.classes[c] - below.classes[c]);
    seconds += predicted.classes[c].seconds() * times;
  }
  return seconds;
}

std::string StepScale::ToString() const {
  std::string text;
  for (const Point& point : points_) {
    absl::StrAppendFormat(&text, "%s%.2f at %.*f%s", text.empty() ? "" : ", ", point.whole,
                          point.rows < 10 ? 1 : 0, point.rows, text.empty() ? " rows" : "");
  }
  return text;
}

}  // namespace plumbline
