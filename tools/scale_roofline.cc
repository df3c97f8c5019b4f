#include "tools/scale_roofline.h"

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

}  // namespace

ScaleRoofline StudyRoofline(const ScaleData& data) {
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
  if (!flops.empty()) {
    roofline.flops_per_second = Median(flops);
    roofline.bytes_per_second = Median(bytes);
  }
  roofline.note = absl::StrCat(
      ShortModelName(point(prefill.empty() ? *decode[0] : *prefill[0]).model),
      ". The limits are those of f32 matmuls and of streams from memory, medians over the study; "
      "bf16 matmuls, and data that stay in a cache, can be faster.");
  return roofline;
}

}  // namespace plumbline
