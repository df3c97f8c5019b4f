// The forward pass as the papers write it: dense, unpaged, every score stored, in double. Written
// apart from the engine, whose results are held against it; it shares only the engine's plain
// descriptions of a model.
#ifndef PLUMBLINE_TESTS_REFERENCE_REFERENCE_MODEL_H_
#define PLUMBLINE_TESTS_REFERENCE_REFERENCE_MODEL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model_config.h"
#include "engine/tensor_source.h"
#include "tests/reference/rounder.h"

namespace plumbline {

struct ReferenceOptions {
  // Rounds matrices and embeddings (not norms, not biases) to bf16, as an engine with bf16 weights
  // does. Changes nothing where they are bf16 numbers already.
  bool bf16_weights = false;
  // Rounds each row of a matrix to multiples of a 127th of its largest element, and embeddings to
  // bf16, as an engine with int8 weights does.
  bool int8_weights = false;
  // The same with the numbers of QuantizeQ4Row.
  bool q4_weights = false;
};

// Deliberate faults, for tests that show that an error bound can fail.
struct ReferenceFaults {
  int query_position_shift = 0;  // RoPE turns queries as if they stood this much further on
  int key_position_shift = 0;    // the same for keys; both alike change nothing
  int visible_shift = 0;         // each row sees this many keys more than it should
};

// Immutable; every method is safe from any thread.
class ReferenceModel {
 public:
  // InvalidArgument where a tensor is missing or has another shape than the config says.
  // REQUIRES: source.config() is valid. Biases are read where the config says there are some.
  static absl::StatusOr<ReferenceModel> Load(const TensorSource& source,
                                             const ReferenceOptions& options = {});

  // Logits of every position, [num_tokens][vocab]. REQUIRES: 0 <= token < vocab; no more tokens
  // than the context for learned positions.
  std::vector<std::vector<double>> Logits(absl::Span<const int32_t> tokens) const;
  // The same with roundings and faults.
  std::vector<std::vector<double>> RoundedLogits(absl::Span<const int32_t> tokens, Rounder& rounder,
                                                 const ReferenceFaults& faults = {}) const;

  const ModelConfig& config() const { return config_; }

 private:
  using Vector = std::vector<double>;
  using Rows = std::vector<Vector>;  // [num_tokens][width of something]
  struct Linear {                    // y = W x + b
    int64_t rows = 0;                // outputs
    int64_t row_elements = 0;        // inputs
    Vector weight;                   // [rows, row_elements]
    Vector bias;                     // [rows], or empty
  };
  struct Norm {
    Vector weight;
    Vector bias;  // empty for none
  };
  struct Layer {
    Norm attention_norm;
    Linear qkv;  // rows: Q, then K, then V
    Linear attention_output;
    Norm ffn_norm;
    Linear gate;  // SwiGLU only
    Linear up;
    Linear down;
  };
  class Loader;

  Vector Normalize(const Norm& norm, const Vector& x, Rounder& rounder) const;
  static Vector Apply(const Linear& linear, const Vector& x, Rounder& rounder);
  // Turns the heads that lie one after another at x.
  void Rotate(double* x, int64_t heads, int64_t position, Rounder& rounder) const;
  Rows Embed(absl::Span<const int32_t> tokens, Rounder& rounder) const;
  Rows Attend(const Layer& layer, const Rows& normed, Rounder& rounder,
              const ReferenceFaults& faults) const;
  Vector FeedForward(const Layer& layer, const Vector& normed, Rounder& rounder) const;

  ModelConfig config_;
  Linear token_embedding_;  // [vocab, width]
  Linear positions_;        // [context, width]; learned positions only
  std::vector<Layer> layers_;
  Norm output_norm_;
  Linear head_;  // [vocab, width]; empty where it is the embedding, rounded alike
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_REFERENCE_REFERENCE_MODEL_H_
