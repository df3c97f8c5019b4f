#include "tools/load_json.h"

#include <cmath>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tools/load_fields.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

Json NumberOrNull(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json EstimateJson(const Estimate& estimate) {
  return Json{{"value", NumberOrNull(estimate.value)},
              {"low", NumberOrNull(estimate.low)},
              {"high", NumberOrNull(estimate.high)}};
}

template <class Record>
Json FieldJson(const Record& record, const LoadField<Record>& field) {
  return std::visit([&record](auto member) { return Json(record.*member); }, field.member);
}

Json AnchorsJson(const std::optional<Anchors>& anchors) {
  if (!anchors.has_value()) return Json();
  return Json{{"matmul_flops_per_second", anchors->matmul_flops_per_second},
              {"read_bytes_per_second", anchors->read_bytes_per_second}};
}

Json RequestRecordJson(const RequestRecord& request) {
  Json json;
  for (const LoadField<RequestRecord>& field : kRequestFields) {
    json[field.name] = FieldJson(request, field);
  }
  json["outcome"] = LoadOutcomeName(request.outcome);
  if (!request.error.empty()) json["error"] = request.error;
  json["token_seconds"] = request.token_seconds;
  Json& chunks = json["chunks"] = Json::array();
  for (const ChunkRecord& chunk : request.chunks) {
    chunks.push_back({chunk.step, chunk.first, chunk.tokens});
  }
  Json& preemptions = json["preemptions"] = Json::array();
  for (const PreemptionRecord& gone : request.preemptions) {
    preemptions.push_back({gone.evicted_seconds, gone.resumed_seconds});
  }
  return json;
}

Json RepetitionJson(const RepetitionRecord& repetition) {
  Json json;
  json["warm_up_seconds"] = repetition.warm_up_seconds;
  json["end_seconds"] = repetition.end_seconds;
  json["interrupted"] = repetition.interrupted;
  json["anchors_before"] = AnchorsJson(repetition.anchors_before);
  json["anchors_after"] = AnchorsJson(repetition.anchors_after);
  Json& marks = json["anchor_marks"] = Json::array();
  for (const AnchorMark& mark : repetition.anchor_marks) {
    marks.push_back({mark.seconds, mark.cost_seconds, mark.anchors.matmul_flops_per_second,
                     mark.anchors.read_bytes_per_second});
  }
  Json& repeated = json["repeated_steps"] = Json::array();
  for (const RepeatedStep& step : repetition.repeated_steps) {
    Json spans = Json::array();
    for (const SpanShape& span : step.spans) {
      spans.push_back({span.first, span.count, span.logit_rows});
    }
    repeated.push_back({step.seconds, step.cost_seconds, std::move(spans), step.classes});
  }
  json["drift"] = NumberOrNull(AnchorDrift(repetition));
  json["discarded"] = AnchorDrift(repetition) > kMostDrift;
  Json& requests = json["requests"] = Json::array();
  for (const RequestRecord& request : repetition.requests) {
    requests.push_back(RequestRecordJson(request));
  }
  Json& steps = json["steps"] = Json::array();
  for (const StepRecord& step : repetition.steps) {
    Json row = Json::array();
    for (const LoadField<StepRecord>& field : kStepFields) row.push_back(FieldJson(step, field));
    steps.push_back(std::move(row));
  }
  return json;
}

Json MetricsJson(const LoadMetrics& metrics) {
  Json json;
  json["requests"] = {{"measured", metrics.rounds.measured},
                      {"completed", metrics.rounds.completed},
                      {"good", metrics.rounds.good}};
  json["discarded_repetitions"] = metrics.rounds.discarded;
  Json& distributions = json["seconds"];
  for (const LoadDistribution& distribution : metrics.distributions) {
    Json& entry = distributions[distribution.name];
    entry["samples"] = distribution.samples;
    entry["mean"] = EstimateJson(distribution.mean);
    for (size_t p = 0; p < kLoadPercentiles.size(); ++p) {
      const auto percent = static_cast<int>(std::lround(100 * kLoadPercentiles[p]));
      entry[absl::StrCat("p", percent)] = EstimateJson(distribution.percentiles[p]);
    }
    entry["max"] = distribution.samples > 0 ? Json(distribution.max) : Json();
  }
  for (const LoadFigure& figure : metrics.figures) {
    Json& entry = json["figures"][figure.name] = EstimateJson(figure.value);
    entry["unit"] = figure.unit;
  }
  return json;
}

Json SearchJson(const RateSearch& search) {
  Json json;
  json["highest_rate"] = search.highest;
  Json& probes = json["probes"] = Json::array();
  for (const RateProbe& probe : search.probes) {
    probes.push_back(
        {{"rate", probe.rate}, {"good_share", probe.good_share}, {"passed", probe.passed}});
  }
  return json;
}

}  // namespace

std::string LoadJson(const LoadRecord& record, const LoadSlo& slo, const LoadMetrics& metrics,
                     const RateSearch* search) {
  Json json;
  json["plumbline_load"] = kLoadFileVersion;
  json["model"] = record.model;
  json["target"] = record.target;
  json["weights"] = record.weights;
  json["kv_dtype"] = record.kv_dtype;
  json["workload"] = record.workload;
  Json& policy = json["policy"] = Json::object();
  for (const auto& [name, value] : record.policy) policy[name] = value;
  json["slo"] = slo.text;
  for (const LoadField<LoadRecord>& field : kRunFields) json[field.name] = FieldJson(record, field);
  json["seed"] = record.seed;
  json["salt"] = record.salt;
  json["metrics"] = MetricsJson(metrics);
  if (search != nullptr) json["search"] = SearchJson(*search);
  Json& columns = json["step_columns"] = Json::array();
  for (const LoadField<StepRecord>& field : kStepFields) columns.push_back(field.name);
  Json& repetitions = json["repetitions"] = Json::array();
  for (const RepetitionRecord& repetition : record.repetitions) {
    repetitions.push_back(RepetitionJson(repetition));
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace plumbline
