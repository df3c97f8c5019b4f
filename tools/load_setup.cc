#include "tools/load_setup.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "tools/generate_setup.h"
#include "tools/load_json.h"
#include "tools/load_simulation.h"
#include "tools/numeric_options.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int64_t kBytesPerMib = int64_t{1} << 20;

// Not 0, which stands for no salt.
uint64_t DrawSalt() {
  std::random_device device;
  return MixSeeds(device(), device()) | 1;
}

absl::StatusOr<WorkloadOptions> ReadWorkload(const LoadOptions& options) {
  WorkloadOptions workload;
  absl::StatusOr<ArrivalSpec> arrivals = ParseArrivals(options.arrivals);
  if (!arrivals.ok()) return arrivals.status();
  workload.arrivals = *std::move(arrivals);
  for (const auto& [text, lengths] :
       {std::pair(&options.prompt, &workload.prompt), std::pair(&options.output, &workload.output),
        std::pair(&options.turns, &workload.turns)}) {
    absl::StatusOr<LengthDistribution> parsed = LengthDistribution::Parse(*text);
    if (!parsed.ok()) return parsed.status();
    *lengths = *std::move(parsed);
  }
  workload.requests = options.requests;
  workload.seconds = options.seconds;
  workload.time_scale = options.time_scale;
  workload.think_seconds = options.think_seconds;
  workload.think_varies = options.think_varies;
  workload.prefix_groups = options.prefix_groups;
  workload.prefix_tokens = options.prefix_tokens;
  workload.seed = options.seed;
  workload.salt = options.salt.has_value() ? *options.salt : DrawSalt();
  return workload;
}

// What the command line says; it lets no other words pass.
void SetPolicies(const LoadOptions& options, SchedulerOptions* scheduler) {
  for (const QueueOrder order : {QueueOrder::kShortestPrompt, QueueOrder::kPriority}) {
    if (options.order == QueueOrderName(order)) scheduler->queue.order = order;
  }
  scheduler->queue.ageing_seconds_per_level = options.ageing;
  scheduler->limits.queued_requests = options.most_queued;
  scheduler->limits.queued_tokens = options.most_queued_tokens;
  scheduler->itl_target_seconds = options.itl_target_seconds;
  scheduler->prefix_sharing = options.prefix_sharing;
  scheduler->preemption = options.preempt.policy();
}

// Those that differ from what is usual.
void DescribePolicies(const LoadOptions& options, LoadRecord* record) {
  const auto add = [record](const char* name, std::string value) {
    record->policy.emplace_back(name, std::move(value));
  };
  const LoadOptions usual;
  if (options.replicas > 1) add("route", options.route);
  if (options.order != usual.order) add("order", options.order);
  if (options.priority_levels > 1) add("priority_levels", absl::StrCat(options.priority_levels));
  if (options.most_queued > 0) add("max_queued", absl::StrCat(options.most_queued));
  if (options.most_queued_tokens > 0) {
    add("max_queued_tokens", absl::StrCat(options.most_queued_tokens));
  }
  if (options.deadline_seconds > 0) add("deadline", absl::StrCat(options.deadline_seconds));
  if (options.itl_target_seconds > 0) add("itl_target", absl::StrCat(options.itl_target_seconds));
  if (!options.prefix_sharing) add("prefix_sharing", "off");
  if (options.preempt.mode != usual.preempt.mode) add("preempt", options.preempt.mode);
  if (options.preempt.victim != usual.preempt.victim) add("victim", options.preempt.victim);
}

absl::Status OpenLoadModel(const LoadOptions& options, LoadSetup* setup) {
  absl::StatusOr<NamedSource> model = OpenModelOrToy(options.model);
  if (!model.ok()) return model.status();
  setup->model = std::move(model->model);
  setup->source = std::move(model->source);
  const ModelConfig& config = setup->source->config();
  const NumericTypes types = ChooseNumericTypes(options.weights, options.kv_dtype);
  ModelOptions& model_options = setup->model_options;
  model_options.weights = types.weights;
  model_options.kv_dtype = types.kv_dtype;
  model_options.block_tokens = options.block_tokens;
  model_options.threads = options.threads > 0 ? options.threads : DetectMachine().cores;
  model_options.max_step_tokens = options.chunk_tokens;
  model_options.max_step_spans = std::min(options.max_running, options.chunk_tokens);
  model_options.max_logit_rows = model_options.max_step_spans;
  setup->shape = CostShape::From(config, types.weights, types.kv_dtype, options.block_tokens);
  SchedulerOptions& scheduler = setup->scheduler;
  scheduler.step_tokens = options.chunk_tokens;
  scheduler.max_running = model_options.max_step_spans;
  scheduler.context = config.context;
  SetPolicies(options, &scheduler);
  scheduler.geometry = config.CacheGeometry(types.kv_dtype, options.block_tokens);
  return scheduler.geometry.Validate();
}

