// Small GGUF models whose keys and tensors a test can change before they are written. The shapes
// are spelled out here, apart from the engine's own list.
#ifndef PLUMBLINE_TESTS_SUPPORT_TINY_GGUF_H_
#define PLUMBLINE_TESTS_SUPPORT_TINY_GGUF_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/gguf.h"
#include "engine/model_config.h"

namespace plumbline {

using TinyValue = std::variant<uint32_t, float, bool, std::string, std::vector<int32_t>,
                               std::vector<std::string>>;

struct TinyTensor {
  std::vector<int64_t> dims;  // ne[0] first
  TensorType type = TensorType::kF32;
  float first = 0.5F;  // element i has the value first + i % 7
};

struct TinyGguf {
  std::map<std::string, TinyValue> keys;
  std::map<std::string, TinyTensor> tensors;

  // The file's bytes; empty (and a test failure) where the writer refuses.
  std::string Serialize() const;
};

// Two layers of width 64 with 4 heads (2 KV heads; gpt2: 4), ffn 96, vocabulary 300, context 128.
// `architecture`: llama (untied), qwen2 (QKV biases, tied) or gpt2 (tied).
TinyGguf MakeTinyGguf(const std::string& architecture);

// The config in the file that Serialize gives.
absl::StatusOr<ModelConfig> ReadConfig(const TinyGguf& tiny);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_TINY_GGUF_H_
