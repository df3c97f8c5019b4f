// What `plumbline perplexity` settles before it loads a weight.
#ifndef PLUMBLINE_TOOLS_PERPLEXITY_SETUP_H_
#define PLUMBLINE_TOOLS_PERPLEXITY_SETUP_H_

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model.h"
#include "engine/tensor_source.h"
#include "tools/perplexity.h"

namespace plumbline {

struct PerplexitySetup {
  std::string model;
  std::unique_ptr<TensorSource> source;
  std::vector<int32_t> start;   // what the vocabulary puts before a text: one token or none
  std::vector<int32_t> tokens;  // of the text
  int64_t text_bytes = 0;
  WindowLayout layout;
  NumericTypes reference;
  std::vector<NumericTypes> others;  // what to hold against it, without itself
  std::vector<std::string> left_out;
  ModelOptions model_options;  // but for the numeric types
  // Ends of runs of `others` that fit memory beside the reference together; the last is its size.
  std::vector<size_t> pass_ends;
};

// The errors of RunPerplexity that come before anything runs.
absl::StatusOr<PerplexitySetup> PreparePerplexity(const PerplexityOptions& options,
                                                  std::istream& in);

// Lists by commas, without what is named twice. InvalidArgument names the unknown word and those
// that are known; also for an empty list.
absl::StatusOr<std::vector<WeightDtype>> ParseWeightDtypes(absl::string_view list);
absl::StatusOr<std::vector<KvDtype>> ParseKvDtypes(absl::string_view list);
// "bf16" (f32 cache) or "bf16/f16". Errors as above.
absl::StatusOr<NumericTypes> ParseNumericTypes(absl::string_view text);

// Runs of neighbours that fit memory together.
struct PassCut {
  std::vector<size_t> ends;         // index behind the last of each run
  std::optional<size_t> too_large;  // the first that does not even fit alone; no ends then
};
// As few runs as fit `free_bytes` each, in order. Pure. REQUIRES: no negative size.
PassCut CutPasses(const std::vector<int64_t>& needed_bytes, int64_t free_bytes);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PERPLEXITY_SETUP_H_
