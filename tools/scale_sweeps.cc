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

namespace plumbline {
namespace {

constexpr int64_t kFirstLength = 128;
constexpr int64_t kFewestDoublings = 16;  // 2^4: five lengths
constexpr int64_t kSideLength = 512;      // tokens where the sweep varies something else
constexpr int64_t kChunkPrompt = 2048;    // prompt of the sweeps over chunks and blocks
constexpr int64_t kBriefChunkPrompt = 1024;
constexpr int kLeastHeadDim = 32, kMostHeadDim = 256;
constexpr double kMacsPerByte = 4;  // products a machine makes while it reads a byte, roughly

// The groups by name, and the sweeps that each stands for.
struct Group {
  absl::string_view name;
  std::vector<ScaleSweep> sweeps;
};

const std::vector<Group>& Groups() {
  using S = ScaleSweep;
  static const auto* const groups = new std::vector<Group>{
      {"prefill", {S::kPrefill}},
      {"decode", {S::kDecode}},
      {"batch", {S::kBatch}},
      {"chunk", {S::kChunk}},
      {"block", {S::kBlock}},
      {"layers", {S::kLayers}},
      {"heads", {S::kHeads}},
      {"kv_heads", {S::kKvHeads}},
      {"no_cache", {S::kNoCache}},
      {"attention", {S::kStoredFull, S::kStoredCausal, S::kTiled}},
      {"softmax", {S::kFusedSoftmax, S::kUnfusedSoftmax}},
      {"ffn", {S::kFusedFfn, S::kUnfusedFfn}},
      {"paged", {S::kPaged, S::kContiguous}},
  };
  return *groups;
}

// Builds the plan of one model: points of the base as it was named, then its variants.
class Planner {
 public:
  Planner(const ScaleSweepOptions& options, std::string model, const ModelConfig& config)
      : options_(options), model_(std::move(model)), config_(config) {
    base_.model = model_;
    base_.block_tokens = options_.block_tokens;
  }

