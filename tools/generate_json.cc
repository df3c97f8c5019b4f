#include "tools/generate_json.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "tools/json_text.h"
#include "tools/plan_check.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

Json Pair(int64_t measured, int64_t formula) {
  return Json{{"measured", measured}, {"formula", formula}};
}

Json OrNull(double seconds) { return seconds < 0 ? Json() : Json(seconds); }

Json StepJson(const RequestStep& step) {
  Json json;
  json["seconds"] = step.seconds;
  json["new_tokens"] = step.new_tokens;
  json["context_tokens"] = step.context_tokens;
  json["step_tokens"] = step.step_tokens;
  json["macs"] = Pair(step.measured_macs.TotalUseful(), step.formula_macs.TotalUseful());
  json["executed_macs"] =
      Pair(step.measured_macs.TotalExecuted(), step.formula_macs.TotalExecuted());
  json["bytes"] = Pair(Total(step.measured_bytes), Total(step.formula_bytes));
  json["softmax_pairs"] = Pair(step.measured_softmax_pairs, step.formula_softmax_pairs);
  json["pass_seconds"] = Total(step.measured_seconds);
  if (step.predicted.has_value()) json["predicted_seconds"] = step.predicted->seconds();
  Json& classes = json["classes"];
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    Json& entry = classes[WorkClassKey(static_cast<WorkClass>(c))];
    entry["macs"] = Pair(step.measured_macs.useful[c], step.formula_macs.useful[c]);
    entry["executed_macs"] = Pair(step.measured_macs.executed[c], step.formula_macs.executed[c]);
    entry["bytes"] = Pair(step.measured_bytes[c], step.formula_bytes[c]);
    entry["seconds"] = step.measured_seconds[c];
    if (!step.predicted.has_value()) continue;
    const ClassTime& time = step.predicted->classes[c];
    entry["predicted_seconds"] = time.seconds();
    entry["bound_by"] = std::string(BoundName(time.bound()));
  }
  return json;
}

Json CacheJson(const RequestCache& cache, int64_t pool_bytes) {
  Json json;
  json["block_tokens"] = cache.block_tokens;
  json["blocks"] = cache.blocks;
  json["shared_blocks"] = cache.shared_blocks;
  json["token_bytes"] = cache.token_bytes;
  json["used_bytes"] = Pair(cache.used_bytes_measured, cache.used_bytes_formula);
  json["allocated_bytes"] = Pair(cache.allocated_bytes_measured, cache.allocated_bytes_formula);
  json["waste_tokens"] = cache.waste_tokens;
  json["pool_bytes"] = pool_bytes;
  return json;
}

// By hand: the library has no say in the number of digits.
std::string LogprobsText(const std::vector<std::vector<TokenLogprob>>& rows) {
  const auto entry = [](std::string* out, const TokenLogprob& candidate) {
    const double logprob = static_cast<double>(candidate.logprob);
    absl::StrAppend(out, "[", candidate.token, ",",
                    std::isfinite(logprob) ? absl::StrFormat("%.9g", logprob) : "null", "]");
  };
  const auto row = [&entry](std::string* out, const std::vector<TokenLogprob>& candidates) {
    absl::StrAppend(out, "[", absl::StrJoin(candidates, ",", entry), "]");
  };
  return absl::StrCat("[", absl::StrJoin(rows, ",", row), "]");
}

Json RunJson(const GenerateRun& run) {
  Json json;
  json["model"] = run.model;
  json["architecture"] = run.config.architecture;
  json["weights"] = std::string(WeightDtypeName(run.weights));
  json["kv_dtype"] = std::string(KvDtypeName(run.kv_dtype));
  json["threads"] = run.threads;
  json["same_bits"] = run.same_bits_exception.empty();
  if (!run.same_bits_exception.empty()) json["same_bits_exception"] = run.same_bits_exception;
  if (run.no_cache) json["no_cache"] = true;
  json["matmul"] = run.matmul_implementations;
  json["prefix"]["lookup_tokens"] = run.prefix.lookup_tokens;
  json["prefix"]["hit_tokens"] = run.prefix.hit_tokens;
  json["preemption"] = {{"recomputed", run.preemption.recomputed},
                        {"swapped", run.preemption.swapped},
                        {"swapped_out_blocks", run.preemption.swapped_out_blocks},
                        {"swapped_in_blocks", run.preemption.swapped_in_blocks},
                        {"swapped_bytes", run.preemption.swapped_bytes}};
  json["score_scratch_bytes"] = run.score_scratch_bytes;
  if (run.profile.has_value()) {
    const Anchors& anchors = run.profile->anchors;
    json["anchors"] = {{"matmul_flops_per_second", anchors.matmul_flops_per_second},
                       {"read_bytes_per_second", anchors.read_bytes_per_second}};
  }
  if (run.plan_check != nullptr) json["plan_check"] = PlanCheckJson(*run.plan_check);
  return json;
}

// Times count from the request's arrival.
Json EvictionsJson(const RequestResult& result) {
  Json json = Json::array();
  for (const Eviction& eviction : result.evictions) {
    const double rescheduled = eviction.rescheduled_seconds;
    json.push_back({{"evicted_seconds", eviction.evicted_seconds - result.arrival_seconds},
                    {"rescheduled_seconds",
                     rescheduled < 0 ? Json() : Json(rescheduled - result.arrival_seconds)},
                    {"swapped_out_blocks", eviction.swapped_out_blocks},
                    {"swapped_in_blocks", eviction.swapped_in_blocks}});
  }
  return json;
}

// One request's object: `json` and what belongs to the request.
std::string RequestText(const GenerateRun& run, const GeneratedRequest& request, Json json) {
  const RequestResult& result = request.result;
  json["sample"] = result.sample;
  json["prompt_token_ids"] = result.prompt;
  json["output_token_ids"] = result.output;
  json["text"] = request.text;
  json["finish_reason"] = std::string(FinishReasonName(result.reason));
  if (!result.status.ok()) json["error"] = std::string(result.status.message());
  json["ttft_seconds"] = OrNull(result.ttft_seconds());
  json["queue_seconds"] = OrNull(result.queue_seconds());
  json["preemptions"] = result.preemptions;
  json["evictions"] = EvictionsJson(result);
  json["prefix_hit_tokens"] = result.prefix_hit_tokens;
  Json& steps = json["steps"] = Json::array();
  for (const RequestStep& step : result.steps) steps.push_back(StepJson(step));
  json["cache"] = CacheJson(result.cache, run.pool_bytes);
  std::string text = JsonLine(json);
  if (run.logprobs == 0) return text;
  text.pop_back();
  return absl::StrCat(text, ",\"top_logprobs\":", LogprobsText(result.logprobs), "}");
}

}  // namespace

std::string GenerateJson(const GenerateRun& run) {
  if (run.requests.size() == 1) {
    return absl::StrCat(RequestText(run, run.requests[0], RunJson(run)), "\n");
  }
  std::vector<std::string> requests;
  for (const GeneratedRequest& request : run.requests) {
    requests.push_back(RequestText(run, request, Json::object()));
  }
  std::string text = JsonLine(RunJson(run));
  text.pop_back();
  return absl::StrCat(text, ",\"requests\":[", absl::StrJoin(requests, ","), "]}\n");
}

}  // namespace plumbline
