// Whether the study can be trusted: counts beside formulas, predictions beside times, how steady
// the machine was, and what the machine is.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "tools/scale_formulas.h"
#include "tools/scale_parts.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr double kUsableMemory = 0.7;  // the article's share (A1_MAX_SEQ's safety)

// Counts one figure of a sample in, unless neither side has any.
void CompareCount(const ScalePoint& point, absl::string_view what, size_t work_class,
                  int64_t measured, int64_t formula, ScaleExactness* exactness) {
  if (measured == 0 && formula == 0) return;
  ++exactness->compared;
  if (measured == formula) {
    ++exactness->equal;
  } else if (exactness->first_difference.empty()) {
    exactness->first_difference =
        absl::StrCat(what, " of ", WorkClassName(static_cast<WorkClass>(work_class)), ", ",
                     ScaleSweepName(point.sweep), " at ", point.tokens, " tokens: measured ",
                     FormatCount(measured), ", formula ", FormatCount(formula));
  }
}

ScaleExactness ExactnessOf(const ScaleView& view) {
  ScaleExactness exactness;
  for (const ViewedPoint& viewed : view.points()) {
    for (const ScaleSample* sample : viewed.samples) {
      for (size_t c = 0; c < kNumWorkClasses; ++c) {
        CompareCount(*viewed.point, "products", c, sample->macs.useful[c],
                     sample->formula_macs.useful[c], &exactness);
        CompareCount(*viewed.point, "executed products", c, sample->macs.executed[c],
                     sample->formula_macs.executed[c], &exactness);
        CompareCount(*viewed.point, "bytes", c, sample->bytes[c], sample->formula_bytes[c],
                     &exactness);
      }
    }
  }
  return exactness;
}

double SignedError(const ScaleSample& sample) {
  return sample.predicted_seconds / sample.seconds - 1;
}

bool Predicted(const ScaleSample& sample) {
  return sample.predicted_seconds >= 0 && sample.seconds > 0;
}

// The class whose predicted seconds lie furthest from its measured ones.
std::string FurthestClass(const ViewedPoint& viewed) {
  size_t furthest = 0;
  double most = -1;
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    const double off = std::abs(CountOf(viewed, [c](const ScaleSample& sample) {
      return sample.predicted_class_seconds[c] - sample.class_seconds[c];
    }));
    if (off > most) {
      most = off;
      furthest = c;
    }
  }
  return std::string(WorkClassName(static_cast<WorkClass>(furthest)));
}

// Points of one kind: the prefill sweep, the decode sweep, or all others that were predicted.
ScalePredictionError PredictionOf(const ScaleView& view, absl::string_view of) {
  ScalePredictionError error;
  error.of = std::string(of);
  std::vector<double> sizes;
  for (const ViewedPoint& viewed : view.points()) {
    const ScaleSweep sweep = viewed.point->sweep;
    const bool main = sweep == ScaleSweep::kPrefill || sweep == ScaleSweep::kDecode;
    if ((main ? ScaleSweepName(sweep) : "other") != of) continue;
    std::vector<double> errors;
    for (const ScaleSample* sample : viewed.samples) {
      if (Predicted(*sample)) errors.push_back(SignedError(*sample));
    }
    for (const double e : errors) sizes.push_back(std::abs(e));
    const double typical = Median(errors);
    if (std::abs(typical) > std::abs(error.largest) || std::isnan(error.largest)) {
      if (std::isnan(typical)) continue;
      error.largest = typical;
      error.largest_tokens = viewed.point->tokens;
      error.largest_class = FurthestClass(viewed);
    }
  }
  error.samples = static_cast<int64_t>(sizes.size());
  error.median = Median(sizes);
  error.p90 = Quantile(sizes, 0.9);
  return error;
}

ScaleSteadiness SteadinessOf(const ScaleView& view) {
  ScaleSteadiness steadiness;
  std::vector<double> starts;
  std::vector<double> relative;
  for (const ViewedPoint& viewed : view.points()) {
    const std::vector<double> seconds = viewed.Figures(SecondsOfSample);
    steadiness.samples += static_cast<int64_t>(seconds.size());
    steadiness.outliers += CountOutliers(seconds);
    const double median = Median(seconds);
    for (const ScaleSample* sample : viewed.samples) {
      starts.push_back(sample->start_seconds);
      relative.push_back(sample->seconds / median);
    }
  }
  steadiness.drift = FindDrift(starts, relative);
  return steadiness;
}

}  // namespace

void FindHost(const ScaleView& view, int64_t free_memory_bytes, ScaleModelFindings* findings) {
  ScaleHost& host = findings->host;
  const CostShape& shape = findings->shape;
  std::vector<double> rates;
  for (const ViewedPoint& viewed : view.points()) {
    for (const ScaleSample* sample : viewed.samples) {
      const double rate = sample->anchors.matmul_flops_per_second;
      if (rate > 0) rates.push_back(rate / 1e12);
    }
  }
  host.tflops = Median(rates);
  if (free_memory_bytes <= 0) return;
  host.free_memory_bytes = free_memory_bytes;
  const auto bytes = static_cast<double>(free_memory_bytes);
  const FormulaValues memory = {{"gpu_gb", bytes / 1e9}, {"safety", kUsableMemory}, {"B", 1}};
  FormulaValues one_layer = memory;
  one_layer.emplace_back("L", 1);
  host.max_tokens_all_layers = FormulaAt("A1_MAX_SEQ", shape, memory);
  host.max_tokens_one_layer = FormulaAt("A1_MAX_SEQ", shape, one_layer);
  host.max_tokens_no_scores =
      std::floor(bytes * kUsableMemory / FormulaAt("D_KV_BYTES", shape, {{"t", 1}}));
}

void FindChecks(const ScaleView& view, ScaleModelFindings* findings) {
  findings->exactness = ExactnessOf(view);
  findings->steadiness = SteadinessOf(view);
  for (const absl::string_view of : {"prefill", "decode", "other"}) {
    ScalePredictionError error = PredictionOf(view, of);
    if (error.samples > 0) findings->predictions.push_back(std::move(error));
  }
}

}  // namespace plumbline