  ScalePlan Build(const std::set<ScaleSweep>& wanted) {
    for (const Group& group : Groups()) {
      for (const ScaleSweep sweep : group.sweeps) {
        if (wanted.count(sweep) > 0) AddSweep(sweep);
      }
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
  int64_t SidePrompt() const {
    return Prompt(options_.brief ? kBriefChunkPrompt : kChunkPrompt);
  }

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

  void AddSweep(ScaleSweep sweep) {
    switch (sweep) {
      case ScaleSweep::kPrefill:
        for (const int64_t n : DoublingLengths(Prompt(options_.max_prompt))) {
          base_.points.push_back(Prefill(sweep, n, options_.chunk_tokens));
        }
        return;
      case ScaleSweep::kDecode:
        for (const int64_t t : DoublingLengths(Context(options_.max_context))) {
          base_.points.push_back(Decode(sweep, t));
        }
        return;
      case ScaleSweep::kBatch:
        for (const int64_t streams : {1, 2, 4, 8, 16}) {
          base_.points.push_back(Decode(sweep, Context(kSideLength), streams));
        }
        return;
      case ScaleSweep::kChunk:
        return AddChunks();
      case ScaleSweep::kBlock:
        return AddBlocks();
      case ScaleSweep::kLayers:
        return AddVariants(sweep, "layers", LayerCounts());
      case ScaleSweep::kHeads:
        return AddVariants(sweep, "heads", HeadCounts());
      case ScaleSweep::kKvHeads:
        return AddVariants(sweep, "kv_heads", KvHeadCounts());
      case ScaleSweep::kNoCache:
        for (const int64_t t : DoublingLengths(Prompt(options_.max_no_cache))) {
          base_.points.push_back(Prefill(sweep, t, options_.chunk_tokens));
        }
        return;
      default:
        return AddCounterExample(sweep);
    }
  }

  void AddCounterExample(ScaleSweep /*sweep*/) {}

  void AddChunks() {
    const int64_t n = SidePrompt();
    std::set<int64_t> chunks = {n};  // whole
    for (const int64_t chunk : {32, 128, 512}) chunks.insert(std::min(chunk, n));
    for (const int64_t chunk : chunks) {
      base_.points.push_back(Prefill(ScaleSweep::kChunk, n, chunk));
    }
  }

  // A block's size is settled when the model loads, so each is a run of its own.
  void AddBlocks() {
    std::set<int> sizes = {1, 16, 256};
    if (!options_.brief) sizes.insert({4, 64});
    for (const int size : sizes) {
      ScaleRun run{model_, size, {Prefill(ScaleSweep::kBlock, SidePrompt(), options_.chunk_tokens),
                                  Decode(ScaleSweep::kBlock, Context(kChunkPrompt))}};
      for (ScalePoint& point : run.points) point.shape = Shape(config_, size);
      plan_.runs.push_back(std::move(run));
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
      if (config_.width % heads != 0 || heads % group != 0) continue;
      if (config_.width / heads > kMostHeadDim || config_.width / heads % 2 != 0) continue;
      const bool power = config_.heads % heads == 0 || heads % config_.heads == 0;
      if (power) counts.push_back(heads);
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
      plan_.left_out.push_back(
          absl::StrCat(ScaleSweepName(sweep), " of ", model_,
                       ": a file has one shape; a synthetic model can have others"));
      return;
    }
    const int64_t group = config_.heads / config_.kv_heads;
    for (const int64_t value : values) {
      std::string name = WithKey(model_, key, value);
      if (sweep == ScaleSweep::kHeads) name = WithKey(name, "kv_heads", value / group);
      const absl::StatusOr<SyntheticSpec> spec = ParseSyntheticName(name);
      if (!spec.ok()) {
        plan_.left_out.push_back(
            absl::StrCat(ScaleSweepName(sweep), " with ", key, "=", value, " of ", model_, ": ",
                         spec.status().message()));
        continue;
      }
      AddVariant(sweep, name, spec->config);
    }
  }

  void AddVariant(ScaleSweep sweep, const std::string& name, const ModelConfig& config) {
    ScaleRun run{name, options_.block_tokens,
                 {Prefill(sweep, Prompt(kSideLength), options_.chunk_tokens),
                  Decode(sweep, Context(options_.max_context / 2))}};
    for (ScalePoint& point : run.points) {
      point.model = name;
      point.shape = Shape(config, options_.block_tokens);
    }
    plan_.runs.push_back(std::move(run));
  }

  const ScaleSweepOptions& options_;
  const std::string model_;
  const ModelConfig& config_;
  ScaleRun base_;
  ScalePlan plan_;
};

}  // namespace

const std::vector<std::string>& ScaleSweepGroups() {
  static const auto* const names = [] {
    auto* list = new std::vector<std::string>;
    for (const Group& group : Groups()) list->emplace_back(group.name);
    return list;
  }();
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
  for (; length <= max - max / 4; length *= 2) lengths.push_back(length);
  lengths.push_back(max);
  return lengths;
}

absl::StatusOr<ScalePlan> PlanScale(const ScaleSweepOptions& options, const std::string& model,
                                    const ModelConfig& config) {
  std::set<ScaleSweep> wanted;
  for (const std::string& name : options.sweeps) {
    const auto group = std::find_if(Groups().begin(), Groups().end(),
                                    [&](const Group& g) { return g.name == name; });
    if (group == Groups().end()) {
      return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no sweep: use some of ",
                                                     absl::StrJoin(ScaleSweepGroups(), ", ")));
    }
    wanted.insert(group->sweeps.begin(), group->sweeps.end());
  }
  if (options.sweeps.empty()) {
    for (const Group& group : Groups()) wanted.insert(group.sweeps.begin(), group.sweeps.end());
  }
  return Planner(options, model, config).Build(wanted);
}

std::vector<std::vector<SpanShape>> PointSteps(const ScalePoint& point) {
  std::vector<std::vector<SpanShape>> steps;
  if (point.chunk == 0) {
    steps.emplace_back(static_cast<size_t>(point.streams), SpanShape{point.tokens - 1, 1, 1});
    return steps;
  }
  for (int64_t first = 0; first < point.tokens; first += point.chunk) {
    const int64_t count = std::min(point.chunk, point.tokens - first);
    const int64_t logit_rows = first + count == point.tokens ? 1 : 0;
    steps.emplace_back(static_cast<size_t>(point.streams), SpanShape{first, count, logit_rows});
  }
  return steps;
}

int64_t PointCacheTokens(const ScalePoint& point) {
  const int64_t block = point.shape.block_tokens;
  return point.streams * ((point.tokens + block - 1) / block * block);
}

double PointCost(const ScalePoint& point) {
  double cost = 0;
  for (const std::vector<SpanShape>& step : PointSteps(point)) {
    for (const SpanShape& span : step) {
      cost += static_cast<double>(SpanMacs(point.shape, span).TotalExecuted());
    }
    cost += kMacsPerByte * static_cast<double>(Total(StepBytes(point.shape, step)));
  }
  return cost;
}

}  // namespace plumbline
