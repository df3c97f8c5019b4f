#include "tools/scale_sweeps.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/synthetic_spec.h"
#include "engine/tensor_source.h"
#include "tools/scale_text.h"

namespace plumbline {
namespace {

constexpr int64_t kFirstLength = 128;
constexpr int64_t kFewestDoublings = 16;  // 2^4: five lengths
constexpr int64_t kSideLength = 512;      // tokens where the sweep varies something else
constexpr int64_t kChunkPrompt = 2048;    // prompt of the sweeps over chunks and blocks
constexpr int64_t kBriefChunkPrompt = 1024;
constexpr int64_t kCounterLength = 4096;  // longest one of a counter-example
constexpr int64_t kBriefCounterLength = 2048;
constexpr double kLayerPasses = 3;  // of a counter-example, in layers
constexpr int kLeastHeadDim = 32, kMostHeadDim = 256;

// Builds the plan of one model: points of the base as it was named, then its variants.
class Planner {
 public:
  Planner(const ScaleSweepOptions& options, std::string model, const ModelConfig& config)
      : options_(options), model_(std::move(model)), config_(config) {
    base_.model = model_;
    base_.block_tokens = options_.block_tokens;
  }

  ScalePlan Build() {
    for (const std::string& group : ScaleSweepGroups()) {
      const auto& wanted = options_.sweeps;
      if (wanted.empty() || std::find(wanted.begin(), wanted.end(), group) != wanted.end()) {
        AddGroup(group);
      }
    }
    if (!without_variants_.empty()) {
      plan_.left_out.push_back(
          absl::StrCat(absl::StrJoin(without_variants_, ", "), " of ", ShortModelName(model_),
                       ": a file has one shape; a synthetic model can have others"));
    }
    if (!base_.points.empty()) plan_.runs.insert(plan_.runs.begin(), std::move(base_));
    return std::move(plan_);
  }

 private:
  int64_t Prompt(int64_t wanted) const {
    return std::min<int64_t>({wanted, options_.max_prompt, config_.context});
  }
  int64_t Context(int64_t wanted) const {
    return std::min<int64_t>({wanted, options_.max_context, config_.context});
  }
  int64_t SidePrompt() const { return Prompt(options_.brief ? kBriefChunkPrompt : kChunkPrompt); }

  CostShape Shape(const ModelConfig& config, int block_tokens) const {
    return CostShape::From(config, options_.weights, options_.kv_dtype, block_tokens);
  }

  ScalePoint Point(ScaleSweep sweep, int64_t tokens) const {
    ScalePoint point;
    point.sweep = sweep;
    point.model = model_;
    point.shape = Shape(config_, options_.block_tokens);
    point.tokens = tokens;
    return point;
  }
  ScalePoint Prefill(ScaleSweep sweep, int64_t tokens, int64_t chunk) const {
    ScalePoint point = Point(sweep, tokens);
    point.chunk = std::min(chunk, tokens);
    return point;
  }
  ScalePoint Decode(ScaleSweep sweep, int64_t tokens, int64_t streams = 1) const {
    ScalePoint point = Point(sweep, tokens);
    point.streams = streams;
    point.filled = true;
    return point;
  }

  void AddGroup(const std::string& group) {
    if (group == "prefill") {
      for (const int64_t n : DoublingLengths(Prompt(options_.max_prompt))) {
        base_.points.push_back(Prefill(ScaleSweep::kPrefill, n, options_.chunk_tokens));
      }
    } else if (group == "decode") {
      for (const int64_t t : DoublingLengths(Context(options_.max_context))) {
        base_.points.push_back(Decode(ScaleSweep::kDecode, t));
      }
    } else if (group == "batch") {
      for (const int64_t streams : {1, 2, 4, 8, 16}) {
        base_.points.push_back(Decode(ScaleSweep::kBatch, Context(kSideLength), streams));
      }
    } else if (group == "chunk") {
      AddChunks();
    } else if (group == "block") {
      AddBlocks();
    } else if (group == "layers") {
      AddVariants(ScaleSweep::kLayers, "layers", LayerCounts());
    } else if (group == "heads") {
      AddVariants(ScaleSweep::kHeads, "heads", HeadCounts());
    } else if (group == "kv_heads") {
      AddVariants(ScaleSweep::kKvHeads, "kv_heads", KvHeadCounts());
    } else {
      AddCounter(group);
    }
  }

