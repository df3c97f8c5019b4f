// What the keys of a GGUF file say about the model's shape. The keys are those of
// github.com/ggml-org/ggml, docs/gguf.md.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/config_keys.h"
#include "engine/model_config.h"

namespace plumbline {
namespace {

struct NeutralKey {
  const char* suffix;
  double neutral;  // the value that changes nothing; 0 always means "not set"
};

// Keys that other models of these architectures use to change the arithmetic. Reading on would give
// wrong output without a word.
constexpr NeutralKey kNeutralKeys[] = {
    {"expert_count", 0},
    {"nextn_predict_layers", 0},
    {"attention.max_alibi_bias", 0},
    {"attention.clamp_kqv", 0},
    {"attention.chunk_size", 0},
    {"attention.temperature_scale", 0},
    {"attn_logit_softcapping", 0},
    {"final_logit_softcapping", 0},
    {"logit_scale", 1},
    {"residual_scale", 1},
    {"embedding_scale", 1},
    {"use_parallel_residual", 0},
    {"rope.dimension_sections", 0},
    {"rope.scaling.attn_factor", 1},
};

void RejectUnsupported(const ModelConfig& config, KeyReader& keys) {
  const auto reject = [&keys](absl::string_view suffix, absl::string_view needed) {
    keys.Fail(absl::StrCat("key ", keys.Key(suffix), " asks for arithmetic that is not supported (",
                           needed, " would be): use a model without it"));
  };
  for (const NeutralKey& key : kNeutralKeys) {
    if (!keys.Has(key.suffix)) continue;
    const std::optional<double> value = keys.Number(key.suffix);
    if (!value || (*value != 0 && *value != key.neutral)) {
      reject(key.suffix, absl::StrCat(key.neutral));
    }
  }
  if (keys.Has("attention.causal") && keys.Number("attention.causal").value_or(0) != 1) {
    reject("attention.causal", "true");
  }
  if (keys.Has("attention.sliding_window")) {
    const double window = keys.Number("attention.sliding_window").value_or(-1);
    if (window != 0 && window < config.context) reject("attention.sliding_window", "0");
  }
  if (keys.Has("attention.scale")) {
    const double scale = keys.Number("attention.scale").value_or(-1);
    const auto usual = static_cast<float>(1.0 / std::sqrt(std::max(config.head_dim, 1)));
    if (scale != 0 && static_cast<float>(scale) != usual) {
      reject("attention.scale", absl::StrCat(usual));
    }
  }
}

void ReadHeads(KeyReader& keys, ModelConfig& config) {
  config.heads = keys.PerLayerInt("attention.head_count", config.layers);
  config.kv_heads = keys.Has("attention.head_count_kv")
                        ? keys.PerLayerInt("attention.head_count_kv", config.layers)
                        : config.heads;
  if (!keys.status().ok()) return;
  const bool key_given = keys.Has("attention.key_length");
  const bool value_given = keys.Has("attention.value_length");
  if ((!key_given || !value_given) && config.width % config.heads != 0) {
    keys.Fail(absl::StrCat("key ", keys.Key("embedding_length"), " is ", config.width,
                           " but must be a multiple of the ", config.heads, " heads where ",
                           keys.Key("attention.key_length"),
                           " is not given: convert the model"
                           " again"));
    return;
  }
  config.head_dim = key_given ? keys.Int("attention.key_length") : config.width / config.heads;
  const int value_dim =
      value_given ? keys.Int("attention.value_length") : config.width / config.heads;
  if (config.head_dim != value_dim) {
    keys.Fail(absl::StrCat("key ", keys.Key("attention.value_length"), " is ", value_dim,
                           " but must equal ", keys.Key("attention.key_length"), " (",
                           config.head_dim, "): use a model whose keys and values are as wide"));
  }
}

double ReadRopeScale(KeyReader& keys) {
  // Files from before rope.scaling.* have the factor under the older name; either alone is linear.
  const double factor = keys.FloatOr("rope.scaling.factor", keys.FloatOr("rope.scale_linear", 0));
  const std::string type = keys.StringOr("rope.scaling.type", "linear");
  if (type != "none" && type != "linear") {
    keys.Fail(absl::StrCat("key ", keys.Key("rope.scaling.type"), " is ", type,
                           " but only none and linear are supported: use a model without it"));
  }
  if (factor < 0) {
    keys.Fail(absl::StrCat("key ", keys.Key("rope.scaling.factor"), " is ", factor,
                           " but must be positive: convert the model again"));
  }
  return type == "none" || factor == 0 ? 1.0 : 1.0 / factor;
}

void ReadRopeFactors(const GgufFile& file, KeyReader& keys, ModelConfig& config) {
  const GgufTensor* tensor = file.FindTensor("rope_freqs.weight");
  if (tensor == nullptr) return;
  const int64_t wanted = config.rope_dims / 2;
  if (tensor->row_elements() != wanted || tensor->rows() != 1) {
    keys.Fail(absl::StrCat("tensor rope_freqs.weight must have the shape [", wanted, "] but has [",
                           tensor->row_elements(), ", ", tensor->rows(),
                           "]: convert the model again"));
    return;
  }
  config.rope_factors.resize(static_cast<size_t>(wanted));
  DequantizeRow(tensor->type, tensor->data.data(), wanted, config.rope_factors.data());
}

void ReadRope(const GgufFile& file, KeyReader& keys, ModelConfig& config) {
  config.rope_dims =
      keys.Has("rope.dimension_count") ? keys.Int("rope.dimension_count") : config.head_dim;
  config.rope_base = keys.FloatOr("rope.freq_base", 10000.0);
  config.rope_scale = ReadRopeScale(keys);
  if (keys.status().ok()) ReadRopeFactors(file, keys, config);
}

int ReadVocab(const GgufFile& file, KeyReader& keys) {
  constexpr char kTokens[] = "tokenizer.ggml.tokens";
  const GgufTensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) {
    keys.Fail(
        "tensor token_embd.weight is missing but every model needs it: a file with a"
        " vocabulary alone cannot run");
    return 0;
  }
  const int64_t rows = embedding->rows();
  if (file.Has(kTokens)) {
    const auto tokens = file.GetStrings(kTokens);
    if (!tokens.ok()) {
      keys.Fail(tokens.status());
    } else if (static_cast<int64_t>(tokens->size()) != rows) {
      keys.Fail(absl::StrCat("key ", kTokens, " lists ", tokens->size(),
                             " tokens but token_embd.weight has ", rows,
                             " rows: they must agree; convert the model again"));
    }
  }
  return static_cast<int>(std::min<int64_t>(rows, std::numeric_limits<int>::max()));
}

void SetFamily(const GgufFile& file, KeyReader& keys, ModelConfig& config) {
  if (config.architecture == "gpt2") {
    config.norm = NormKind::kLayer;
    config.position = PositionKind::kLearned;
    config.feed_forward = FeedForwardKind::kGelu;
    config.qkv_bias = true;
    config.linear_bias = true;
    config.norm_epsilon = static_cast<float>(keys.Float("attention.layer_norm_epsilon"));
    return;
  }
  config.norm = NormKind::kRms;
  config.position =
      config.architecture == "qwen2" ? PositionKind::kRopeHalves : PositionKind::kRopeNeighbours;
  config.feed_forward = FeedForwardKind::kSwiGlu;
  config.qkv_bias = file.FindTensor("blk.0.attn_q.bias") != nullptr;
  config.norm_epsilon = static_cast<float>(keys.Float("attention.layer_norm_rms_epsilon"));
  ReadRope(file, keys, config);
}

}  // namespace

