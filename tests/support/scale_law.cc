#include "tests/support/scale_law.h"

#include "tests/support/noisy_curves.h"

namespace plumbline {
namespace {

// The law's seconds by class for what was counted.
ClassSeconds SecondsOf(const ScaleLaw& law, const ScaleSample& sample, int64_t tokens) {
  ClassSeconds seconds = {};
  const auto at = [&seconds](WorkClass part) -> double& {
    return seconds[static_cast<size_t>(part)];
  };
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    seconds[c] = law.seconds_per_mac * static_cast<double>(sample.macs.useful[c]);
  }
  at(WorkClass::kScores) *= law.seconds_per_core_mac / law.seconds_per_mac;
  at(WorkClass::kWeightedValues) *= law.seconds_per_core_mac / law.seconds_per_mac;
  at(WorkClass::kSoftmax) =
      law.seconds_per_softmax_pair * static_cast<double>(sample.softmax_pairs);
  at(WorkClass::kOther) = law.other_seconds_per_token * static_cast<double>(tokens);
  return seconds;
}

}  // namespace

CostShape SmallShape() {
  CostShape shape;
  shape.L = 12;
  shape.d = 768;
  shape.h = shape.g = 12;
  shape.e = 64;
  shape.F = 3072;
  shape.m = 2;
  shape.V = 0;
  return shape;
}

ScalePoint& LawStudy::Add(ScaleSweep sweep, const CostShape& shape, int64_t tokens, bool decode,
                          double factor, int64_t streams) {
  const auto index = static_cast<int64_t>(data.points.size());
  ScalePoint point;
  point.sweep = sweep;
  point.model = model;
  point.shape = shape;
  point.tokens = tokens;
  point.streams = streams;
  point.chunk = decode ? 0 : tokens;
  point.cache_bytes = streams * KvAllocatedBytes(shape, tokens);
  const SpanShape span = decode ? SpanShape{tokens - 1, 1, 1} : SpanShape{0, tokens, 1};
  Noise noise(law_.seed * 1000003 + static_cast<uint64_t>(index));
  for (int repetition = 0; repetition < law_.repetitions; ++repetition) {
    ScaleSample sample;
    sample.point = index;
    sample.repetition = repetition;
    sample.start_seconds = repetition * 100.0 + static_cast<double>(index);
    for (int64_t s = 0; s < streams; ++s) {
      sample.macs += SpanMacs(shape, span);
      sample.softmax_pairs += SpanSoftmaxPairs(shape, span);
    }
    sample.formula_macs = sample.macs;
    sample.bytes = StepBytes(shape, std::vector<SpanShape>(streams, span));
    sample.formula_bytes = sample.bytes;
    double slow = factor * noise.Factor(law_.spread);
    if (law_.repetitions > 1) slow *= 1 + law_.drift * repetition / (law_.repetitions - 1);
    if (noise.Uniform() < law_.outlier_rate) slow *= 3;
    sample.class_seconds = SecondsOf(law_, sample, streams * (decode ? 1 : tokens));
    sample.predicted_class_seconds = sample.class_seconds;
    sample.predicted_seconds = Total(sample.class_seconds);
    for (double& seconds : sample.class_seconds) seconds *= slow * noise.Factor(law_.spread);
    sample.seconds = Total(sample.class_seconds);
    sample.anchors.matmul_flops_per_second = 2e11;
    data.samples.push_back(sample);
  }
  data.points.push_back(point);
  return data.points.back();
}

void LawStudy::AddMainSweeps(const CostShape& shape, int64_t longest) {
  for (int64_t n = 128; n <= longest; n *= 2) Add(ScaleSweep::kPrefill, shape, n, false);
  for (int64_t t = 128; t <= longest; t *= 2) Add(ScaleSweep::kDecode, shape, t, true);
}

namespace {

CostShape WithLayers(int64_t layers) {
  CostShape shape = SmallShape();
  shape.L = layers;
  return shape;
}
CostShape WithHeads(int64_t heads) {
  CostShape shape = SmallShape();
  shape.h = shape.g = heads;
  shape.e = shape.d / heads;
  return shape;
}

}  // namespace

LawStudy WholeStudy(int64_t longest) {
  LawStudy study(ScaleLaw{});
  study.AddMainSweeps(SmallShape(), longest);
  for (const int64_t streams : {1, 2, 8}) {
    study.Add(ScaleSweep::kBatch, SmallShape(), 512, true, 1, streams);
  }
  for (const int64_t chunk : {32, 512}) {
    study.Add(ScaleSweep::kChunk, SmallShape(), 512, false, chunk == 32 ? 1.5 : 1).chunk = chunk;
  }
  for (const int64_t t : {128, 256, 512}) {
    study.Add(ScaleSweep::kNoCache, SmallShape(), t, false);
    study.Add(ScaleSweep::kNoCache, SmallShape(), t, true);
    study.Add(ScaleSweep::kStoredFull, SmallShape(), t, false, 2.5).peak_score_bytes =
        4 * 12 * t * t;
    study.Add(ScaleSweep::kTiled, SmallShape(), t, false).peak_score_bytes = 1 << 16;
    study.Add(ScaleSweep::kPaged, SmallShape(), t, true);
    study.Add(ScaleSweep::kContiguous, SmallShape(), t, true);
  }
  const std::string base = study.model;
  for (const int64_t layers : {3, 6, 12}) {
    study.model = base + ",layers=" + std::to_string(layers);
    study.Add(ScaleSweep::kLayers, WithLayers(layers), 512, false);
    study.Add(ScaleSweep::kLayers, WithLayers(layers), 512, true);
  }
  for (const int64_t heads : {6, 12, 24}) {
    study.model = base + ",heads=" + std::to_string(heads);
    study.Add(ScaleSweep::kHeads, WithHeads(heads), 512, false);
  }
  study.model = base;
  return study;
}

}  // namespace plumbline
