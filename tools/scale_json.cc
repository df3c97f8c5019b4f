#include "tools/scale_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tools/json_text.h"
#include "tools/scale_files.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

Json SampledShapeJson(const CostShape& s) {
  return Json{{"layers", s.L},
              {"width", s.d},
              {"heads", s.h},
              {"kv_heads", s.g},
              {"head_dim", s.e},
              {"ffn", s.F},
              {"ffn_matrices", s.m},
              {"vocab", s.V},
              {"weights", std::string(WeightDtypeName(s.weight_dtype))},
              {"kv_dtype", std::string(KvDtypeName(s.cache_dtype))},
              {"block_tokens", s.block_tokens},
              {"layer_small_elements", s.layer_small_elements},
              {"final_small_elements", s.final_small_elements},
              {"embedding_elements", s.embedding_elements}};
}

Json SampleJson(const ScaleSample& s) {
  return Json{{"point", s.point},
              {"repetition", s.repetition},
              {"start_seconds", s.start_seconds},
              {"seconds", s.seconds},
              {"class_seconds", s.class_seconds},
              {"macs", s.macs.useful},
              {"executed_macs", s.macs.executed},
              {"formula_macs", s.formula_macs.useful},
              {"formula_executed_macs", s.formula_macs.executed},
              {"bytes", s.bytes},
              {"formula_bytes", s.formula_bytes},
              {"softmax_pairs", s.softmax_pairs},
              {"formula_softmax_pairs", s.formula_softmax_pairs},
              {"predicted_seconds", s.predicted_seconds},
              {"predicted_class_seconds", s.predicted_class_seconds},
              {"matmul_flops_per_second", s.anchors.matmul_flops_per_second},
              {"read_bytes_per_second", s.anchors.read_bytes_per_second}};
}

}  // namespace

nlohmann::ordered_json ScalePointJson(const ScalePoint& point) {
  return Json{{"sweep", std::string(ScaleSweepName(point.sweep))},
              {"model", point.model},
              {"shape", SampledShapeJson(point.shape)},
              {"tokens", point.tokens},
              {"streams", point.streams},
              {"chunk", point.chunk},
              {"filled", point.filled},
              {"peak_score_bytes", point.peak_score_bytes},
              {"cache_bytes", point.cache_bytes},
              {"cache_used_bytes", point.cache_used_bytes},
              {"scratch_bytes", point.scratch_bytes}};
}

std::string ScaleJson(const ScaleStudy& study) {
  Json json;
  json["format"] = std::string(kScaleFormat);
  Json& settings = json["settings"] = Json::object();
  for (const auto& [key, value] : study.settings) settings[key] = value;
  json["elapsed_seconds"] = study.elapsed_seconds;
  json["finished_runs"] = study.finished_runs;
  json["settled_points"] = study.settled_points;
  json["left_out"] = study.left_out;
  Json& matmuls = json["matmul_over_f32"] = Json::object();
  for (const MatmulOverF32& m : study.matmuls)
    matmuls[std::string(WeightDtypeName(m.dtype))] = m.ratio;
  Json& classes = json["classes"] = Json::array();
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    classes.push_back(std::string(WorkClassName(static_cast<WorkClass>(c))));
  }
  Json& points = json["points"] = Json::array();
  for (const ScalePoint& point : study.data.points) points.push_back(ScalePointJson(point));
  std::string text = JsonLine(json);
  text.pop_back();
  absl::StrAppend(&text, ",\"samples\":[");
  for (const ScaleSample& sample : study.data.samples) {
    absl::StrAppend(&text, &sample == study.data.samples.data() ? "\n" : ",\n",
                    JsonLine(SampleJson(sample)));
  }
  return absl::StrCat(text, "]}\n");
}

}  // namespace plumbline
