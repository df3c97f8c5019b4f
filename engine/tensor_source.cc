#include "engine/tensor_source.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/synthetic_spec.h"

namespace plumbline {
namespace {

// Collects the shapes of one model in file order.
class ShapeList {
 public:
  void Weight(absl::string_view name, int64_t rows, int64_t row_elements) {
    shapes_.push_back({absl::StrCat(prefix_, name, ".weight"), rows, row_elements});
  }
  void Bias(absl::string_view name, int64_t elements) {
    shapes_.push_back({absl::StrCat(prefix_, name, ".bias"), 1, elements});
  }
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }
  std::vector<TensorShape> Take() { return std::move(shapes_); }

 private:
  std::string prefix_;
  std::vector<TensorShape> shapes_;
};

void AddNorm(const ModelConfig& config, absl::string_view name, ShapeList& shapes) {
  shapes.Weight(name, 1, config.width);
  if (config.linear_bias) shapes.Bias(name, config.width);
}

void AddLinear(absl::string_view name, int64_t outputs, int64_t inputs, bool bias,
               ShapeList& shapes) {
  shapes.Weight(name, outputs, inputs);
  if (bias) shapes.Bias(name, outputs);
}

void AddLayer(const ModelConfig& config, ShapeList& shapes) {
  const int width = config.width;
  AddNorm(config, "attn_norm", shapes);
  if (config.fused_qkv()) {
    const int64_t outputs = int64_t{config.query_width()} + 2 * int64_t{config.kv_width()};
    AddLinear("attn_qkv", outputs, width, config.qkv_bias, shapes);
  } else {
    AddLinear("attn_q", config.query_width(), width, config.qkv_bias, shapes);
    AddLinear("attn_k", config.kv_width(), width, config.qkv_bias, shapes);
    AddLinear("attn_v", config.kv_width(), width, config.qkv_bias, shapes);
  }
  AddLinear("attn_output", width, config.query_width(), config.linear_bias, shapes);
  AddNorm(config, "ffn_norm", shapes);
  if (config.feed_forward == FeedForwardKind::kSwiGlu) {
    AddLinear("ffn_gate", config.ffn, width, config.linear_bias, shapes);
  }
  AddLinear("ffn_up", config.ffn, width, config.linear_bias, shapes);
  AddLinear("ffn_down", width, config.ffn, config.linear_bias, shapes);
}

}  // namespace

std::vector<TensorShape> ExpectedTensors(const ModelConfig& config) {
  ShapeList shapes;
  shapes.Weight("token_embd", config.vocab, config.width);
  if (config.position == PositionKind::kLearned) {
    shapes.Weight("position_embd", config.context, config.width);
  }
  for (int layer = 0; layer < config.layers; ++layer) {
    shapes.set_prefix(absl::StrCat("blk.", layer, "."));
    AddLayer(config, shapes);
  }
  shapes.set_prefix("");
  AddNorm(config, "output_norm", shapes);
  if (!config.tied_head) shapes.Weight("output", config.vocab, config.width);
  return shapes.Take();
}

bool IsSyntheticName(absl::string_view model) { return absl::StartsWith(model, kSyntheticPrefix); }

absl::StatusOr<std::unique_ptr<TensorSource>> OpenModel(const std::string& model) {
  if (!IsSyntheticName(model)) return OpenGgufSource(model);
  const absl::StatusOr<SyntheticSpec> spec = ParseSyntheticName(model);
  if (!spec.ok()) return spec.status();
  return MakeSyntheticSource(spec->config, spec->seed);
}

}  // namespace plumbline
