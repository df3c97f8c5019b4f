#include "tools/plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "engine/parallel.h"
#include "engine/step_time.h"
#include "engine/tensor_source.h"
#include "tools/byte_size.h"
#include "tools/machine_file.h"
#include "tools/numeric_options.h"
#include "tools/output.h"
#include "tools/plan_article.h"
#include "tools/plan_times.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int kMaxRunning = 256;  // of generate's steps

absl::Status SetMemory(const PlanOptions& options, Plan& plan) {
  if (!options.memory.empty()) {
    const absl::StatusOr<int64_t> bytes = ParseByteSize(options.memory);
    if (!bytes.ok()) return bytes.status();
    plan.memory_bytes = *bytes;
    plan.memory_source = "--memory";
    plan.what_if = true;
    return absl::OkStatus();
  }
  const Machine machine = DetectMachine();
  plan.memory_bytes = machine.free_memory_bytes;
  plan.memory_source = machine.memory_limit;
  return absl::OkStatus();
}

absl::Status SetTarget(const PlanOptions& options, Plan& plan) {
  plan.context = options.context > 0 ? options.context : plan.config.context;
  plan.requests = options.requests;
  plan.chunk_tokens = options.chunk_tokens;
  plan.block_tokens = options.block_tokens;
  plan.wished_prompt = options.prompt;
  if (plan.context > plan.config.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("a context of ", plan.context, " tokens is wished and the model knows ",
                     plan.config.context, " positions: lower --context",
                     IsSyntheticName(plan.model) ? ", or name the model with context=N" : ""));
  }
  if (options.prompt > plan.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("a prompt of ", options.prompt, " tokens does not fit the context of ",
                     plan.context, ": lower --prompt or raise --context"));
  }
  return absl::OkStatus();
}

std::vector<HeadsPlan> HeadVariants(const ModelConfig& config) {
  std::vector<HeadsPlan> variants;
  const auto add = [&](const char* name, int kv_heads) {
    HeadsPlan heads;
    heads.name = name;
    heads.kv_heads = kv_heads;
    heads.own = kv_heads == config.kv_heads;
    variants.push_back(std::move(heads));
  };
  const bool own_groups = config.kv_heads > 1 && config.kv_heads < config.heads;
  const int grouped = own_groups ? config.kv_heads : GroupedKvHeads(config.heads);
  add("MHA", config.heads);
  if (grouped > 0) add("GQA", grouped);
  if (config.heads > 1) add("MQA", 1);
  return variants;
}

absl::Status PlanHeads(const Plan& plan, MemoryShape shape, HeadsPlan& heads) {
  shape.config.kv_heads = heads.kv_heads;
  for (size_t i = 0; i < kPlanDtypes.size(); ++i) {
    shape.kv_dtype = kPlanDtypes[i];
    const absl::Status status = CheckPlan(shape, plan.context, plan.requests);
    if (!status.ok()) return status;
    heads.plans[i] = PlanMemory(shape, plan.context, plan.requests);
    heads.largest_context[i] = LargestContext(shape, plan.memory_bytes, plan.requests);
    heads.most_requests[i] = LargestConcurrency(shape, plan.memory_bytes, plan.context);
  }
  return absl::OkStatus();
}

