#include "tests/support/map_source.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

// Cuts the low half off: a bf16 number near `value`.
float CutToBf16(double value) {
  return std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(value)) & 0xffff0000U);
}

// The spread of biases and of norms about 1.
constexpr double kSmallDeviation = 0.1;

}  // namespace

MapSource::MapSource(const ModelConfig& config) : config_(config) {
  AddMatrix("token_embd.weight", config.vocab, config.width);
  if (config.position == PositionKind::kLearned) {
    AddMatrix("position_embd.weight", config.context, config.width);
  }
  for (int i = 0; i < config.layers; ++i) AddLayer(i);
  AddNorm("output_norm", config.linear_bias);
  if (!config.tied_head) AddMatrix("output.weight", config.vocab, config.width);
}

void MapSource::AddLayer(int index) {
  const std::string prefix = absl::StrCat("blk.", index, ".");
  const bool bias = config_.linear_bias;
  AddNorm(prefix + "attn_norm", bias);
  if (config_.fused_qkv()) {
    AddLinear(prefix + "attn_qkv", config_.query_width() + 2 * config_.kv_width(), config_.width,
              config_.qkv_bias);
  } else {
    AddLinear(prefix + "attn_q", config_.query_width(), config_.width, config_.qkv_bias);
    AddLinear(prefix + "attn_k", config_.kv_width(), config_.width, config_.qkv_bias);
    AddLinear(prefix + "attn_v", config_.kv_width(), config_.width, config_.qkv_bias);
  }
  AddLinear(prefix + "attn_output", config_.width, config_.query_width(), bias);
  AddNorm(prefix + "ffn_norm", bias);
  if (config_.feed_forward == FeedForwardKind::kSwiGlu) {
    AddLinear(prefix + "ffn_gate", config_.ffn, config_.width, bias);
  }
  AddLinear(prefix + "ffn_up", config_.ffn, config_.width, bias);
  AddLinear(prefix + "ffn_down", config_.width, config_.ffn, bias);
}

void MapSource::AddMatrix(const std::string& name, int64_t rows, int64_t row_elements) {
  Set({name, rows, row_elements}, std::vector<float>(static_cast<size_t>(rows * row_elements)));
}

void MapSource::AddVector(const std::string& name, int64_t elements) {
  AddMatrix(name, 1, elements);
}

void MapSource::AddLinear(const std::string& name, int64_t rows, int64_t row_elements, bool bias) {
  AddMatrix(name + ".weight", rows, row_elements);
  if (bias) AddVector(name + ".bias", rows);
}

void MapSource::AddNorm(const std::string& name, bool bias) {
  AddVector(name + ".weight", config_.width);
  if (bias) AddVector(name + ".bias", config_.width);
}

MapSource MapSource::Random(const ModelConfig& config, uint64_t seed) {
  MapSource source(config);
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  for (auto& [name, tensor] : source.tensors_) {
    const bool norm = absl::EndsWith(name, "norm.weight");
    const bool vector = norm || absl::EndsWith(name, ".bias");
    const double mean = norm ? 1 : 0;
    const double deviation =
        vector ? kSmallDeviation : 1 / std::sqrt(static_cast<double>(tensor.shape.row_elements));
    for (float& value : tensor.values) value = CutToBf16(mean + deviation * normal(random));
  }
  return source;
}

std::vector<float>* MapSource::Find(absl::string_view name) {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second.values;
}

void MapSource::Erase(absl::string_view name) {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) tensors_.erase(found);
}

void MapSource::Set(const TensorShape& shape, std::vector<float> values) {
  tensors_[shape.name] = {shape, std::move(values)};
}

std::vector<TensorShape> MapSource::Shapes() const {
  std::vector<TensorShape> shapes;
  for (const auto& [name, tensor] : tensors_) shapes.push_back(tensor.shape);
  return shapes;
}

bool MapSource::Has(absl::string_view name) const { return tensors_.find(name) != tensors_.end(); }

absl::Status MapSource::ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                                 float* out) const {
  const auto found = tensors_.find(shape.name);
  if (found == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Tensor ", shape.name, " is missing; add it to the test's model."));
  }
  const Tensor& tensor = found->second;
  if (tensor.shape.rows != shape.rows || tensor.shape.row_elements != shape.row_elements) {
    return absl::InvalidArgumentError(
        absl::StrCat("Tensor ", shape.name, " must be ", shape.rows, " rows of ",
                     shape.row_elements, " but has ", tensor.shape.rows, " of ",
                     tensor.shape.row_elements, "; change the test's model."));
  }
  std::copy_n(tensor.values.begin() + row * shape.row_elements, num_rows * shape.row_elements, out);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Tokenizer>> MapSource::MakeTokenizer() const {
  return absl::UnimplementedError("A model in memory has no tokenizer; pass it token ids.");
}

ModelConfig SmallLlama(int heads, int kv_heads) {
  ModelConfig config;
  config.architecture = "llama";
  config.name = "small-llama";
  config.layers = 2;
  config.head_dim = 8;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.width = heads * config.head_dim;
  config.ffn = 3 * config.width;
  config.vocab = 96;
  config.context = 1024;
  config.rope_dims = config.head_dim;
  return config;
}

ModelConfig SmallGpt2(int heads, int kv_heads) {
  ModelConfig config = SmallLlama(heads, kv_heads);
  config.architecture = "gpt2";
  config.name = "small-gpt2";
  config.norm = NormKind::kLayer;
  config.position = PositionKind::kLearned;
  config.rope_dims = 0;
  config.feed_forward = FeedForwardKind::kGelu;
  config.qkv_bias = true;
  config.linear_bias = true;
  config.tied_head = true;
  return config;
}

}  // namespace plumbline
