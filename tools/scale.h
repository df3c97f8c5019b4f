// `plumbline scale`: the study of prefill against decode. Sweeps lengths, contexts, batches and
// shapes, and holds what it measures beside the formulas.
#ifndef PLUMBLINE_TOOLS_SCALE_H_
#define PLUMBLINE_TOOLS_SCALE_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace plumbline {

struct ScaleOptions {
  std::vector<std::string> models;  // empty: the toy model and synthetic:gpt2-small
  std::vector<std::string> sweeps;  // empty: all
  bool quick = false;
  std::optional<int64_t> max_tokens;  // of a prompt and a context
  double minutes = 0;                 // for all models together, loading included; 0: usual
  double precision_percent = 2;       // half width of a median's interval at which a point stops
  int repetitions = 40;               // at most, of a point
  int chunk_tokens = 512;
  int block_tokens = 16;
  bool no_cache = false;          // generation without a cache up to the longest prompt
  int threads = 0;                // 0: all cores this process may use
  std::string weights = "auto";   // auto, f32, bf16, int8 or q4
  std::string kv_dtype = "auto";  // auto, f32, f16, bf16 or int8
  std::string machine;            // profile to predict from; empty: the default one, if any
  std::string output;             // folder for samples and page; empty: none is written
  std::string resume;             // folder of an earlier run that goes on; empty: none
  bool verbose = false;           // all findings as text, not only those that matter most
  bool json = false;
};

// Measures, writes the files where a folder was named, and prints a summary (or JSON) to `out`.
// Files are written whenever a model is done, and every few seconds, so that little is lost.
// Cancelled after Ctrl-C, once all of that is done for what there is; DataLoss where `out` cannot
// be written; InvalidArgument, NotFound and the like, before anything is measured, for what the
// options name; errors of the engine and of the files.
absl::Status RunScale(const ScaleOptions& options, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_H_
