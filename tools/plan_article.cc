#include "tools/plan_article.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formula.h"
#include "engine/parallel.h"
#include "engine/tensor_source.h"
#include "nlohmann/json.hpp"
#include "tools/byte_size.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr double kGb = 1e9;

struct Gpu {
  const char* name;
  int64_t memory_gb;
};
constexpr std::array<Gpu, 4> kGpus = {
    {{"RTX 3090", 24}, {"A100 40GB", 40}, {"A100 80GB", 80}, {"H100 80GB", 80}}};

absl::StatusOr<int64_t> MaxSequence(const ModelConfig& config, int64_t memory_bytes, int layers) {
  const std::array<Argument, 5> arguments = {{{"gpu_gb", {static_cast<double>(memory_bytes) / kGb}},
                                              {"safety", {kArticleSafety}},
                                              {"h", {static_cast<double>(config.heads)}},
                                              {"L", {static_cast<double>(layers)}},
                                              {"B", {1.0}}}};
  const absl::StatusOr<Bounded> tokens = EvaluateFormula("A1_MAX_SEQ", arguments);
  if (!tokens.ok()) return tokens.status();
  return static_cast<int64_t>(tokens->value);
}

absl::StatusOr<MemoryShape> ShapeFor(const PlanOptions& options) {
  const std::string model = options.model.empty() ? "synthetic:gpt2-small" : options.model;
  const auto source = OpenModel(model);
  if (!source.ok()) return source.status();
  MemoryShape shape;
  shape.config = (*source)->config();
  // The article's bytes: 2 for an element of anything.
  shape.weights = WeightDtype::kBf16;
  shape.kv_dtype = KvDtype::kF16;
  shape.block_tokens = options.block_tokens;
  shape.chunk_tokens = options.chunk_tokens;
  shape.threads = UsableThreads(options.threads > 0 ? options.threads : 1);
  // Compiled matmuls are left out: they are some MB on this machine, and there would be others on
  // that one. The layout is the one with padding.
  shape.matmul.blocked = true;
  const absl::Status status = CheckPlan(shape, 1, 1);
  if (!status.ok()) return status;
  return shape;
}

std::string ArticleTable(const MemoryShape& shape, const std::vector<ArticleRow>& rows) {
  Table table({"Longest, tokens", "memory", "all layers", "one layer", "no scores", "this engine"});
  for (const ArticleRow& row : rows) {
    table.AddRow({Cell::Text(absl::StrCat("  ", row.name)),
                  Cell::Text(FormatSi(static_cast<double>(row.memory_bytes)) + "B"),
                  Cell::Count(row.all_layers), Cell::Count(row.one_layer),
                  Cell::Count(row.cache_bound), Cell::Count(row.engine)});
  }
  const ModelConfig& c = shape.config;
  return absl::StrCat(
      CutText(Printable(c.name), 60), ": ", c.layers, " layers, ", c.heads, " heads, ", c.kv_heads,
      " KV heads\n\n", table.ToString(), "\n",
      WrapText("all layers: the article's own table (A1_MAX_SEQ), which keeps the square of scores "
               "of every layer and head, as in training."),
      WrapText("one layer: the same formula with the scores of one layer live, as when layers run "
               "one after another (L = 1)."),
      WrapText(absl::StrCat("no scores: scores live in a tile and are never stored, so the cache "
                            "is the bound: the same share holds ",
                            FormatCount(2 * int64_t{c.layers} * c.kv_width() * 2),
                            " bytes of f16 keys and values for each token, in blocks of ",
                            shape.block_tokens, ".")),
      WrapText("this engine: the whole memory, for bf16 weights, scratch and an f16 cache, in "
               "closed form; what memory allows, whatever the model's own context is."),
      WrapText("Conventions: GB is 1e9 bytes; an element has 2 bytes; the first three use 70% of "
               "the memory, and nothing but scores or cache is in it; one sequence."));
}

std::string ArticleJson(const MemoryShape& shape, const std::vector<ArticleRow>& rows) {
  nlohmann::ordered_json json;
  json["model"] = shape.config.name;
  json["safety"] = kArticleSafety;
  json["element_bytes"] = 2;
  for (const ArticleRow& row : rows) {
    json["rows"].push_back({{"name", row.name},
                            {"memory_bytes", row.memory_bytes},
                            {"all_layers_tokens", row.all_layers},
                            {"one_layer_tokens", row.one_layer},
                            {"no_scores_tokens", row.cache_bound},
                            {"engine_tokens", row.engine}});
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::StatusOr<ArticleRow> LongestSequences(const MemoryShape& shape, const std::string& name,
                                            int64_t memory_bytes) {
  const absl::StatusOr<int64_t> all = MaxSequence(shape.config, memory_bytes, shape.config.layers);
  if (!all.ok()) return all.status();
  const absl::StatusOr<int64_t> one = MaxSequence(shape.config, memory_bytes, 1);
  if (!one.ok()) return one.status();
  const KvGeometry geometry = shape.config.CacheGeometry(shape.kv_dtype, shape.block_tokens);
  const auto share = static_cast<int64_t>(kArticleSafety * static_cast<double>(memory_bytes));
  ArticleRow row;
  row.name = name;
  row.memory_bytes = memory_bytes;
  row.all_layers = *all;
  row.one_layer = *one;
  row.cache_bound = share / geometry.BlockBytes() * geometry.block_tokens;
  row.engine = LargestContext(shape, memory_bytes, 1);
  return row;
}

absl::StatusOr<std::vector<ArticleRow>> ArticleRows(const MemoryShape& shape, int64_t wish_bytes) {
  std::vector<std::pair<std::string, int64_t>> memories;
  memories.reserve(kGpus.size() + 1);
  for (const Gpu& gpu : kGpus) {
    memories.emplace_back(gpu.name, gpu.memory_gb * static_cast<int64_t>(kGb));
  }
  if (wish_bytes > 0) memories.emplace_back("--memory", wish_bytes);
  std::vector<ArticleRow> rows;
  for (const auto& [name, bytes] : memories) {
    absl::StatusOr<ArticleRow> row = LongestSequences(shape, name, bytes);
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  }
  return rows;
}

absl::StatusOr<std::string> ArticleText(const PlanOptions& options) {
  const absl::StatusOr<MemoryShape> shape = ShapeFor(options);
  if (!shape.ok()) return shape.status();
  int64_t wish = 0;
  if (!options.memory.empty()) {
    const absl::StatusOr<int64_t> bytes = ParseByteSize(options.memory);
    if (!bytes.ok()) return bytes.status();
    wish = *bytes;
  }
  const absl::StatusOr<std::vector<ArticleRow>> rows = ArticleRows(*shape, wish);
  if (!rows.ok()) return rows.status();
  return options.json ? ArticleJson(*shape, *rows) : ArticleTable(*shape, *rows);
}

}  // namespace plumbline
