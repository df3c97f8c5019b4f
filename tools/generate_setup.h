// What `plumbline generate` settles before it loads a weight: the prompts, the numeric types and
// the size of the cache.
#ifndef PLUMBLINE_TOOLS_GENERATE_SETUP_H_
#define PLUMBLINE_TOOLS_GENERATE_SETUP_H_

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model.h"
#include "engine/tensor_source.h"
#include "tools/generate.h"

namespace plumbline {

struct GenerateSetup {
  std::string model;
  std::unique_ptr<TensorSource> source;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<std::string> prompts;
  std::vector<std::vector<int32_t>> prompt_ids;  // [prompts], none empty
  ModelOptions model_options;
  KvGeometry geometry;
  int cache_blocks = 0;
  int swap_blocks = 0;  // of host memory
};

// The errors of RunGenerate that come before anything runs.
absl::StatusOr<GenerateSetup> PrepareGenerate(const GenerateOptions& options);

// Memory of this machine that is free beside the model's weights; ResourceExhausted where these do
// not fit.
absl::StatusOr<int64_t> FreeBesideWeights(const ModelConfig& config, WeightDtype weights);

// One prompt per line; a carriage return before the newline is not part of it, and lines of
// nothing but blanks are left out.
std::vector<std::string> ReadPromptLines(std::istream& in);

// What bounds the cache.
struct CacheBudget {
  KvGeometry geometry;
  int64_t context = 0;         // of the model
  int64_t max_new_tokens = 0;  // as asked for
  int64_t samples = 1;         // of each prompt; they share its full blocks
  int64_t free_bytes = 0;      // memory left beside the weights
  std::optional<int64_t> cache_mib;
  std::optional<int64_t> cache_blocks;
};

// Blocks for prompts of these many tokens: as the budget says, or just enough for all requests at
// once as far as memory goes. InvalidArgument for a prompt longer than the context;
// ResourceExhausted where a prompt does not fit the cache, or the cache the memory.
absl::StatusOr<int> ChooseCacheBlocks(const CacheBudget& budget,
                                      absl::Span<const int64_t> prompt_tokens);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_GENERATE_SETUP_H_