// Blocks that the longest requests need, as many as may run at once.
int64_t BlocksForLongest(const LoadWorkload& workload, const SchedulerOptions& scheduler) {
  std::vector<int64_t> blocks;
  for (const PlannedRequest& request : workload.requests()) {
    blocks.push_back(
        scheduler.geometry.BlocksFor(request.prompt_tokens() + request.output_tokens - 1));
  }
  std::sort(blocks.begin(), blocks.end(), std::greater<>());
  int64_t sum = 0;
  for (size_t i = 0; i < blocks.size() && i < static_cast<size_t>(scheduler.max_running); ++i) {
    sum += blocks[i];
  }
  return sum;
}

absl::Status SizeLoadCache(const LoadOptions& options, LoadSetup* setup) {
  const absl::StatusOr<LoadWorkload> workload = WorkloadOf(*setup, 0);
  if (!workload.ok()) return workload.status();
  const int64_t block_bytes = setup->scheduler.geometry.BlockBytes();
  int64_t free = std::numeric_limits<int64_t>::max();
  if (!options.simulate) {
    const absl::StatusOr<int64_t> beside =
        FreeBesideWeights(setup->source->config(), setup->model_options.weights);
    if (!beside.ok()) return beside.status();
    free = *beside;
  }
  int64_t blocks = std::min(BlocksForLongest(*workload, setup->scheduler), free / 2 / block_bytes);
  if (options.cache_blocks.has_value()) blocks = *options.cache_blocks;
  if (options.cache_mib.has_value()) blocks = *options.cache_mib * kBytesPerMib / block_bytes;
  blocks = std::min<int64_t>(blocks, std::numeric_limits<int>::max() / options.block_tokens);
  if (blocks < 1 || blocks > free / block_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the cache would have ", blocks, " blocks of ", block_bytes, " bytes, and ", free,
        " bytes are free beside the weights: change --cache-mib or --cache-blocks"));
  }
  setup->cache_blocks = static_cast<int>(blocks);
  const absl::StatusOr<int> swap =
      ChooseSwapBlocks(options.preempt, block_bytes, free, setup->cache_blocks);
  if (!swap.ok()) return swap.status();
  setup->swap_blocks = *swap;
  // No request may need more than the whole cache.
  setup->scheduler.context =
      std::min(setup->scheduler.context, setup->cache_blocks * options.block_tokens);
  setup->workload.context = setup->scheduler.context;
  return absl::OkStatus();
}

// The scheduler must choose as it did: by the same policies, and by nothing that records leave out.
absl::Status CheckRepeatable(const LoadOptions& options, const LoadSetup& setup,
                             const LoadRecord& record) {
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const RequestRecord& request : repetition.requests) {
      if (request.prefix_hit_tokens == 0) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          options.replay, ": request ", request.id, " found ", request.prefix_hit_tokens,
          " tokens in the cache, and the tokens themselves are not recorded: record a run with "
          "--no-prefix-sharing"));
    }
  }
  LoadRecord asked;
  asked.policy = {{"max_running", absl::StrCat(setup.scheduler.max_running)},
                  {"step_tokens", absl::StrCat(record.step_tokens)}};
  DescribePolicies(options, &asked);
  if (asked.policy == record.policy) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(options.replay,
                   ": the run had other policies (see \"policy\" in it); give the same options"));
}

