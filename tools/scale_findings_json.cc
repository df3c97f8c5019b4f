#include "tools/scale_findings_json.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/replacing_file.h"
#include "nlohmann/json.hpp"
#include "tools/json_text.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Estimate& estimate) {
  return Json{{"value", FiniteOrNull(estimate.value)},
              {"low", FiniteOrNull(estimate.low)},
              {"high", FiniteOrNull(estimate.high)}};
}

// `to_json` is the overload of ToJson for T.
template <class T>
Json List(const std::vector<T>& items, Json (*to_json)(const T&)) {
  Json list = Json::array();
  for (const T& item : items) list.push_back(to_json(item));
  return list;
}

Json ToJson(const ScaleFit& fit) {
  return Json{{"a", ToJson(fit.a)},
              {"b", ToJson(fit.b)},
              {"largest_residual", FiniteOrNull(fit.largest_residual)}};
}

Json ToJson(const ScaleLength& length) {
  return Json{{"tokens", length.tokens},
              {"repetitions", length.repetitions},
              {"seconds", ToJson(length.seconds)},
              {"tokens_per_second", ToJson(length.tokens_per_second)},
              {"article_tokens_per_second", FiniteOrNull(length.article_tokens_per_second)},
              {"article_ms", FiniteOrNull(length.article_ms)}};
}

Json ToJson(const ScaleDoubling& doubling) {
  return Json{{"tokens", doubling.tokens},
              {"whole", ToJson(doubling.whole)},
              {"attention", ToJson(doubling.attention)},
              {"causal_macs", FiniteOrNull(doubling.causal_macs)},
              {"full_layer", FiniteOrNull(doubling.full_layer)}};
}

const char* Reach(const Estimate& measured) {
  if (!measured.known()) return "unknown";
  if (std::isinf(measured.value)) return "not_reached";
  return measured.value == 0 ? "before_first" : "within";
}

Json ToJson(const ScaleCrossing& crossing) {
  return Json{{"what", crossing.what},
              {"reach", Reach(crossing.measured)},
              {"measured_tokens", ToJson(crossing.measured)},
              {"extrapolated_tokens", FiniteOrNull(crossing.extrapolated)},
              {"counted_tokens", FiniteOrNull(crossing.counted)},
              {"full_id", crossing.full_id},
              {"full_tokens", FiniteOrNull(crossing.full)},
              {"claim", crossing.claim},
              {"last_tokens", FiniteOrNull(crossing.last_tokens)}};
}

Json ToJson(const ScaleShare& share) {
  Json json = {{"tokens", share.tokens}};
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    json["classes"][WorkClassKey(static_cast<WorkClass>(c))] = {
        {"timed", ToJson(share.timed[c])}, {"counted", FiniteOrNull(share.counted[c])}};
  }
  json["article"] = {{"attention", FiniteOrNull(share.article_attention)},
                     {"projections", FiniteOrNull(share.article_projections)},
                     {"feed_forward", FiniteOrNull(share.article_feed_forward)}};
  json["causal"] = {{"attention", FiniteOrNull(share.causal_attention)},
                    {"projections", FiniteOrNull(share.causal_projections)},
                    {"feed_forward", FiniteOrNull(share.causal_feed_forward)}};
  json["softmax_operations"] = FiniteOrNull(share.softmax_operations);
  return json;
}

Json ToJson(const ScaleVariant& row) {
  return Json{{"value", row.value},
              {"tokens", row.tokens},
              {"decode", row.decode},
              {"seconds", ToJson(row.seconds)},
              {"time_ratio", ToJson(row.time_ratio)},
              {"attention_ratio", ToJson(row.attention_ratio)},
              {"core_mac_ratio", FiniteOrNull(row.core_mac_ratio)},
              {"softmax_ratio", FiniteOrNull(row.softmax_ratio)},
              {"cache_byte_ratio", FiniteOrNull(row.cache_byte_ratio)}};
}

Json ToJson(const ScaleVariants& variants) {
  return Json{{"name", variants.name},
              {"base", variants.base},
              {"prefill_exponent", ToJson(variants.prefill_exponent)},
              {"decode_exponent", ToJson(variants.decode_exponent)},
              {"rows", List(variants.rows, ToJson)}};
}

