// A model's weights as the forward pass uses them: matrices packed for this machine, vectors in
// f32, embedding rows in the computing dtype (bf16 in int8 and q4).
#ifndef PLUMBLINE_ENGINE_WEIGHTS_H_
#define PLUMBLINE_ENGINE_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/matmul.h"
#include "engine/model_config.h"
#include "engine/tensor_source.h"
#include "engine/untouched_array.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Empty vectors: the model has no such bias.
struct LayerWeights {
  std::vector<float> attention_norm, attention_norm_bias;  // [width]
  std::unique_ptr<PackedMatrix> qkv;                       // [query + 2 kv widths, width]
  std::vector<float> qkv_bias;                             // [query + 2 kv widths]
  std::unique_ptr<PackedMatrix> output;                    // [width, query width]
  std::vector<float> output_bias;                          // [width]
  std::vector<float> ffn_norm, ffn_norm_bias;              // [width]
  std::unique_ptr<PackedMatrix> up;    // [2 ffn (gates, ups: ops.h) or ffn, width]
  std::vector<float> up_bias;          // as many as up has outputs
  std::unique_ptr<PackedMatrix> down;  // [width, ffn]
  std::vector<float> down_bias;        // [width]
};

struct ModelWeights {
  UntouchedArray<std::byte> embedding;  // [vocab, width] in EmbeddingDtype
  UntouchedArray<std::byte> positions;  // [context, width]; none in rotary models
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm, final_norm_bias;  // [width]
  std::unique_ptr<PackedMatrix> head;              // [vocab, width]
};

// Reads, rounds and packs every tensor. Errors as in Model::Load.
absl::StatusOr<ModelWeights> LoadWeights(const TensorSource& source, WeightDtype dtype,
                                         MatmulContext& context);

// Bytes of all weights in this dtype, scales and offsets of whole numbers included, without
// padding.
int64_t WeightBytesNeeded(const ModelConfig& config, WeightDtype dtype);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHTS_H_
