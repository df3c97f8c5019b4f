#include "tools/generate_setup.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "engine/weights.h"
#include "tools/numeric_options.h"
#include "tools/table.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int64_t kMib = int64_t{1} << 20;

absl::StatusOr<std::vector<std::string>> CollectPrompts(const GenerateOptions& options) {
  std::vector<std::string> prompts = options.prompts;
  if (options.prompt_file.empty()) return prompts;
  std::ifstream in(options.prompt_file, std::ios::binary);
  if (!in) {
    return absl::NotFoundError(absl::StrCat("prompt file ", options.prompt_file,
                                            " cannot be read: check its name and permissions"));
  }
  std::vector<std::string> lines = ReadPromptLines(in);
  if (in.bad()) {
    return absl::DataLossError(absl::StrCat("prompt file ", options.prompt_file,
                                            " cannot be read to its end: is it a regular file?"));
  }
  if (lines.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt file ", options.prompt_file, " has no prompt: write one per line"));
  }
  std::move(lines.begin(), lines.end(), std::back_inserter(prompts));
  return prompts;
}

absl::Status EncodePrompts(GenerateSetup& setup) {
  for (size_t i = 0; i < setup.prompts.size(); ++i) {
    absl::StatusOr<std::vector<int32_t>> ids = setup.tokenizer->Encode(setup.prompts[i], {});
    if (!ids.ok()) {
      return absl::Status(ids.status().code(),
                          absl::StrCat("prompt ", i + 1, ": ", ids.status().message()));
    }
    if (ids->empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt ", i + 1,
                       " is empty, and this vocabulary starts no text by itself; at least 1 token "
                       "is needed: give some text"));
    }
    setup.prompt_ids.push_back(*std::move(ids));
  }
  return absl::OkStatus();
}

// Positions of a request that are ever stored: the last output token is never fed back.
int64_t StoredTokens(const CacheBudget& budget, int64_t prompt) {
  return std::min(budget.context, prompt + budget.max_new_tokens - 1);
}

absl::Status CheckFits(const CacheBudget& budget, absl::Span<const int64_t> prompt_tokens,
                       int64_t blocks, absl::string_view fix) {
  const int64_t block_bytes = budget.geometry.BlockBytes();
  for (size_t i = 0; i < prompt_tokens.size(); ++i) {
    const int64_t needed = budget.geometry.BlocksFor(prompt_tokens[i]);
    if (needed <= blocks) continue;
    return absl::ResourceExhaustedError(absl::StrCat(
        "prompt ", i + 1, ": its ", prompt_tokens[i], " tokens need ", needed, " cache blocks of ",
        budget.geometry.block_tokens, " tokens (", FormatBytes(needed * block_bytes), "), and ",
        blocks, " blocks (", FormatBytes(blocks * block_bytes), ") is what there is: ", fix));
  }
  return absl::OkStatus();
}

// The blocks that the options ask for by number or by size.
absl::StatusOr<int64_t> WantedBlocks(const CacheBudget& budget) {
  const int64_t block_bytes = budget.geometry.BlockBytes();
  const bool by_size = budget.cache_mib.has_value();
  const int64_t blocks =
      by_size ? *budget.cache_mib * kMib / block_bytes : budget.cache_blocks.value_or(0);
  if (blocks > std::numeric_limits<int>::max()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the cache would have ", blocks, " blocks and can have ", std::numeric_limits<int>::max(),
        ": lower --cache-mib or --cache-blocks, or raise --block-tokens"));
  }
  // Divided, because the product may not fit.
  if (blocks > budget.free_bytes / block_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the cache of ", blocks, " blocks needs ",
        FormatSi(static_cast<double>(blocks) * static_cast<double>(block_bytes)), "B, and ",
        FormatBytes(budget.free_bytes), " are free beside the weights: lower ",
        by_size ? "--cache-mib" : "--cache-blocks"));
  }
  return blocks;
}

// No step is longer than all that the requests can ever hold, so nor need be the scratch.
void SizeSteps(const GenerateOptions& options, const CacheBudget& budget,
               absl::Span<const int64_t> prompt_tokens, ModelOptions& model) {
  int64_t tokens = 0;
  for (const int64_t prompt : prompt_tokens) {
    tokens += budget.samples * StoredTokens(budget, prompt);
  }
  const auto requests = budget.samples * static_cast<int64_t>(prompt_tokens.size());
  model.max_step_tokens = static_cast<int>(std::min<int64_t>(options.chunk_tokens, tokens));
  model.max_step_spans =
      static_cast<int>(std::min<int64_t>({requests, 256, model.max_step_tokens}));
  model.max_logit_rows = model.max_step_spans;
}

}  // namespace

