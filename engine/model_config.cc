#include "engine/model_config.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

struct SizeBound {
  const char* name;
  int64_t value;
  int64_t max;
};

constexpr int64_t kMaxWidth = int64_t{1} << 20;

// Generous for every known model, and small enough that any product of two, times 8, fits.
absl::Status CheckSizes(const ModelConfig& config) {
  const SizeBound bounds[] = {
      {"layers", config.layers, 1 << 12},     {"width", config.width, kMaxWidth},
      {"heads", config.heads, 1 << 16},       {"kv_heads", config.kv_heads, 1 << 16},
      {"head_dim", config.head_dim, 1 << 16}, {"ffn", config.ffn, 1 << 22},
      {"vocab", config.vocab, 1 << 24},       {"context", config.context, 1 << 28},
  };
  for (const SizeBound& bound : bounds) {
    if (bound.value < 1 || bound.value > bound.max) {
      return absl::InvalidArgumentError(absl::StrCat(bound.name, " is ", bound.value,
                                                     " but must be from 1 to ", bound.max,
                                                     ": choose a size in this range"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHeads(const ModelConfig& config) {
  if (config.heads % config.kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("kv_heads is ", config.kv_heads,
                                                   " but must divide heads (", config.heads,
                                                   "): choose a divisor of ", config.heads));
  }
  const int64_t query_width = int64_t{config.heads} * config.head_dim;
  if (query_width > kMaxWidth) {
    return absl::InvalidArgumentError(absl::StrCat("heads times head_dim is ", query_width,
                                                   " but must be at most ", kMaxWidth,
                                                   ": choose fewer or smaller heads"));
  }
  return absl::OkStatus();
}

bool IsPositiveNumber(double value) { return std::isfinite(value) && value > 0; }

absl::Status CheckRopeFactors(const ModelConfig& config) {
  const size_t wanted = static_cast<size_t>(config.rope_dims) / 2;
  if (!config.rope_factors.empty() && config.rope_factors.size() != wanted) {
    return absl::InvalidArgumentError(absl::StrCat("rope_factors has ", config.rope_factors.size(),
                                                   " entries but must have none or rope_dims / 2 (",
                                                   wanted, ")"));
  }
  for (const float factor : config.rope_factors) {
    if (!IsPositiveNumber(factor)) {
      return absl::InvalidArgumentError(absl::StrCat("rope_factors holds ", factor,
                                                     " but every entry must be a positive number"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPositions(const ModelConfig& config) {
  if (config.position == PositionKind::kLearned) {
    if (config.rope_dims == 0 && config.rope_factors.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("rope_dims is ", config.rope_dims, " with ", config.rope_factors.size(),
                     " rope_factors but both must be 0 where positions are learned"));
  }
  if (config.rope_dims < 2 || config.rope_dims > config.head_dim || config.rope_dims % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("rope_dims is ", config.rope_dims,
                                                   " but must be even and from 2 to head_dim (",
                                                   config.head_dim, ")"));
  }
  if (!IsPositiveNumber(config.rope_base)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope_base is ", config.rope_base, " but must be a positive number"));
  }
  if (!IsPositiveNumber(config.rope_scale)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope_scale is ", config.rope_scale, " but must be a positive number"));
  }
  return CheckRopeFactors(config);
}

}  // namespace

absl::Status ModelConfig::Validate() const {
  if (absl::Status status = CheckSizes(*this); !status.ok()) return status;
  if (absl::Status status = CheckHeads(*this); !status.ok()) return status;
  if (!IsPositiveNumber(norm_epsilon)) {
    return absl::InvalidArgumentError(
        absl::StrCat("norm_epsilon is ", norm_epsilon, " but must be a positive number"));
  }
  return CheckPositions(*this);
}

KvGeometry ModelConfig::CacheGeometry(KvDtype dtype, int block_tokens) const {
  KvGeometry geometry;
  geometry.block_tokens = block_tokens;
  LayerGroup group;
  group.layers = layers;
  group.kv_heads = kv_heads;
  group.key_width = head_dim;
  group.value_width = head_dim;
  group.dtype = dtype;
  geometry.groups.push_back(group);
  return geometry;
}

}  // namespace plumbline
