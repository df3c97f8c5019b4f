// `plumbline perplexity`: how well a model predicts a text, and how far its numeric types move it
// from a reference.
#ifndef PLUMBLINE_TOOLS_PERPLEXITY_H_
#define PLUMBLINE_TOOLS_PERPLEXITY_H_

#include <cstdint>
#include <istream>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/numeric_options.h"
#include "tools/perplexity_run.h"
#include "tools/perplexity_score.h"
#include "tools/perplexity_windows.h"

namespace plumbline {

struct PerplexityOptions {
  std::string model;            // empty: the toy model
  std::string text_file;        // "-": standard input
  std::string against = "f32";  // the reference: weights, or weights/cache; its cache is else f32
  std::string weights;          // list, by commas; empty: all that run here
  std::string kv_dtype;         // the same of the cache
  int64_t context = 0;          // positions of a window; 0: the model's context
  int64_t stride = 0;           // 0: half the context
  int chunk_tokens = 512;
  int threads = 0;  // 0: all cores this process may use
  bool json = false;
};

// One line of the table. No summary: Ctrl-C came before its first window was done.
struct PerplexityRow {
  NumericTypes types;
  std::optional<PerplexitySummary> summary;
};

struct PerplexityResult {
  std::string model;
  std::string name;
  std::string architecture;
  std::string text_name;
  int64_t text_bytes = 0;
  WindowLayout layout;
  int threads = 1;
  int64_t chunk_tokens = 0;
  int64_t logit_bytes = 0;  // of one step of one model: rows x vocab x 4
  int64_t passes = 1;       // over the text, the reference in each
  PerplexityRow reference;
  std::vector<PerplexityRow> rows;    // without the reference
  std::vector<std::string> left_out;  // sentences: what does not run here
  CountAgreement agreement;
  double seconds = 0;  // of the passes, without loading
  bool interrupted = false;
};

std::string PerplexityReport(const PerplexityResult& result);
std::string PerplexityJson(const PerplexityResult& result);

// Reads the text from its file, or from `in`, runs every configuration asked for beside the
// reference, and writes the table or the JSON object to `out`.
//
// InvalidArgument for unknown dtypes, windows that do not fit the model's context or the text
// (perplexity_windows.h), or a text over 64 MiB; ResourceExhausted, with the numbers, where the
// reference and one more model do not fit free memory; FailedPrecondition for weights asked for
// that do not run here; Cancelled after Ctrl-C, with what there is written; DataLoss where the
// text cannot be read, the output cannot be written or logits are not finite; errors of OpenModel
// and Model::Load.
absl::Status RunPerplexity(const PerplexityOptions& options, std::istream& in, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PERPLEXITY_H_
