#include "tools/scale_roofline.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/work.h"
#include "tools/scale_text.h"
#include "tools/stats.h"

namespace plumbline {
namespace {

std::vector<const ScaleSample*> SamplesOf(const ScaleData& data, size_t point) {
  std::vector<const ScaleSample*> samples;
  for (const ScaleSample& sample : data.samples) {
    if (sample.point == static_cast<int64_t>(point)) samples.push_back(&sample);
  }
  return samples;
}

// Samples of the point of `sweep` with most products, of any model where `model` is empty.
std::vector<const ScaleSample*> Heaviest(const ScaleData& data, ScaleSweep sweep,
                                         const std::string& model) {
  std::vector<const ScaleSample*> heaviest;
  for (size_t i = 0; i < data.points.size(); ++i) {
    const ScalePoint& point = data.points[i];
    if (point.sweep != sweep || (!model.empty() && point.model != model)) continue;
    std::vector<const ScaleSample*> samples = SamplesOf(data, i);
    if (samples.empty()) continue;
    if (heaviest.empty() || samples[0]->macs.TotalUseful() > heaviest[0]->macs.TotalUseful()) {
      heaviest = std::move(samples);
    }
  }
  return heaviest;
}

void AddClasses(const std::vector<const ScaleSample*>& samples, const std::string& group,
                ScaleRoofline& roofline) {
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    const ScaleSample& first = *samples.front();
    if (first.macs.useful[c] <= 0 || first.bytes[c] <= 0) continue;
    std::vector<double> seconds;
    seconds.reserve(samples.size());
    for (const ScaleSample* sample : samples) seconds.push_back(sample->class_seconds[c]);
    const auto median = MedianEstimate(seconds);
    if (!median.ok()) continue;
    roofline.points.push_back({std::string(WorkClassName(static_cast<WorkClass>(c))),
                               group,
                               static_cast<double>(first.macs.useful[c]),
                               static_cast<double>(first.bytes[c]),
                               {median->value, median->low, median->high}});
  }
}

WeightDtype MultipliedAs(WeightDtype weights) {
  return weights == WeightDtype::kQ4 ? WeightDtype::kInt8 : weights;
}

WeightDtype AttentionRunsIn(const CostShape& shape) {
  return MultipliesBf16(shape.attention) ? WeightDtype::kBf16 : WeightDtype::kF32;
}

// 0: not measured.
double OverF32(const ScaleStudy& study, WeightDtype dtype) {
  if (dtype == WeightDtype::kF32) return 1;
  for (const MatmulOverF32& m : study.matmuls) {
    if (m.dtype == dtype) return m.ratio;
  }
  return 0;
}

void AddRoofCeilings(const ScaleStudy& study, const CostShape& shape, double f32_rate,
                     ScaleRoofline& roofline) {
  const auto add = [&](WeightDtype dtype, absl::string_view of) {
    const double rate = f32_rate * OverF32(study, dtype);
    if (rate > 0) {
      roofline.ceilings.push_back({absl::StrCat(WeightDtypeName(dtype), of), rate});
    }
  };
  const WeightDtype matrices = MultipliedAs(shape.weight_dtype);
  const WeightDtype attention = AttentionRunsIn(shape);
  if (matrices == attention) {
    add(matrices, "");
  } else {
    add(matrices, " matrices");
    add(attention, " attention");
  }
  if (roofline.ceilings.empty()) add(WeightDtype::kF32, "");
}

}  // namespace

std::vector<WeightDtype> DtypesBesideF32(const ScaleData& data) {
  std::vector<WeightDtype> dtypes;
  for (const ScalePoint& point : data.points) {
    for (const WeightDtype dtype :
         {MultipliedAs(point.shape.weight_dtype), AttentionRunsIn(point.shape)}) {
      const bool known = std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
      if (dtype != WeightDtype::kF32 && !known) dtypes.push_back(dtype);
    }
  }
  return dtypes;
}

ScaleRoofline StudyRoofline(const ScaleStudy& study) {
  const ScaleData& data = study.data;
  ScaleRoofline roofline;
  const auto prefill = Heaviest(data, ScaleSweep::kPrefill, "");
  const auto point = [&data](const ScaleSample& sample) -> const ScalePoint& {
    return data.points[static_cast<size_t>(sample.point)];
  };
  const std::string model = prefill.empty() ? "" : point(*prefill[0]).model;
  const auto decode = Heaviest(data, ScaleSweep::kDecode, model);
  if (!prefill.empty()) {
    AddClasses(prefill, absl::StrCat("prefill of ", point(*prefill[0]).tokens), roofline);
  }
  if (!decode.empty()) {
    AddClasses(decode, absl::StrCat("decode at ", point(*decode[0]).tokens), roofline);
  }
  if (roofline.points.empty()) return {};
  std::vector<double> flops, bytes;
  for (const ScaleSample& sample : data.samples) {
    if (sample.anchors.matmul_flops_per_second <= 0) continue;
    flops.push_back(sample.anchors.matmul_flops_per_second);
    bytes.push_back(sample.anchors.read_bytes_per_second);
  }
  const ScalePoint& shown = point(prefill.empty() ? *decode[0] : *prefill[0]);
  if (!flops.empty()) {
    AddRoofCeilings(study, shown.shape, Median(flops), roofline);
    roofline.bytes_per_second = Median(bytes);
  }
  roofline.note = absl::StrCat(
      ShortModelName(shown.model),
      ". The limits are those of large matmuls in the numeric types that the classes ran in, and "
      "of streams from memory, medians over the study; data that stay in a cache can be faster.");
  return roofline;
}

}  // namespace plumbline
