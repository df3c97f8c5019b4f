#include "engine/synthetic_spec.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace plumbline {
namespace {

constexpr int kDefaultContext = 32768;
constexpr int kMinVocab = 256;  // token b is byte b

struct Preset {
  absl::string_view name;
  bool gpt2;
  int width, heads, kv_heads, layers, ffn, vocab;
};

constexpr Preset kPresets[] = {
    {"gpt2-small", true, 768, 12, 12, 12, 4 * 768, 50257},
    {"gpt2-medium", true, 1024, 16, 16, 24, 4 * 1024, 50257},
    {"gpt2-large", true, 1280, 20, 20, 36, 4 * 1280, 50257},
    {"13b", true, 5120, 40, 40, 40, 4 * 5120, 50257},
    {"llama-7b", false, 4096, 32, 32, 32, 11008, 32000},
    {"tinyllama-1.1b", false, 2048, 32, 4, 22, 5632, 32000},
    {"llama-160m", false, 768, 12, 12, 12, 3072, 32000},
};

const Preset* FindPreset(absl::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

std::string PresetNames() {
  return absl::StrJoin(kPresets, ", ", [](std::string* out, const Preset& preset) {
    absl::StrAppend(out, preset.name);
  });
}

// The keys as given; what is not given follows from the preset.
struct Overrides {
  std::optional<int> width, layers, heads, kv_heads, ffn, vocab, context;
  std::optional<uint64_t> seed;
};

struct SizeKey {
  absl::string_view name;
  std::optional<int> Overrides::*field;
};

constexpr SizeKey kSizeKeys[] = {
    {"layers", &Overrides::layers},     {"heads", &Overrides::heads},
    {"kv_heads", &Overrides::kv_heads}, {"ffn", &Overrides::ffn},
    {"vocab", &Overrides::vocab},       {"context", &Overrides::context},
    {"width", &Overrides::width},
};

absl::Status Repeated(absl::string_view key) {
  return absl::InvalidArgumentError(
      absl::StrCat("key ", key, " of the synthetic model is given twice: give it once"));
}

absl::Status SetSeed(absl::string_view value, Overrides& overrides) {
  uint64_t seed = 0;
  if (!absl::SimpleAtoi(value, &seed)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "key seed of the synthetic model is \"", value, "\" but must be a whole number from 0 to ",
        std::numeric_limits<uint64_t>::max(), ": write for example seed=1"));
  }
  if (overrides.seed) return Repeated("seed");
  overrides.seed = seed;
  return absl::OkStatus();
}

absl::Status SetKey(absl::string_view item, Overrides& overrides) {
  const std::pair<absl::string_view, absl::string_view> pair =
      absl::StrSplit(item, absl::MaxSplits('=', 1));
  const auto& [key, value] = pair;
  if (key == "seed") return SetSeed(value, overrides);
  for (const SizeKey& known : kSizeKeys) {
    if (key != known.name) continue;
    int number = 0;
    if (!absl::SimpleAtoi(value, &number) || number < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("key ", key, " of the synthetic model is \"", value,
                       "\" but must be a whole number from 1 to ", std::numeric_limits<int>::max(),
                       ": write for example ", key, "=4"));
    }
    if (overrides.*known.field) return Repeated(key);
    overrides.*known.field = number;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", item, "\" is no key of a synthetic model: use key=value with a key of ",
      absl::StrJoin(kSizeKeys, ", ",
                    [](std::string* out, const SizeKey& k) { absl::StrAppend(out, k.name); }),
      ", seed"));
}

void SetPresetFamily(bool gpt2, ModelConfig& config) {
  if (gpt2) {
    config.architecture = "gpt2";
    config.norm = NormKind::kLayer;
    config.position = PositionKind::kLearned;
    config.feed_forward = FeedForwardKind::kGelu;
    config.qkv_bias = true;
    config.linear_bias = true;
    config.tied_head = true;
    return;
  }
  config.architecture = "llama";
  config.norm = NormKind::kRms;
  config.position = PositionKind::kRopeNeighbours;
  config.feed_forward = FeedForwardKind::kSwiGlu;
  config.rope_dims = config.head_dim;
}

absl::StatusOr<ModelConfig> BuildConfig(const Preset& preset, const Overrides& overrides) {
  ModelConfig config;
  config.layers = overrides.layers.value_or(preset.layers);
  config.width = overrides.width.value_or(preset.width);
  config.heads = overrides.heads.value_or(preset.heads);
  // A shape with a KV head for each head keeps that when only the heads are changed.
  const bool multi_head = preset.kv_heads == preset.heads;
  config.kv_heads = overrides.kv_heads.value_or(multi_head ? config.heads : preset.kv_heads);
  const int64_t ffn = preset.gpt2 ? 4 * int64_t{config.width} : preset.ffn;
  config.ffn = overrides.ffn.value_or(
      static_cast<int>(std::min<int64_t>(ffn, std::numeric_limits<int>::max())));
  config.vocab = overrides.vocab.value_or(preset.vocab);
  config.context = overrides.context.value_or(kDefaultContext);
  if (config.vocab < kMinVocab) {
    return absl::InvalidArgumentError(
        absl::StrCat("key vocab of the synthetic model is ", config.vocab, " but must be at least ",
                     kMinVocab, ": text becomes tokens byte by byte"));
  }
  if (config.width % config.heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("key heads of the synthetic model is ",
                                                   config.heads, " but must divide the width (",
                                                   config.width, "): choose a divisor"));
  }
  config.head_dim = config.width / config.heads;
  SetPresetFamily(preset.gpt2, config);
  return config;
}

}  // namespace

absl::StatusOr<SyntheticSpec> ParseSyntheticName(absl::string_view model) {
  const absl::string_view body = absl::StripPrefix(model, kSyntheticPrefix);
  const std::vector<absl::string_view> items = absl::StrSplit(body, ',');
  const Preset* preset = FindPreset(items.front());
  if (preset == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", items.front(), "\" is no synthetic model: use one of ", PresetNames()));
  }
  Overrides overrides;
  for (size_t i = 1; i < items.size(); ++i) {
    if (absl::Status status = SetKey(items[i], overrides); !status.ok()) return status;
  }
  absl::StatusOr<ModelConfig> config = BuildConfig(*preset, overrides);
  if (!config.ok()) return config.status();
  config->name = std::string(model);
  if (const absl::Status valid = config->Validate(); !valid.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the synthetic model ", model, " cannot be: ", valid.message()));
  }
  return SyntheticSpec{*std::move(config), overrides.seed.value_or(0)};
}

}  // namespace plumbline
