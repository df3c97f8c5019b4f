// Weights in memory, for tests: any model shape, filled at random or by hand.
#ifndef PLUMBLINE_TESTS_SUPPORT_MAP_SOURCE_H_
#define PLUMBLINE_TESTS_SUPPORT_MAP_SOURCE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model_config.h"
#include "engine/tensor_source.h"

namespace plumbline {

// Const methods are safe from several threads; tensors may be changed between uses.
class MapSource : public TensorSource {
 public:
  // Every tensor of a model of this shape, all zero. Q, K and V are one where config.fused_qkv().
  explicit MapSource(const ModelConfig& config);
  // Seeded: matrices normal with deviation 1 / sqrt(inner width), norms near 1, biases near 0. All
  // values are bf16 numbers, so that f32 and bf16 runs have the same weights.
  static MapSource Random(const ModelConfig& config, uint64_t seed);

  // A tensor to read or change, [rows, row_elements]; null where there is none of that name.
  std::vector<float>* Find(absl::string_view name);
  // Takes a tensor out or puts one of another size in, for tests of broken models.
  void Erase(absl::string_view name);
  void Set(const TensorShape& shape, std::vector<float> values);
  ModelConfig* mutable_config() { return &config_; }
  // By name.
  std::vector<TensorShape> Shapes() const;

  const ModelConfig& config() const override { return config_; }
  std::string StoredType(absl::string_view) const override { return "f32"; }
  bool Has(absl::string_view name) const override;
  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override;
  void Release(absl::string_view) const override {}
  // Unimplemented: these models see token ids only.
  absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer() const override;

 private:
  struct Tensor {
    TensorShape shape;
    std::vector<float> values;
  };
  void AddMatrix(const std::string& name, int64_t rows, int64_t row_elements);
  void AddVector(const std::string& name, int64_t elements);
  void AddLinear(const std::string& name, int64_t rows, int64_t row_elements, bool bias);
  void AddNorm(const std::string& name, bool bias);
  void AddLayer(int index);

  ModelConfig config_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

// A small llama-like model: `heads` query heads of 8 elements for `kv_heads` KV heads, 2 layers,
// SwiGLU, RoPE neighbours, 96 tokens.
ModelConfig SmallLlama(int heads, int kv_heads);
// A small gpt2-like one: LayerNorm, learned positions, GELU, biases, fused QKV, tied head.
ModelConfig SmallGpt2(int heads, int kv_heads);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_MAP_SOURCE_H_