absl::StatusOr<int64_t> FreeBesideWeights(const ModelConfig& config, WeightDtype weights) {
  const Machine machine = DetectMachine();
  const int64_t needed = WeightBytesNeeded(config, weights);
  if (machine.free_memory_bytes == 0) return std::numeric_limits<int64_t>::max();  // not known
  if (needed <= machine.free_memory_bytes) return machine.free_memory_bytes - needed;
  return absl::ResourceExhaustedError(
      absl::StrCat("the weights need ", FormatBytes(needed), " as ", WeightDtypeName(weights),
                   ", and ", FormatBytes(machine.free_memory_bytes), " are free (",
                   machine.memory_limit, "): free some memory, or run a smaller model",
                   weights == WeightDtype::kF32    ? " or --weights bf16, int8 or q4"
                   : weights == WeightDtype::kBf16 ? " or --weights int8 or q4"
                   : weights == WeightDtype::kInt8 ? " or --weights q4"
                                                   : ""));
}

std::vector<std::string> ReadPromptLines(std::istream& in) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t\r\v\f") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

absl::StatusOr<int> ChooseCacheBlocks(const CacheBudget& budget,
                                      absl::Span<const int64_t> prompt_tokens) {
  int64_t all = 0;
  for (size_t i = 0; i < prompt_tokens.size(); ++i) {
    if (prompt_tokens[i] > budget.context) {
      return absl::InvalidArgumentError(absl::StrCat("prompt ", i + 1, ": its ", prompt_tokens[i],
                                                     " tokens do not fit the model's context of ",
                                                     budget.context,
                                                     " tokens: shorten the prompt"));
    }
    // The last token of a prompt is computed by each sample.
    const int64_t shared = (prompt_tokens[i] - 1) / budget.geometry.block_tokens;
    const int64_t own = budget.geometry.BlocksFor(StoredTokens(budget, prompt_tokens[i])) - shared;
    all += shared + budget.samples * own;
  }
  if (budget.cache_mib || budget.cache_blocks) {
    const absl::StatusOr<int64_t> wanted = WantedBlocks(budget);
    if (!wanted.ok()) return wanted.status();
    const absl::Status fits =
        CheckFits(budget, prompt_tokens, *wanted,
                  budget.cache_mib ? "raise --cache-mib, or shorten the prompt"
                                   : "raise --cache-blocks, or shorten the prompt");
    if (!fits.ok()) return fits;
    return static_cast<int>(*wanted);
  }
  const int64_t possible = std::min<int64_t>(budget.free_bytes / budget.geometry.BlockBytes(),
                                             std::numeric_limits<int>::max());
  const absl::Status fits =
      CheckFits(budget, prompt_tokens, possible,
                "free some memory, take a smaller --kv-dtype, or shorten the prompt");
  if (!fits.ok()) return fits;
  return static_cast<int>(std::min(all, possible));
}

absl::StatusOr<GenerateSetup> PrepareGenerate(const GenerateOptions& options) {
  GenerateSetup setup;
  absl::StatusOr<std::vector<std::string>> prompts = CollectPrompts(options);
  if (!prompts.ok()) return prompts.status();
  setup.prompts = *std::move(prompts);
  absl::StatusOr<NamedSource> model = OpenModelOrToy(options.model);
  if (!model.ok()) return model.status();
  setup.model = std::move(model->model);
  setup.source = std::move(model->source);
  auto tokenizer = setup.source->MakeTokenizer();
  if (!tokenizer.ok()) return tokenizer.status();
  setup.tokenizer = *std::move(tokenizer);
  if (absl::Status status = EncodePrompts(setup); !status.ok()) return status;

  const ModelConfig& config = setup.source->config();
  ModelOptions& model_options = setup.model_options;
  const NumericTypes types = ChooseNumericTypes(options.weights, options.kv_dtype);
  model_options.weights = types.weights;
  model_options.kv_dtype = types.kv_dtype;
  model_options.block_tokens = options.block_tokens;
  model_options.threads = options.threads > 0 ? options.threads : DetectMachine().cores;
  setup.geometry = config.CacheGeometry(model_options.kv_dtype, options.block_tokens);
  if (absl::Status status = setup.geometry.Validate(); !status.ok()) return status;

  CacheBudget budget{
      setup.geometry,    config.context,      options.max_new_tokens, options.samples, 0,
      options.cache_mib, options.cache_blocks};
  const absl::StatusOr<int64_t> free = FreeBesideWeights(config, model_options.weights);
  if (!free.ok()) return free.status();
  budget.free_bytes = *free;
  std::vector<int64_t> tokens;
  for (const auto& ids : setup.prompt_ids) tokens.push_back(static_cast<int64_t>(ids.size()));
  const absl::StatusOr<int> blocks = ChooseCacheBlocks(budget, tokens);
  if (!blocks.ok()) return blocks.status();
  setup.cache_blocks = *blocks;
  const absl::StatusOr<int> swap =
      ChooseSwapBlocks(options.preempt, budget.geometry.BlockBytes(), budget.free_bytes, *blocks);
  if (!swap.ok()) return swap.status();
  setup.swap_blocks = *swap;
  SizeSteps(options, budget, tokens, model_options);
  return setup;
}

}  // namespace plumbline
