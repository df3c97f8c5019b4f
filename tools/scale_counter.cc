// The counter-examples that run whole steps of a model.
#include "tools/scale_counter.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/cost_model.h"
#include "engine/memory_plan.h"
#include "engine/rounding.h"
#include "engine/tensor_source.h"
#include "tools/step_rig.h"

namespace plumbline {
namespace {

using Spans = std::vector<SpanShape>;
constexpr int64_t kAlignedTokens = 16;  // blocks of a multiple of it are read in place

absl::Status CheckTokens(const ModelConfig& config, absl::Span<const int64_t> tokens) {
  if (tokens.empty()) return absl::InvalidArgumentError("no length to measure: name one");
  for (const int64_t t : tokens) {
    if (t >= 1 && t <= config.context) continue;
    return absl::InvalidArgumentError(absl::StrCat("a length of ", t, " tokens is outside 1 to ",
                                                   config.context, ", the context of ",
                                                   config.name));
  }
  return absl::OkStatus();
}

StepRigOptions RigOptions(const CounterOptions& options, int64_t step_tokens) {
  StepRigOptions rig;
  rig.model.weights = options.weights;
  rig.model.kv_dtype = options.kv_dtype;
  rig.model.block_tokens = options.block_tokens;
  rig.model.threads = options.threads;
  rig.model.max_step_tokens = static_cast<int>(step_tokens);
  rig.model.max_step_spans = static_cast<int>(std::min<int64_t>(step_tokens, 256));
  rig.model.max_logit_rows = rig.model.max_step_spans;
  rig.seed = options.seed;
  return rig;
}

// Adds one step of these spans, measured and by its formulas.
absl::Status AddCounterStep(StepRig& rig, const Spans& spans, ScaleSample* sample,
                            std::vector<float>* logits) {
  const absl::StatusOr<StepSample> step = rig.Run(spans);
  if (!step.ok()) return step.status();
  sample->seconds += step->seconds;
  sample->macs += step->work.TotalMacs();
  sample->softmax_pairs += step->work.softmax_pairs;
  for (const SpanShape& span : spans) {
    sample->formula_macs += SpanMacs(rig.shape(), span);
    sample->formula_softmax_pairs += SpanSoftmaxPairs(rig.shape(), span);
  }
  const ByteCounts formula = StepBytes(rig.shape(), spans);
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    sample->class_seconds[c] += step->work.seconds[c];
    sample->bytes[c] += step->work.bytes[c];
    sample->formula_bytes[c] += formula[c];
  }
  logits->assign(step->logits.begin(), step->logits.end());
  return absl::OkStatus();
}

// The law holds where the matmuls' rows are independent: nothing is promised elsewhere.
absl::Status CheckSameBits(StepRig& rig, const std::vector<float>& a, const std::vector<float>& b,
                           absl::string_view what) {
  if (!rig.model().same_bits_exception().empty()) return absl::OkStatus();
  if (a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0) {
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("logits differ between ", what,
                                          ": a bug, please report it with the model's name"));
}

ScalePoint CounterPoint(const CounterOptions& options, const StepRig& rig, ScaleSweep sweep) {
  ScalePoint point;
  point.sweep = sweep;
  point.model = options.model;
  point.shape = rig.shape();
  return point;
}

// One way of MeasurePaging.
absl::StatusOr<std::unique_ptr<StepRig>> PagingRig(const CounterOptions& options,
                                                   const TensorSource& source,
                                                   absl::Span<const int64_t> contexts,
                                                   int64_t block_tokens) {
  StepRigOptions rig = RigOptions(options, static_cast<int64_t>(contexts.size()));
  rig.model.block_tokens = static_cast<int>(block_tokens);
  rig.shuffle_blocks = true;
  for (const int64_t t : contexts) rig.cache_tokens += RoundUp(t, block_tokens);
  return StepRig::Create(source, rig);
}

CounterPass StepPass(StepRig& rig, ScalePoint point, Spans spans) {
  CounterPass pass;
  pass.point = std::move(point);
  pass.run = [&rig, spans = std::move(spans)]() -> absl::StatusOr<ScaleSample> {
    ScaleSample sample;
    std::vector<float> logits;
    if (absl::Status status = AddCounterStep(rig, spans, &sample, &logits); !status.ok())
      return status;
    return sample;
  };
  return pass;
}

// A prefill of `tokens` in steps of point.chunk. Checks the logits against those in `*expected`, or
// leaves its own there where that is empty.
CounterPass PrefillPass(StepRig& rig, ScalePoint point, std::vector<float>* expected) {
  CounterPass pass;
  pass.run = [&rig, tokens = point.tokens, chunk = point.chunk,
              expected]() -> absl::StatusOr<ScaleSample> {
    ScaleSample sample;
    std::vector<float> logits;
    for (int64_t first = 0; first < tokens; first += chunk) {
      const int64_t count = std::min(chunk, tokens - first);
      const Spans spans = {{first, count, first + count == tokens ? 1 : 0}};
      if (absl::Status status = AddCounterStep(rig, spans, &sample, &logits); !status.ok())
        return status;
    }
    if (expected->empty()) *expected = logits;
    absl::Status same = CheckSameBits(rig, logits, *expected, "a prompt in chunks and whole");
    if (!same.ok()) return same;
    return sample;
  };
  pass.point = std::move(point);
  return pass;
}

}  // namespace

