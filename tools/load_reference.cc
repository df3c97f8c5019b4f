#include "tools/load_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_format.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

struct Wanted {
  int64_t streams;
  int64_t prompt_tokens;
};
constexpr std::array<Wanted, 4> kWanted = {{{2, 0}, {8, 0}, {32, 0}, {16, 240}}};

std::vector<SpanShape> SpansOf(const ReferenceStep& step) {
  std::vector<SpanShape> spans(static_cast<size_t>(step.streams), {step.position, 1, 1});
  if (step.prompt_tokens > 0) spans.push_back({0, step.prompt_tokens, 1});
  return spans;
}

}  // namespace

std::vector<ReferenceStep> ChooseReferenceSteps(const ModelOptions& options, int64_t context,
                                                int64_t position, int64_t blocks) {
  std::vector<ReferenceStep> steps;
  for (const Wanted& wanted : kWanted) {
    const int64_t prompts = wanted.prompt_tokens > 0 ? 1 : 0;
    ReferenceStep step;
    step.streams = std::min<int64_t>(wanted.streams, options.max_step_spans - prompts);
    step.prompt_tokens =
        std::min({wanted.prompt_tokens, options.max_step_tokens - step.streams, context});
    const int64_t room = blocks - CeilDiv(step.prompt_tokens, options.block_tokens);
    const int64_t slots = room / std::max<int64_t>(step.streams, 1) * options.block_tokens;
    step.position = std::min({position, context - 1, slots - 1});
    const int64_t before = steps.empty() ? 0 : steps.back().rows();
    if (slots > 0 && step.rows() > before) steps.push_back(step);
  }
  return steps;
}

absl::StatusOr<std::unique_ptr<ReferenceRunner>> ReferenceRunner::Create(
    Model& model, const std::vector<ReferenceStep>& steps) {
  std::unique_ptr<ReferenceRunner> runner(new ReferenceRunner);
  StepRigOptions options;
  for (const ReferenceStep& step : steps) {
    const std::vector<SpanShape>& spans = runner->steps_.emplace_back(SpansOf(step));
    options.cache_tokens =
        std::max(options.cache_tokens, CacheTokens(spans, model.options().block_tokens));
  }
  absl::StatusOr<std::unique_ptr<StepRig>> rig = StepRig::Over(model, options);
  if (!rig.ok()) return rig.status();
  runner->rig_ = *std::move(rig);
  return runner;
}

absl::StatusOr<std::vector<ClassSeconds>> ReferenceRunner::Run() {
  std::vector<ClassSeconds> seconds;
  for (const std::vector<SpanShape>& spans : steps_) {
    const absl::StatusOr<StepSample> sample = rig_->Run(spans);
    if (!sample.ok()) return sample.status();
    seconds.push_back(sample->work.seconds);
  }
  return seconds;
}

StepScale::StepScale(const AnchoredProfile& profile, const CostShape& shape,
                     absl::Span<const ReferenceStep> steps, absl::Span<const AnchorMark> marks) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::vector<SpanShape> spans = SpansOf(steps[i]);
    ClassSeconds measured = {};
    ClassSeconds predicted = {};
    for (const AnchorMark& mark : marks) {
      if (mark.steps.size() <= i) continue;
      const StepTime step = PredictStep(profile.At(mark.seconds), shape, spans);
      for (size_t c = 0; c < measured.size(); ++c) {
        measured[c] += mark.steps[i][c];
        predicted[c] += step.classes[c].seconds();
      }
    }
    if (!(Total(predicted) > 0)) continue;
    Point& point = points_.emplace_back();
    point.rows = steps[i].rows();
    point.whole = Total(measured) / Total(predicted);
    for (size_t c = 0; c < measured.size(); ++c) {
      point.classes[c] = predicted[c] > 0 ? measured[c] / predicted[c] : 1;
    }
  }
}

double StepScale::Seconds(const StepTime& predicted, int64_t rows) const {
  if (points_.empty()) return predicted.seconds();
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), rows,
                       [](const Point& point, int64_t at) { return point.rows < at; });
  const Point& above = after == points_.end() ? points_.back() : *after;
  const Point& below = after == points_.begin() ? above : *(after - 1);
  double part = 0;
  if (above.rows > below.rows) {
    const auto log = [](int64_t at) { return std::log(static_cast<double>(at)); };
    part = (log(rows) - log(below.rows)) / (log(above.rows) - log(below.rows));
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
    absl::StrAppendFormat(&text, "%s%.2f at %d%s", text.empty() ? "" : ", ", point.whole,
                          point.rows, text.empty() ? " rows" : "");
  }
  return text;
}

}  // namespace plumbline