Json ToJson(const ScaleContrast& row) {
  return Json{{"name", row.name},
              {"tokens", row.tokens},
              {"time_ratio", ToJson(row.time_ratio)},
              {"mac_ratio", FiniteOrNull(row.mac_ratio)},
              {"peak_byte_ratio", FiniteOrNull(row.peak_byte_ratio)}};
}

Json ToJson(const ScalePredictionError& error) {
  return Json{{"of", error.of},
              {"samples", error.samples},
              {"median", FiniteOrNull(error.median)},
              {"p90", FiniteOrNull(error.p90)},
              {"largest", FiniteOrNull(error.largest)},
              {"largest_tokens", error.largest_tokens},
              {"largest_class", error.largest_class}};
}

Json ToJson(const ScaleClaim& claim) {
  return Json{{"id", claim.id},
              {"claim", claim.claim},
              {"measured", claim.measured},
              {"verdict", ScaleVerdictName(claim.verdict)}};
}

Json StudiedShapeJson(const CostShape& shape) {
  return Json{{"layers", shape.L},
              {"width", shape.d},
              {"heads", shape.h},
              {"kv_heads", shape.g},
              {"head_dim", shape.e},
              {"ffn", shape.F},
              {"ffn_matrices", shape.m},
              {"vocab", shape.V},
              {"weight_bytes", shape.weight_bytes()},
              {"cache_bytes", shape.cache_bytes},
              {"block_tokens", shape.block_tokens}};
}

Json HostJson(const ScaleHost& host) {
  return Json{{"free_memory_bytes", host.free_memory_bytes},
              {"tflops", FiniteOrNull(host.tflops)},
              {"max_tokens_all_layers", FiniteOrNull(host.max_tokens_all_layers)},
              {"max_tokens_one_layer", FiniteOrNull(host.max_tokens_one_layer)},
              {"max_tokens_no_scores", FiniteOrNull(host.max_tokens_no_scores)}};
}

Json SteadinessJson(const ScaleSteadiness& steadiness) {
  return Json{{"samples", steadiness.samples},
              {"outliers", steadiness.outliers},
              {"drift", FiniteOrNull(steadiness.drift.relative_change)},
              {"drift_p_value", FiniteOrNull(steadiness.drift.p_value)},
              {"drift_flagged", steadiness.drift.flagged}};
}

Json ToJson(const ScaleModelFindings& model) {
  Json json;
  json["model"] = model.model;
  json["shape"] = StudiedShapeJson(model.shape);
  json["steadiness"] = SteadinessJson(model.steadiness);
  json["exactness"] = {{"compared", model.exactness.compared},
                       {"equal", model.exactness.equal},
                       {"first_difference", model.exactness.first_difference}};
  json["prefill_fit"] = ToJson(model.prefill_fit);
  json["decode_fit"] = ToJson(model.decode_fit);
  json["prefill_exponent"] = ToJson(model.prefill_exponent);
  json["decode_exponent"] = ToJson(model.decode_exponent);
  json["prefill"] = List(model.prefill, ToJson);
  json["decode"] = List(model.decode, ToJson);
  json["prefill_doublings"] = List(model.prefill_doublings, ToJson);
  json["decode_doublings"] = List(model.decode_doublings, ToJson);
  json["crossings"] = List(model.crossings, ToJson);
  json["thresholds"] = List(model.thresholds, ToJson);
  json["shares"] = List(model.shares, ToJson);
  json["variants"] = List(model.variants, ToJson);
  json["contrasts"] = List(model.contrasts.rows, ToJson);
  json["sentences"] = model.contrasts.sentences;
  json["predictions"] = List(model.predictions, ToJson);
  json["host"] = HostJson(model.host);
  json["claims"] = List(model.claims, ToJson);
  return json;
}

}  // namespace

nlohmann::ordered_json ScaleFindingsJson(const ScaleFindings& findings) {
  return Json{{"seed", findings.seed}, {"models", List(findings.models, ToJson)}};
}

std::string ScaleResultJson(const ScaleStudy& study, const ScaleFindings& findings) {
  // Behind the brace that opens the study's object.
  return absl::StrCat("{\"findings\":", JsonLine(ScaleFindingsJson(findings)), ",\n",
                      ScaleJson(study).substr(1));
}

absl::Status WriteScaleFindings(const std::string& folder, const ScaleFindings& findings) {
  return ReplaceFile(absl::StrCat(folder, "/", kScaleFindingsFile),
                     JsonLine(ScaleFindingsJson(findings)) + "\n");
}

}  // namespace plumbline