void PredictHeads(const Plan& plan, const MachineProfile& profile, HeadsPlan& heads) {
  ModelConfig config = plan.config;
  config.kv_heads = heads.kv_heads;
  std::vector<int64_t> batches = {1, 8, std::min<int64_t>(plan.requests, kMaxRunning)};
  std::sort(batches.begin(), batches.end());
  batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
  for (const int64_t length : PlanLengths(plan.longest_prompt, plan.wished_prompt)) {
    heads.ttft.push_back({length, 1, {}});
  }
  for (const int64_t length : PlanLengths(plan.longest_decode, plan.wished_prompt)) {
    for (const int64_t batch : batches) heads.decode.push_back({length, batch, {}});
  }
  for (size_t i = 0; i < kPlanDtypes.size(); ++i) {
    const CostShape shape =
        CostShape::From(config, plan.weights, kPlanDtypes[i], plan.block_tokens);
    const auto seconds = [&](absl::Span<const SpanShape> spans) {
      return PredictStep(profile, shape, spans).seconds();
    };
    for (PlanTime& time : heads.ttft) {
      time.seconds[i] = PredictTtft(time.tokens, plan.chunk_tokens, seconds);
    }
    for (PlanTime& time : heads.decode) {
      time.seconds[i] = PredictDecodeStep(time.tokens, time.batch, seconds);
    }
  }
}

// Where no file was named, times are left out and the plan says why.
absl::Status Predict(const PlanOptions& options, Plan& plan) {
  const absl::StatusOr<MachineProfile> profile =
      LoadMachineProfile(options.machine_file, plan.threads);
  if (!profile.ok()) {
    if (!options.machine_file.empty()) return profile.status();
    plan.times_missing = std::string(profile.status().message());
    return absl::OkStatus();
  }
  plan.longest_decode = std::min(plan.context, kMostPredictedTokens);
  plan.longest_prompt = std::min(plan.longest_decode, kMostPredictedSteps * plan.chunk_tokens);
  for (HeadsPlan& heads : plan.heads) PredictHeads(plan, *profile, heads);
  return absl::OkStatus();
}

}  // namespace

int GroupedKvHeads(int heads) {
  for (int kv_heads = std::max(2, heads / 4); kv_heads >= 2 && kv_heads < heads; --kv_heads) {
    if (heads % kv_heads == 0) return kv_heads;
  }
  // None up to a quarter: the least one above.
  for (int kv_heads = std::max(2, heads / 4); kv_heads < heads; ++kv_heads) {
    if (heads % kv_heads == 0) return kv_heads;
  }
  return 0;
}

const HeadsPlan& Plan::own() const {
  return *std::find_if(heads.begin(), heads.end(), [](const HeadsPlan& h) { return h.own; });
}

absl::StatusOr<Plan> MakePlan(const PlanOptions& options) {
  Plan plan;
  absl::StatusOr<NamedSource> model = OpenModelOrToy(options.model);
  if (!model.ok()) return model.status();
  plan.model = std::move(model->model);
  plan.config = model->source->config();
  plan.weights = ChooseWeights(options.weights);
  plan.threads = UsableThreads(options.threads > 0 ? options.threads : DetectMachine().cores);
  absl::Status status = SetTarget(options, plan);
  if (status.ok()) status = SetMemory(options, plan);
  if (!status.ok()) return status;

  MemoryShape shape;
  shape.config = plan.config;
  shape.weights = plan.weights;
  shape.block_tokens = plan.block_tokens;
  shape.chunk_tokens = plan.chunk_tokens;
  shape.max_running = kMaxRunning;
  shape.threads = plan.threads;
  const auto footprint = MeasureMatmulFootprint(plan.config, plan.weights, plan.threads);
  if (!footprint.ok()) return footprint.status();
  shape.matmul = *footprint;
  plan.heads = HeadVariants(plan.config);
  for (HeadsPlan& heads : plan.heads) {
    if (status = PlanHeads(plan, shape, heads); !status.ok()) return status;
  }
  if (status = Predict(options, plan); !status.ok()) return status;
  return plan;
}

absl::Status RunPlan(const PlanOptions& options, std::ostream& out) {
  if (options.article) {
    const absl::StatusOr<std::string> text = ArticleText(options);
    if (!text.ok()) return text.status();
    out << *text;
  } else {
    const absl::StatusOr<Plan> plan = MakePlan(options);
    if (!plan.ok()) return plan.status();
    out << (options.json ? PlanJson(*plan) : PlanReport(*plan));
  }
  return FlushOutput(out);
}

}  // namespace plumbline
