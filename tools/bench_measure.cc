#include "tools/bench_measure.h"

#include <utility>

namespace plumbline {
namespace {

class CancellableSource final : public ForwardingSource {
 public:
  CancellableSource(const TensorSource& source, BenchCancelled cancelled)
      : ForwardingSource(source), cancelled_(std::move(cancelled)) {}

  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    if (cancelled_ && cancelled_()) return absl::CancelledError("interrupted");
    return ForwardingSource::ReadRows(shape, row, num_rows, out);
  }

 private:
  const BenchCancelled cancelled_;
};

void AddBenchStep(const CostShape& shape, const std::vector<SpanShape>& spans,
                  const StepSample& step, BenchSample& sample, BenchCounts& counts) {
  sample.seconds += step.seconds;
  counts.macs += step.work.TotalMacs();
  for (const SpanShape& span : spans) counts.formula_macs += SpanMacs(shape, span);
  const ByteCounts formula = StepBytes(shape, spans);
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    sample.class_seconds[c] += step.work.seconds[c];
    counts.bytes[c] += step.work.bytes[c];
    counts.formula_bytes[c] += formula[c];
  }
}

}  // namespace

std::unique_ptr<TensorSource> Cancellable(const TensorSource& source, BenchCancelled cancelled) {
  return std::make_unique<CancellableSource>(source, std::move(cancelled));
}

absl::StatusOr<std::unique_ptr<BenchRig>> BenchRig::Load(const TensorSource& source,
                                                         const BenchSetup& setup,
                                                         const BenchHow& how, const BenchRoom& room,
                                                         BenchCancelled cancelled) {
  StepRigOptions options;
  options.seed = how.seed;
  options.shuffle_blocks = how.shuffle_blocks;
  options.cache_tokens = room.cache_tokens;
  options.model.weights = setup.weights;
  options.model.kv_dtype = setup.kv_dtype;
  options.model.threads = setup.threads;
  options.model.block_tokens = how.block_tokens;
  options.model.max_step_tokens = static_cast<int>(room.step_tokens);
  options.model.max_step_spans = static_cast<int>(room.spans);
  options.model.max_logit_rows = static_cast<int>(room.spans);
  absl::StatusOr<std::unique_ptr<StepRig>> rig =
      StepRig::Create(*Cancellable(source, cancelled), options);
  if (!rig.ok()) return rig.status();
  return std::unique_ptr<BenchRig>(new BenchRig(*std::move(rig), how, std::move(cancelled)));
}

absl::Status BenchRig::Stopped() const {
  if (cancelled_ && cancelled_()) return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

absl::Status BenchRig::WarmUp(const BenchTest& test) {
  const std::vector<std::vector<SpanShape>> steps = Steps(test);
  for (const auto* spans : {&steps.front(), &steps.back()}) {
    if (absl::Status status = Stopped(); !status.ok()) return status;
    if (absl::Status status = rig_->Run(*spans).status(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<BenchSample> BenchRig::Run(const BenchTest& test, BenchCounts* counts) {
  BenchSample sample;
  *counts = {};
  for (const std::vector<SpanShape>& spans : Steps(test)) {
    if (absl::Status status = Stopped(); !status.ok()) return status;
    const absl::StatusOr<StepSample> step = rig_->Run(spans);
    if (!step.ok()) return step.status();
    AddBenchStep(rig_->shape(), spans, *step, sample, *counts);
  }
  return sample;
}

Anchors MeanLimits(const Anchors& a, const Anchors& b) {
  return {(a.matmul_flops_per_second + b.matmul_flops_per_second) / 2,
          (a.read_bytes_per_second + b.read_bytes_per_second) / 2};
}

absl::Status MeasureBenchTest(BenchRig& rig, AnchorProbe& limits, int repetitions,
                              const std::function<void()>& after, BenchResult& result) {
  if (absl::Status status = rig.WarmUp(result.test); !status.ok()) return status;
  const std::vector<std::vector<SpanShape>> steps = rig.Steps(result.test);
  Anchors before = limits.Measure();
  for (int i = 0; i < repetitions; ++i) {
    BenchCounts counts;
    absl::StatusOr<BenchSample> sample = rig.Run(result.test, &counts);
    if (!sample.ok()) return sample.status();
    if (i > 0 && !(counts == result.counts)) {
      return absl::FailedPreconditionError(
          "two repetitions of one test counted different work: this is a fault, please report it");
    }
    result.counts = counts;
    const Anchors behind = limits.Measure();
    sample->limits = MeanLimits(before, behind);
    sample->attainable = Attainable(rig.shape(), steps, sample->limits);
    before = behind;
    result.samples.push_back(*std::move(sample));
    if (after) after();
  }
  return absl::OkStatus();
}

std::vector<BenchTest> ChooseBenchTests(const ModelConfig& config, const BenchSetup& setup,
                                        const BenchHow& how, int64_t free_bytes, BenchRoom* room,
                                        std::vector<BenchLeftOut>& left_out) {
  MemoryShape shape;
  shape.config = config;
  shape.weights = setup.weights;
  shape.kv_dtype = setup.kv_dtype;
  shape.block_tokens = how.block_tokens;
  shape.chunk_tokens = how.chunk_tokens;
  shape.threads = setup.threads;
  shape.matmul.blocked = true;  // packed: the larger
  std::vector<BenchTest> fitting;
  for (const BenchTest& test : setup.tests) {
    BenchRoom more = *room;
    more.Add(test, how.chunk_tokens, how.block_tokens);
    std::string reason = WhyLeftOut(shape, test, more, free_bytes);
    if (!reason.empty()) {
      left_out.push_back({test, std::move(reason)});
      continue;
    }
    *room = more;
    fitting.push_back(test);
  }
  return fitting;
}

}  // namespace plumbline
