// The shape of a decoder-only transformer. A model is configuration, not a class per family: the
// same pass runs all of them.
#ifndef PLUMBLINE_ENGINE_MODEL_CONFIG_H_
#define PLUMBLINE_ENGINE_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/kv_geometry.h"
#include "engine/gguf.h"

namespace plumbline {

enum class NormKind : uint8_t { kRms, kLayer };
// RoPE rotates neighbours (2i, 2i + 1) or halves (i, i + rope_dims / 2); or positions are learned
// and added to the embedding.
enum class PositionKind : uint8_t { kRopeNeighbours, kRopeHalves, kLearned };
// down(silu(gate) * up), three matrices; or down(gelu(up)), two.
enum class FeedForwardKind : uint8_t { kSwiGlu, kGelu };

struct ModelConfig {
  std::string architecture;  // "llama", "qwen2" or "gpt2", as in general.architecture
  std::string name;
  int layers = 0;    // L
  int width = 0;     // d
  int heads = 0;     // h
  int kv_heads = 0;  // g; divides heads
  int head_dim = 0;  // e
  int ffn = 0;       // F
  int vocab = 0;     // V
  int context = 0;   // positions the model knows
  NormKind norm = NormKind::kRms;
  float norm_epsilon = 1e-5f;
  PositionKind position = PositionKind::kRopeNeighbours;
  int rope_dims = 0;  // rotated elements of each head; even, at most head_dim
  double rope_base = 10000.0;
  double rope_scale = 1.0;  // positions are multiplied by this (linear scaling: 1 / factor)
  std::vector<float>
      rope_factors;  // [rope_dims / 2], empty: none; frequencies are divided by these
  FeedForwardKind feed_forward = FeedForwardKind::kSwiGlu;
  bool qkv_bias = false;
  bool linear_bias = false;  // attention output and feed-forward biases, and norm biases (gpt2)
  bool tied_head = false;    // the head is the token embedding

  int query_width() const { return heads * head_dim; }
  int kv_width() const { return kv_heads * head_dim; }
  bool fused_qkv() const { return architecture == "gpt2"; }  // one attn_qkv tensor: Q, K, V rows
  int feed_forward_matrices() const { return feed_forward == FeedForwardKind::kSwiGlu ? 3 : 2; }

  // InvalidArgument names the first size that is out of range or does not fit the others. Sizes
  // are bounded so that all products of two of them, times 8, fit an int64_t.
  absl::Status Validate() const;
  // The cache of this model. REQUIRES: Validate() is OK.
  KvGeometry CacheGeometry(KvDtype dtype, int block_tokens) const;
};

// Reads `general.architecture` and its keys, and looks at which tensors there are (biases, tied
// head). InvalidArgument for unknown architectures (known ones are listed), keys that are missing
// or out of range, RoPE scalings other than none and linear, and keys that ask for arithmetic the
// engine does not have (experts, sliding windows, soft caps, scales).
absl::StatusOr<ModelConfig> ConfigFromGguf(const GgufFile& file);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MODEL_CONFIG_H_
