#include "tools/load_reference.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_format.h"
#include "engine/quantile.h"
#include "engine/step_time.h"

namespace plumbline {
namespace {

constexpr std::array<ReferenceStep, 4> kWanted = {
    {{2, 64, 0}, {8, 64, 0}, {32, 64, 0}, {16, 64, 240}}};

std::vector<SpanShape> SpansOf(const ReferenceStep& step) {
  std::vector<SpanShape> spans(static_cast<size_t>(step.streams), {step.position, 1, 1});
  if (step.prompt_tokens > 0) spans.push_back({0, step.prompt_tokens, 1});
  return spans;
}

// Each sequence's rounded up to blocks.
int64_t CacheTokens(const ReferenceStep& step, int64_t block_tokens) {
  const auto blocks = [block_tokens](int64_t tokens) {
    return (tokens + block_tokens - 1) / block_tokens;
  };
  return (step.streams * blocks(step.position + 1) + blocks(step.prompt_tokens)) * block_tokens;
}

}  // namespace

std::vector<ReferenceStep> ChooseReferenceSteps(const ModelOptions& options, int64_t context,
                                                int64_t blocks) {
  std::vector<ReferenceStep> steps;
  for (ReferenceStep step : kWanted) {
    const int64_t prompts = step.prompt_tokens > 0 ? 1 : 0;
    step.streams = std::min<int64_t>(step.streams, options.max_step_spans - prompts);
    step.position = std::min(step.position, context - 1);
    step.prompt_tokens =
        std::min({step.prompt_tokens, options.max_step_tokens - step.streams, context});
    const bool fits =
        CacheTokens(step, options.block_tokens) <= blocks * int64_t{options.block_tokens};
    const int64_t before = steps.empty() ? 0 : steps.back().rows();
    if (fits && step.rows() > before) steps.push_back(step);
  }
  return steps;
}

absl::StatusOr<std::unique_ptr<ReferenceRunner>> ReferenceRunner::Create(
    Model& model, const std::vector<ReferenceStep>& steps) {
  std::unique_ptr<ReferenceRunner> runner(new ReferenceRunner);
  StepRigOptions options;
  for (const ReferenceStep& step : steps) {
    runner->steps_.push_back(SpansOf(step));
    options.cache_tokens =
        std::max(options.cache_tokens, CacheTokens(step, model.options().block_tokens));
  }
  absl::StatusOr<std::unique_ptr<StepRig>> rig = StepRig::Over(model, options);
  if (!rig.ok()) return rig.status();
  runner->rig_ = *std::move(rig);
  return runner;
}

absl::StatusOr<std::vector<double>> ReferenceRunner::Run() {
  std::vector<double> seconds;
  for (const std::vector<SpanShape>& spans : steps_) {
    const absl::StatusOr<StepSample> sample = rig_->Run(spans);
    if (!sample.ok()) return sample.status();
    seconds.push_back(sample->seconds);
  }
  return seconds;
}

StepScale::StepScale(const AnchoredProfile& profile, const CostShape& shape,
                     absl::Span<const ReferenceStep> steps, absl::Span<const AnchorMark> marks) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::vector<SpanShape> spans = SpansOf(steps[i]);
    std::vector<double> times;
    for (const AnchorMark& mark : marks) {
      if (mark.step_seconds.size() <= i) continue;
      const double predicted = PredictStep(profile.At(mark.seconds), shape, spans).seconds();
      times.push_back(mark.step_seconds[i] / predicted);
    }
    if (!times.empty()) points_.push_back({steps[i].rows(), Quantile(times, 0.5)});
  }
}

double StepScale::At(int64_t rows) const {
  if (points_.empty()) return 1;
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), rows,
                       [](const Point& point, int64_t at) { return point.rows < at; });
  if (after == points_.begin()) return after->times;
  if (after == points_.end()) return points_.back().times;
  const Point& before = *(after - 1);
  const auto place = [](int64_t at) { return std::log(static_cast<double>(at)); };
  const double part =
      (place(rows) - place(before.rows)) / (place(after->rows) - place(before.rows));
  return before.times + part * (after->times - before.times);
}

std::string StepScale::ToString() const {
  std::string text;
  for (const Point& point : points_) {
    absl::StrAppendFormat(&text, "%s%.2f at %d%s", text.empty() ? "" : ", ", point.times,
                          point.rows, text.empty() ? " rows" : "");
  }
  return text;
}

}  // namespace plumbline
