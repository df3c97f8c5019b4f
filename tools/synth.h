// `plumbline synth`: writes a synthetic model as a GGUF file that other engines load.
#ifndef PLUMBLINE_TOOLS_SYNTH_H_
#define PLUMBLINE_TOOLS_SYNTH_H_

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace plumbline {

struct SynthOptions {
  std::string model;          // "synthetic:NAME[,key=value...]"
  std::string output;         // path of the file to write
  std::string type = "bf16";  // of the matrices: bf16, f32, f16, q8_0 or q4_0
  // Called now and then, from the calling thread, with the part written so far, 0 to 1. May be
  // empty.
  std::function<void(double fraction)> progress;
};

// The file's weights are those that the synthetic model has in memory: bit for bit as bf16 and f32,
// rounded as the other types round. Vectors (norms and biases) are always f32. Token b is byte b,
// the last token ends the text, and the ids between are never produced by text.
//
// InvalidArgument for a model that is not synthetic, an unknown type (the known ones are listed),
// a quantised type where a matrix's rows are no multiple of its block (the tensor is named), or a
// vocabulary without room for the end token; else what GgufWriter::Write returns.
absl::Status RunSynth(const SynthOptions& options);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SYNTH_H_
