// The steps that predictions are held against.
#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/synthetic_spec.h"
#include "tools/step_rig.h"
#include "tools/table.h"
#include "tools/validate.h"

namespace plumbline {
namespace {

constexpr std::array<int64_t, 4> kBatches = {1, 4, 16, 32};
constexpr std::array<int64_t, 5> kContexts = {16, 256, 1024, 4096, 16384};
constexpr int64_t kChunk = 512;
constexpr std::array<int64_t, 3> kDepths = {0, 3584, 15872};  // positions before the chunk
constexpr std::array<int64_t, 2> kShortChunks = {48, 200};    // not whole calls
// Decode streams of a busy server with short answers, not whole turns of matrix units; and with a
// prompt that has come.
constexpr std::array<int64_t, 2> kBusyBatches = {20, 40};
constexpr int64_t kBusyContext = 150;
constexpr int64_t kBusyPrompt = 100;
// Other decode streams of a step with a prompt chunk.
constexpr std::array<int64_t, 2> kMixedStreams = {3, 24};
constexpr int64_t kMixedContext = 1024;
constexpr int64_t kMixedChunk = 256;

constexpr const char* kTenMillion =
    "synthetic:llama-160m,width=256,layers=8,heads=4,kv_heads=2,ffn=1024,vocab=8192";

std::vector<GridModel> GridModels() {
  constexpr auto kF32 = WeightDtype::kF32;
  constexpr auto kBf16 = WeightDtype::kBf16;
  std::vector<GridModel> models = {
      {kTenMillion, kF32, KvDtype::kF32, true},
      {kTenMillion, kBf16, KvDtype::kBf16, false},
      {"synthetic:llama-160m", kF32, KvDtype::kF32, false},
      {"synthetic:llama-160m", kBf16, KvDtype::kBf16, false},
      {"synthetic:llama-160m,kv_heads=4", kF32, KvDtype::kF32, false},
      {"synthetic:llama-160m,kv_heads=4", kBf16, KvDtype::kBf16, true},
      {"synthetic:llama-160m,kv_heads=4", kF32, KvDtype::kF16, false},
      {"synthetic:llama-160m,kv_heads=4", kBf16, KvDtype::kInt8, false},
      {"synthetic:llama-160m,kv_heads=1", kF32, KvDtype::kF32, false},
      {"synthetic:llama-160m,kv_heads=1", kBf16, KvDtype::kBf16, false},
      {"synthetic:gpt2-small", kF32, KvDtype::kF32, true},
      {"synthetic:gpt2-small", kBf16, KvDtype::kF16, false},
      {"synthetic:gpt2-medium", kF32, KvDtype::kF32, false},
      {"synthetic:gpt2-medium", kBf16, KvDtype::kBf16, false},
      {"synthetic:tinyllama-1.1b", kF32, KvDtype::kF32, false},
      {"synthetic:tinyllama-1.1b", kBf16, KvDtype::kBf16, false},
  };
  return models;
}

std::string ModelLabel(const GridModel& model) {
  const absl::string_view name =
      model.model == kTenMillion ? "llama-10m" : absl::StripPrefix(model.model, kSyntheticPrefix);
  return absl::StrCat(name, " ", WeightDtypeName(model.weights), "/", KvDtypeName(model.kv_dtype));
}

std::vector<SpanShape> DecodeSpans(int64_t streams, int64_t context) {
  return std::vector<SpanShape>(streams, SpanShape{context - 1, 1, 1});
}

// Adds the points of one model.
class PointAdder {
 public:
  PointAdder(int model, const std::string& label, const std::string& only, Grid* grid)
      : model_(model), label_(label), only_(only), grid_(*grid) {}

  void Add(StepKind kind, const std::string& what, std::vector<SpanShape> spans) {
    const std::string name = absl::StrCat(label_, " ", StepKindName(kind), " ", what);
    if (!absl::StrContains(name, only_)) return;
    grid_.points.push_back({model_, kind, std::move(spans), name, IsHeldOut(name)});
  }

 private:
  const int model_;
  const std::string label_;
  const std::string only_;
  Grid& grid_;
};

void AddPoints(PointAdder& adder) {
  for (const int64_t batch : kBatches) {
    for (const int64_t context : kContexts) {
      adder.Add(StepKind::kDecode, absl::StrCat(batch, " x ", FormatCount(context)),
                DecodeSpans(batch, context));
    }
  }
  for (const int64_t batch : kBusyBatches) {
    std::vector<SpanShape> spans = DecodeSpans(batch, kBusyContext);
    adder.Add(StepKind::kDecode, absl::StrCat(batch, " x ", kBusyContext), spans);
    spans.push_back({0, kBusyPrompt, 1});
    adder.Add(StepKind::kMixed, absl::StrCat(batch, " x ", kBusyContext, " + ", kBusyPrompt),
              std::move(spans));
  }
  for (const int64_t depth : kDepths) {
    adder.Add(StepKind::kChunk, absl::StrCat(kChunk, " at ", FormatCount(depth)),
              {{depth, kChunk, 1}});
  }
  for (const int64_t chunk : kShortChunks) {
    adder.Add(StepKind::kChunk, absl::StrCat(chunk, " at 0"), {{0, chunk, 1}});
  }
  for (const int64_t streams : kMixedStreams) {
    std::vector<SpanShape> spans = DecodeSpans(streams, kMixedContext);
    spans.push_back({0, kMixedChunk, 0});
    adder.Add(StepKind::kMixed,
              absl::StrCat(streams, " x ", FormatCount(kMixedContext), " + ", kMixedChunk),
              std::move(spans));
  }
}

}  // namespace

absl::string_view StepKindName(StepKind kind) {
  switch (kind) {
    case StepKind::kDecode:
      return "decode";
    case StepKind::kChunk:
      return "chunk";
    case StepKind::kMixed:
      return "mixed";
  }
  return "unknown";
}

int64_t GridPoint::cache_tokens(int block_tokens) const { return CacheTokens(spans, block_tokens); }

bool IsHeldOut(absl::string_view name) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  // The lowest bit alone would be the parity of the letters.
  return (hash >> 32) % 2 == 1;
}

Grid MakeGrid(bool quick, const std::string& only) {
  Grid grid;
  for (const GridModel& model : GridModels()) {
    if (quick && !model.quick) continue;
    const int index = static_cast<int>(grid.models.size());
    PointAdder adder(index, ModelLabel(model), only, &grid);
    const size_t before = grid.points.size();
    AddPoints(adder);
    if (grid.points.size() > before) grid.models.push_back(model);
  }
  return grid;
}

}  // namespace plumbline