absl::StatusOr<ModelConfig> ConfigFromGguf(const GgufFile& file) {
  constexpr char kArchitecture[] = "general.architecture";
  if (!file.Has(kArchitecture)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": key ", kArchitecture, " is missing: convert the model again"));
  }
  const auto architecture = file.GetString(kArchitecture);
  if (!architecture.ok()) return architecture.status();
  if (*architecture != "llama" && *architecture != "qwen2" && *architecture != "gpt2") {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": ", kArchitecture, " is ", *architecture,
                     " but only llama, qwen2 and gpt2 are supported: use a model of one of these"));
  }
  KeyReader keys(file, std::string(*architecture));
  ModelConfig config;
  config.architecture = std::string(*architecture);
  if (const auto name = file.GetString("general.name"); name.ok()) config.name = std::string(*name);
  config.layers = keys.Int("block_count");
  config.width = keys.Int("embedding_length");
  config.context = keys.Int("context_length");
  config.ffn = keys.PerLayerInt("feed_forward_length", config.layers);
  ReadHeads(keys, config);
  config.vocab = ReadVocab(file, keys);
  if (keys.status().ok()) SetFamily(file, keys, config);
  config.tied_head = file.FindTensor("output.weight") == nullptr;
  RejectUnsupported(config, keys);
  if (!keys.status().ok()) return keys.status();
  if (const absl::Status valid = config.Validate(); !valid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file.name(), ": ", valid.message()));
  }
  return config;
}

}  // namespace plumbline