// The recorded run's own sizes, so that the scheduler has the same choices.
absl::Status ReadRecorded(const LoadOptions& options, LoadSetup* setup) {
  absl::StatusOr<LoadFile> file = ReadLoadFile(options.replay);
  if (!file.ok()) return file.status();
  LoadRecord& record = file->record;
  if (record.replicas != 1 || record.repetitions.empty() || record.blocks < 1 ||
      record.blocks > std::numeric_limits<int>::max() || record.step_tokens < 1 ||
      record.step_tokens > std::numeric_limits<int>::max() ||
      record.block_tokens != options.block_tokens) {
    return absl::FailedPreconditionError(absl::StrCat(
        options.replay, ": step times are repeated of one replica's run with blocks of ",
        options.block_tokens, " tokens; it has ", record.replicas, " replicas and blocks of ",
        record.block_tokens, ": set --block-tokens to that, or take another file"));
  }
  if (absl::Status status = CheckRepeatable(options, *setup, record); !status.ok()) return status;
  setup->cache_blocks = static_cast<int>(record.blocks);
  setup->scheduler.step_tokens = static_cast<int>(record.step_tokens);
  setup->recorded = std::move(record);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LoadSetup> PrepareLoad(const LoadOptions& options) {
  LoadSetup setup;
  absl::StatusOr<WorkloadOptions> workload = ReadWorkload(options);
  if (!workload.ok()) return workload.status();
  setup.workload = *std::move(workload);
  if (!options.slo.empty()) {
    absl::StatusOr<LoadSlo> slo = ParseSlo(options.slo);
    if (!slo.ok()) return slo.status();
    setup.slo = *std::move(slo);
  }
  if (setup.workload.arrivals.kind == ArrivalKind::kTrace) {
    absl::StatusOr<Trace> trace = ReadTrace(setup.workload.arrivals.path);
    if (!trace.ok()) return trace.status();
    setup.trace = *std::move(trace);
  }
  if (absl::Status status = OpenLoadModel(options, &setup); !status.ok()) return status;
  setup.workload.context = setup.scheduler.context;
  setup.workload.vocab = options.simulate ? kSimulatedVocab : setup.source->config().vocab;
  const absl::Status sized =
      options.replay.empty() ? SizeLoadCache(options, &setup) : ReadRecorded(options, &setup);
  if (!sized.ok()) return sized;
  if (!options.anchors_of.empty()) {
    absl::StatusOr<LoadFile> real = ReadLoadFile(options.anchors_of);
    if (!real.ok()) return real.status();
    setup.real = *std::move(real);
  }
  return setup;
}

absl::StatusOr<LoadWorkload> WorkloadOf(const LoadSetup& setup, int64_t repetition) {
  if (setup.recorded.has_value()) {
    const auto& recorded = setup.recorded->repetitions;
    return LoadWorkload::Replay(recorded[static_cast<size_t>(repetition) % recorded.size()]);
  }
  WorkloadOptions options = setup.workload;
  // The first one is the seed itself, so that a single run is the same however many follow.
  if (repetition > 0) options.seed = MixSeeds(options.seed, static_cast<uint64_t>(repetition));
  return LoadWorkload::Build(options, setup.trace.has_value() ? &*setup.trace : nullptr);
}

LoadRecord DescribeLoad(const LoadOptions& options, const LoadSetup& setup) {
  LoadRecord record;
  record.model = setup.model;
  record.target = !options.simulate            ? "engine"
                  : setup.recorded.has_value() ? "replay"
                                               : "simulation";
  record.weights = std::string(WeightDtypeName(setup.model_options.weights));
  record.kv_dtype = std::string(KvDtypeName(setup.model_options.kv_dtype));
  record.workload = options.arrivals;
  if (setup.trace.has_value()) {
    if (options.time_scale != 1) absl::StrAppend(&record.workload, " x ", options.time_scale);
  } else {
    absl::StrAppend(&record.workload, "; prompts ", options.prompt, "; outputs ", options.output);
  }
  if (options.turns != "1") absl::StrAppend(&record.workload, "; turns ", options.turns);
  if (options.prefix_groups > 0) {
    absl::StrAppend(&record.workload, "; ", options.prefix_groups, " groups with ",
                    options.prefix_tokens, " tokens in common");
  }
  if (setup.recorded.has_value()) record.workload = absl::StrCat("replay of ", options.replay);
  record.policy = {{"max_running", absl::StrCat(setup.scheduler.max_running)},
                   {"step_tokens", absl::StrCat(setup.scheduler.step_tokens)}};
  DescribePolicies(options, &record);
  record.seed = options.seed;
  record.salt = setup.workload.salt;
  record.threads = setup.model_options.threads;
  record.replicas = options.replicas;
  record.step_tokens = setup.scheduler.step_tokens;
  record.block_tokens = options.block_tokens;
  record.blocks = setup.cache_blocks;
  record.block_bytes = setup.scheduler.geometry.BlockBytes();
  record.token_bytes = KvTokenBytes(setup.shape);
  record.article_token_bytes = static_cast<int64_t>(ArticleKvBytes(setup.shape, 1));
  record.unix_seconds = std::chrono::duration_cast<std::chrono::seconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
  return record;
}

}  // namespace plumbline
