#include "tests/support/tiny_gguf.h"

#include <cstddef>

#include "absl/types/span.h"
#include "engine/gguf_writer.h"
#include "gtest/gtest.h"

namespace plumbline {
namespace {

void AddKey(const std::string& key, const TinyValue& value, GgufWriter& writer) {
  if (const auto* number = std::get_if<uint32_t>(&value)) writer.AddUint32(key, *number);
  if (const auto* number = std::get_if<float>(&value)) writer.AddFloat(key, *number);
  if (const auto* truth = std::get_if<bool>(&value)) writer.AddBool(key, *truth);
  if (const auto* text = std::get_if<std::string>(&value)) writer.AddString(key, *text);
  if (const auto* list = std::get_if<std::vector<int32_t>>(&value)) writer.AddInts(key, *list);
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    writer.AddStrings(key, *list);
  }
}

void AddLlamaLayer(const std::string& prefix, bool qkv_bias, TinyGguf& file) {
  file.tensors[prefix + "attn_norm.weight"] = {{64}};
  file.tensors[prefix + "attn_q.weight"] = {{64, 64}};
  file.tensors[prefix + "attn_k.weight"] = {{64, 32}};
  file.tensors[prefix + "attn_v.weight"] = {{64, 32}};
  file.tensors[prefix + "attn_output.weight"] = {{64, 64}};
  file.tensors[prefix + "ffn_norm.weight"] = {{64}};
  file.tensors[prefix + "ffn_gate.weight"] = {{64, 96}};
  file.tensors[prefix + "ffn_up.weight"] = {{64, 96}};
  file.tensors[prefix + "ffn_down.weight"] = {{96, 64}};
  if (!qkv_bias) return;
  file.tensors[prefix + "attn_q.bias"] = {{64}};
  file.tensors[prefix + "attn_k.bias"] = {{32}};
  file.tensors[prefix + "attn_v.bias"] = {{32}};
}

void AddGpt2Layer(const std::string& prefix, TinyGguf& file) {
  for (const char* norm : {"attn_norm", "ffn_norm"}) {
    file.tensors[prefix + norm + ".weight"] = {{64}};
    file.tensors[prefix + norm + ".bias"] = {{64}};
  }
  file.tensors[prefix + "attn_qkv.weight"] = {{64, 192}};
  file.tensors[prefix + "attn_qkv.bias"] = {{192}};
  file.tensors[prefix + "attn_output.weight"] = {{64, 64}};
  file.tensors[prefix + "attn_output.bias"] = {{64}};
  file.tensors[prefix + "ffn_up.weight"] = {{64, 96}};
  file.tensors[prefix + "ffn_up.bias"] = {{96}};
  file.tensors[prefix + "ffn_down.weight"] = {{96, 64}};
  file.tensors[prefix + "ffn_down.bias"] = {{64}};
}

}  // namespace

std::string TinyGguf::Serialize() const {
  GgufWriter writer;
  for (const auto& [key, value] : keys) AddKey(key, value, writer);
  for (const auto& [name, tensor] : tensors) {
    const float first = tensor.first;
    const int64_t row_elements = tensor.dims[0];
    writer.AddTensor(name, {tensor.dims.begin(), tensor.dims.end()}, tensor.type,
                     [first, row_elements](int64_t row, int64_t num_rows, float* out) {
                       for (int64_t i = 0; i < num_rows * row_elements; ++i) {
                         out[i] = first + static_cast<float>((row * row_elements + i) % 7);
                       }
                       return absl::OkStatus();
                     });
  }
  const absl::StatusOr<std::string> bytes = writer.Serialize();
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or("");
}

TinyGguf MakeTinyGguf(const std::string& architecture) {
  const bool gpt2 = architecture == "gpt2";
  const std::string prefix = architecture + ".";
  TinyGguf file;
  file.keys["general.architecture"] = architecture;
  file.keys["general.name"] = std::string("tiny");
  file.keys[prefix + "block_count"] = 2U;
  file.keys[prefix + "embedding_length"] = 64U;
  file.keys[prefix + "context_length"] = 128U;
  file.keys[prefix + "feed_forward_length"] = 96U;
  file.keys[prefix + "attention.head_count"] = 4U;
  if (!gpt2) file.keys[prefix + "attention.head_count_kv"] = 2U;
  file.keys[prefix + (gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon")] =
      1e-6F;
  file.tensors["token_embd.weight"] = {{64, 300}};
  file.tensors["output_norm.weight"] = {{64}};
  if (gpt2) {
    file.tensors["position_embd.weight"] = {{64, 128}};
    file.tensors["output_norm.bias"] = {{64}};
  }
  if (architecture == "llama") file.tensors["output.weight"] = {{64, 300}};
  for (const char* layer : {"blk.0.", "blk.1."}) {
    if (gpt2) {
      AddGpt2Layer(layer, file);
    } else {
      AddLlamaLayer(layer, architecture == "qwen2", file);
    }
  }
  return file;
}

absl::StatusOr<ModelConfig> ReadConfig(const TinyGguf& tiny) {
  const std::string bytes = tiny.Serialize();
  const auto file = GgufFile::Parse(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()), "tiny");
  if (!file.ok()) return file.status();
  return ConfigFromGguf(**file);
}

}  // namespace plumbline
