// A plan as JSON.
#include <string>

#include "nlohmann/json.hpp"
#include "tools/plan.h"
#include "tools/plan_check.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

Json TimesJson(const std::vector<PlanTime>& times, const char* tokens, size_t dtype) {
  Json json = Json::array();
  for (const PlanTime& time : times) {
    json.push_back(
        {{tokens, time.tokens}, {"batch", time.batch}, {"seconds", time.seconds[dtype]}});
  }
  return json;
}

Json DtypeJson(const Plan& plan, const HeadsPlan& heads, size_t i) {
  Json json;
  json["kv_dtype"] = std::string(KvDtypeName(kPlanDtypes[i]));
  json["memory"] = MemoryPlanJson(heads.plans[i]);
  json["fits"] = Fits(heads.plans[i], plan.memory_bytes);
  json["largest_context"] = heads.largest_context[i];
  json["most_requests"] = heads.most_requests[i];
  if (!plan.times_missing.empty()) return json;
  json["ttft"] = TimesJson(heads.ttft, "prompt_tokens", i);
  json["decode_step"] = TimesJson(heads.decode, "context_tokens", i);
  return json;
}

}  // namespace

Json MemoryPlanJson(const MemoryPlan& plan) {
  Json json;
  json["weights"] = {{"projections_bytes", plan.weights.projections},
                     {"feed_forward_bytes", plan.weights.feed_forward},
                     {"head_bytes", plan.weights.head},
                     {"embedding_bytes", plan.weights.embedding},
                     {"vectors_bytes", plan.weights.vectors},
                     {"padding_bytes", plan.weights.padding},
                     {"total_bytes", plan.weights.total()}};
  json["scratch"] = {{"activations_bytes", plan.scratch.activations},
                     {"logits_bytes", plan.scratch.logits},
                     {"attention_bytes", plan.scratch.attention},
                     {"matmul_bytes", plan.scratch.matmul},
                     {"total_bytes", Total(plan.scratch)}};
  json["compiled_bytes"] = plan.compiled_bytes;
  json["cache"] = {{"token_bytes", plan.cache.token_bytes},
                   {"block_bytes", plan.cache.block_bytes},
                   {"blocks", plan.cache.blocks},
                   {"used_bytes", plan.cache.used_bytes},
                   {"allocated_bytes", plan.cache.allocated_bytes},
                   {"waste_bytes", plan.cache.waste_bytes()}};
  json["total_bytes"] = plan.total();
  json["load_peak_bytes"] = plan.load_peak_bytes;
  return json;
}

std::string PlanJson(const Plan& plan) {
  Json json;
  json["model"] = plan.model;
  json["architecture"] = plan.config.architecture;
  json["weights"] = std::string(WeightDtypeName(plan.weights));
  json["threads"] = plan.threads;
  json["memory_bytes"] = plan.memory_bytes;
  json["memory_source"] = plan.memory_source;
  json["what_if"] = plan.what_if;
  json["context_tokens"] = plan.context;
  json["model_context_tokens"] = plan.config.context;
  json["requests"] = plan.requests;
  json["chunk_tokens"] = plan.chunk_tokens;
  json["block_tokens"] = plan.block_tokens;
  if (plan.times_missing.empty()) {
    json["longest_predicted_prompt_tokens"] = plan.longest_prompt;
    json["longest_predicted_context_tokens"] = plan.longest_decode;
  } else {
    json["times_missing"] = plan.times_missing;
  }
  Json& all = json["heads"] = Json::array();
  for (const HeadsPlan& heads : plan.heads) {
    Json entry = {{"name", heads.name}, {"kv_heads", heads.kv_heads}, {"own", heads.own}};
    Json& caches = entry["caches"] = Json::array();
    for (size_t i = 0; i < kPlanDtypes.size(); ++i) caches.push_back(DtypeJson(plan, heads, i));
    all.push_back(std::move(entry));
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace plumbline
