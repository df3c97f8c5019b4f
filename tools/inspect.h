// `plumbline inspect`: what a model is made of, and what this machine can do with it.
#ifndef PLUMBLINE_TOOLS_INSPECT_H_
#define PLUMBLINE_TOOLS_INSPECT_H_

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/machine.h"
#include "engine/model_config.h"
#include "engine/tensor_source.h"
#include "engine/weight_dtype.h"
#include "tools/numeric_options.h"

namespace plumbline {

struct InspectOptions {
  std::string model;  // empty: the toy model
  int threads = 0;    // 0: all cores this process may use
  bool json = false;
};

// The tensors of one class.
struct TensorClass {
  std::string name;   // "projections", "feed-forward", "head", "embedding", "norms and biases"
  std::string types;  // as stored, e.g. "q8_0, f32"
  int64_t parameters = 0;
  int64_t stored_bytes = 0;
  int64_t f32_bytes = 0;   // as the engine holds them with f32 weights
  int64_t bf16_bytes = 0;  // with bf16 weights: matrices as bf16, vectors as f32
  int64_t int8_bytes = 0;  // with int8 weights: with their scales; embedding rows as bf16
  int64_t q4_bytes = 0;    // the same with q4 weights
};

// How one dtype of weights would run here.
struct MatmulFacts {
  WeightDtype dtype = WeightDtype::kF32;
  std::string implementations;  // empty: not at all
  std::string problem;          // why not, then
  bool same_bits = false;
};

struct Inspection {
  std::string model;
  ModelConfig config;
  std::vector<TensorClass> classes;
  int64_t parameters = 0;
  Machine machine;
  int threads = 1;
  WeightDtype weights = WeightDtype::kF32;  // what generate takes by default
  KvDtype kv_dtype = KvDtype::kF32;
  int64_t weight_bytes = 0;                                // in that dtype
  std::array<int64_t, kKvDtypes.size()> token_bytes = {};  // of the cache, by KvDtype
  int64_t memory_context_tokens = 0;  // largest context that free memory beside the weights holds
  std::vector<MatmulFacts> matmuls;
  std::string attention_target;
  AttentionForm attention_form = AttentionForm::kVectors;  // over a bf16 cache
};

// Reads the model's description, not its weights.
absl::StatusOr<Inspection> Inspect(const InspectOptions& options);
std::string InspectReport(const Inspection& inspection);
std::string InspectJson(const Inspection& inspection);

// Writes one of the two to `out`; DataLoss where it can't be written, or Inspect's errors.
absl::Status RunInspect(const InspectOptions& options, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_INSPECT_H_