absl::Status MeasurePaging(const CounterOptions& options, absl::Span<const int64_t> contexts,
                           ScaleData* data) {
  const auto source = OpenModel(options.model);
  if (!source.ok()) return source.status();
  absl::Status status = CheckTokens((*source)->config(), contexts);
  if (!status.ok()) return status;
  const int64_t longest = *std::max_element(contexts.begin(), contexts.end());
  const int64_t whole = (longest + kAlignedTokens - 1) / kAlignedTokens * kAlignedTokens;
  auto paged = PagingRig(options, **source, contexts, options.block_tokens);
  if (!paged.ok()) return paged.status();
  auto contiguous = PagingRig(options, **source, contexts, whole);
  if (!contiguous.ok()) return contiguous.status();
  Spans spans;
  int64_t tokens = 0;
  for (const int64_t t : contexts) {
    spans.push_back({t - 1, 1, 1});
    tokens += t;
  }
  std::vector<CounterPass> passes;
  for (const auto& [rig, sweep] : {std::pair(paged->get(), ScaleSweep::kPaged),
                                   std::pair(contiguous->get(), ScaleSweep::kContiguous)}) {
    ScalePoint point = CounterPoint(options, *rig, sweep);
    point.tokens = longest;
    point.streams = static_cast<int64_t>(contexts.size());
    point.filled = true;
    point.cache_bytes = rig->store().allocated_bytes();
    point.cache_used_bytes = tokens * rig->store().geometry().TokenBytes();
    passes.push_back(StepPass(*rig, std::move(point), spans));
  }
  return RunPasses(options, passes, data);
}

absl::Status MeasureChunking(const CounterOptions& options, int64_t tokens, int64_t chunk,
                             ScaleData* data) {
  const auto source = OpenModel(options.model);
  if (!source.ok()) return source.status();
  absl::Status status = CheckTokens((*source)->config(), {tokens, chunk});
  if (!status.ok()) return status;
  std::vector<std::unique_ptr<StepRig>> rigs;
  std::vector<CounterPass> passes;
  std::vector<float> logits;
  for (const int64_t step : {std::min(chunk, tokens), tokens}) {
    StepRigOptions rig_options = RigOptions(options, step);
    rig_options.model.max_step_spans = 1;
    rig_options.model.max_logit_rows = 1;
    rig_options.cache_tokens = tokens;
    auto rig = StepRig::Create(**source, rig_options);
    if (!rig.ok()) return rig.status();
    rigs.push_back(*std::move(rig));
    ScalePoint point = CounterPoint(options, *rigs.back(), ScaleSweep::kChunk);
    point.tokens = tokens;
    point.chunk = step;
    point.cache_bytes = rigs.back()->store().allocated_bytes();
    point.cache_used_bytes = tokens * rigs.back()->store().geometry().TokenBytes();
    point.scratch_bytes = Total(rigs.back()->model().scratch_sizes());
    passes.push_back(PrefillPass(*rigs.back(), std::move(point), &logits));
  }
  return RunPasses(options, passes, data);
}

absl::Status MeasureNoCache(const CounterOptions& options, absl::Span<const int64_t> contexts,
                            ScaleData* data) {
  const auto source = OpenModel(options.model);
  if (!source.ok()) return source.status();
  absl::Status status = CheckTokens((*source)->config(), contexts);
  if (!status.ok()) return status;
  const int64_t longest = *std::max_element(contexts.begin(), contexts.end());
  StepRigOptions rig_options = RigOptions(options, longest);
  rig_options.cache_tokens = longest;
  auto rig = StepRig::Create(**source, rig_options);
  if (!rig.ok()) return rig.status();
  for (const int64_t t : contexts) {
    std::vector<float> recomputed;
    ScalePoint point = CounterPoint(options, **rig, ScaleSweep::kNoCache);
    point.tokens = t;
    ScalePoint cached = point;
    point.chunk = t;
    CounterPass without;
    without.point = point;
    without.run = [&]() -> absl::StatusOr<ScaleSample> {
      ScaleSample sample;
      absl::Status ran = AddCounterStep(**rig, {{0, t, 1}}, &sample, &recomputed);
      if (!ran.ok()) return ran;
      return sample;
    };
    CounterPass with;
    with.point = cached;
    // The pass before left the whole context in the cache.
    with.run = [&]() -> absl::StatusOr<ScaleSample> {
      ScaleSample sample;
      std::vector<float> logits;
      absl::Status ran = AddCounterStep(**rig, {{t - 1, 1, 1}}, &sample, &logits);
      if (ran.ok()) ran = CheckSameBits(**rig, logits, recomputed, "a step with and without cache");
      if (!ran.ok()) return ran;
      return sample;
    };
    status = RunPasses(options, {without, with}, data);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace plumbline