  void AddCounter(const std::string& group) {
    const int64_t most = options_.brief ? kBriefCounterLength : kCounterLength;
    std::vector<int64_t> lengths;
    if (group == "no_cache") {
      lengths = DoublingLengths(Prompt(options_.max_no_cache));
    } else if (group == "paged") {
      // Ragged: one sequence is as long as the longest may be, the others are not.
      const int64_t longest = Context(most);
      lengths = {std::max<int64_t>(1, longest / 8), std::max<int64_t>(1, longest / 4),
                 std::max<int64_t>(1, longest / 2), longest};
    } else {
      lengths = DoublingLengths(Prompt(most));
    }
    // A prefill for each token without a cache; elsewhere a few passes over one layer.
    double cost = 0;
    for (const int64_t n : lengths) cost += PointCost(Prefill(ScaleSweep::kNoCache, n, n));
    if (group != "no_cache") cost *= kLayerPasses / static_cast<double>(config_.layers);
    plan_.runs.push_back({model_, options_.block_tokens, {}, group, std::move(lengths), 2 * cost});
  }

  // Small chunks; the usual one and the whole prompt run beside each other as a counter-example.
  void AddChunks() {
    const int64_t n = SidePrompt();
    for (const int64_t chunk : {32, 64, 128, 256}) {
      if (chunk >= options_.chunk_tokens || chunk >= n) continue;
      base_.points.push_back(Prefill(ScaleSweep::kChunk, n, chunk));
    }
    const double cost = 5 * PointCost(Prefill(ScaleSweep::kChunk, n, options_.chunk_tokens));
    plan_.runs.push_back({model_, options_.block_tokens, {}, "chunk", {n}, cost});
  }

  // A block's size is settled when the model loads, so each is a run of its own.
  void AddBlocks() {
    std::set<int> sizes = {4, 256};
    if (!options_.brief) sizes.insert({1, 16, 64});
    sizes.insert(options_.block_tokens);
    for (const int size : sizes) {
      AddPair(ScaleSweep::kBlock, SidePrompt(), {Context(kChunkPrompt)},
              {model_, size, {}, "", {}, 0}, config_);
    }
  }

  // A quarter, half and all of the layers, and one.
  std::vector<int64_t> LayerCounts() const {
    const int64_t layers = config_.layers;
    const std::set<int64_t> counts = {1, std::max<int64_t>(1, layers / 4),
                                      std::max<int64_t>(1, layers / 2), layers};
    return {counts.begin(), counts.end()};
  }

  // As many query heads for a KV head as before, at the same width; heads keep a usual size.
  std::vector<int64_t> HeadCounts() const {
    const int64_t group = config_.heads / config_.kv_heads;
    std::vector<int64_t> counts;
    for (int64_t heads = 1; heads <= config_.width / kLeastHeadDim; ++heads) {
      const int64_t head_dim = config_.width / heads;
      if (config_.width % heads != 0 || heads % group != 0) continue;
      if (head_dim > kMostHeadDim || head_dim % 2 != 0) continue;
      if (config_.heads % heads == 0 || heads % config_.heads == 0) counts.push_back(heads);
    }
    return Thinned(counts, config_.heads);
  }

  // From multi-head over grouped to multi-query.
  std::vector<int64_t> KvHeadCounts() const {
    std::vector<int64_t> counts;
    for (int64_t heads = 1; heads <= config_.heads; ++heads) {
      if (config_.heads % heads == 0) counts.push_back(heads);
    }
    return Thinned(counts, config_.kv_heads);
  }

  // The first, the last, the one in the middle, and `kept`.
  static std::vector<int64_t> Thinned(const std::vector<int64_t>& counts, int64_t kept) {
    if (counts.empty()) return {};
    const std::set<int64_t> few = {counts.front(), counts[counts.size() / 2], counts.back(), kept};
    return {few.begin(), few.end()};
  }

  void AddVariants(ScaleSweep sweep, absl::string_view key, const std::vector<int64_t>& values) {
    if (!IsSyntheticName(model_)) {
      without_variants_.emplace_back(ScaleSweepName(sweep));
      return;
    }
    const int64_t group = config_.heads / config_.kv_heads;
    std::set<int64_t> contexts = {Context(options_.max_context / 2)};
    // Where KV heads are fewer, it is the slope over the context that changes.
    if (sweep == ScaleSweep::kKvHeads) {
      for (const int64_t part : {8, 4}) {
        contexts.insert(Context(std::max<int64_t>(1, options_.max_context / part)));
      }
    }
    for (const int64_t value : values) {
      std::string name = WithKey(model_, key, value);
      if (sweep == ScaleSweep::kHeads) name = WithKey(name, "kv_heads", value / group);
      const absl::StatusOr<SyntheticSpec> spec = ParseSyntheticName(name);
      if (!spec.ok()) {
        plan_.left_out.push_back(absl::StrCat(ScaleSweepName(sweep), " with ", key, "=", value,
                                              " of ", model_, ": ", spec.status().message()));
        continue;
      }
      AddPair(sweep, Prompt(options_.brief ? kSideLength / 2 : kSideLength), contexts,
              {name, options_.block_tokens, {}, "", {}, 0}, spec->config);
    }
  }

  // A prefill and decode steps of a run of its own, or of the base where that is what it is.
  void AddPair(ScaleSweep sweep, int64_t prompt, const std::set<int64_t>& contexts, ScaleRun run,
               const ModelConfig& config) {
    const bool is_base = run.block_tokens == options_.block_tokens &&
                         config.layers == config_.layers && config.heads == config_.heads &&
                         config.kv_heads == config_.kv_heads;
    if (is_base) run.model = model_;
    std::vector<ScalePoint> points = {Prefill(sweep, prompt, options_.chunk_tokens)};
    for (const int64_t context : contexts) points.push_back(Decode(sweep, context));
    for (ScalePoint& point : points) {
      point.model = run.model;
      point.shape = Shape(config, run.block_tokens);
      (is_base ? base_ : run).points.push_back(std::move(point));
    }
    if (!is_base) plan_.runs.push_back(std::move(run));
  }

  const ScaleSweepOptions& options_;
  const std::string model_;
  const ModelConfig& config_;
  ScaleRun base_;
  ScalePlan plan_;
  std::vector<std::string> without_variants_;  // sweeps that a file cannot have
};

}  // namespace

const std::vector<std::string>& ScaleSweepGroups() {
  static const auto* const names = new std::vector<std::string>{
      "prefill", "decode", "batch", "chunk",  "no_cache", "attention", "softmax",
      "ffn",     "paged",  "block", "layers", "heads",    "kv_heads"};
  return *names;
}

std::string WithKey(absl::string_view name, absl::string_view key, int64_t value) {
  const std::string item = absl::StrCat(key, "=", value);
  std::vector<std::string> items = absl::StrSplit(name, ',');
  for (size_t i = 1; i < items.size(); ++i) {
    if (!absl::StartsWith(items[i], absl::StrCat(key, "="))) continue;
    items[i] = item;
    return absl::StrJoin(items, ",");
  }
  items.push_back(item);
  return absl::StrJoin(items, ",");
}

std::vector<int64_t> DoublingLengths(int64_t max) {
  int64_t length = std::max<int64_t>(1, std::min(kFirstLength, max / kFewestDoublings));
  std::vector<int64_t> lengths;
  for (; length < max && length <= max - max / 4; length *= 2) lengths.push_back(length);
  lengths.push_back(max);
  return lengths;
}

absl::StatusOr<ScalePlan> PlanScale(const ScaleSweepOptions& options, const std::string& model,
                                    const ModelConfig& config) {
  const std::vector<std::string>& groups = ScaleSweepGroups();
  for (const std::string& name : options.sweeps) {
    if (std::find(groups.begin(), groups.end(), name) != groups.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is no sweep: use some of ", absl::StrJoin(groups, ", ")));
  }
  return Planner(options, model, config).Build();
}

}  // namespace plumbline
