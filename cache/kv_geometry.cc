#include "cache/kv_geometry.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

// The product of two sizes, or false where it does not fit an int64_t.
bool Multiply(int64_t a, int64_t b, int64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

absl::Status CheckGroup(int index, const LayerGroup& group) {
  const struct {
    absl::string_view field;
    int value;
    int least;
  } sizes[] = {{"layers", group.layers, 1},
               {"kv_heads", group.kv_heads, 1},
               {"key_width", group.key_width, 1},
               {"value_width", group.value_width, 0}};
  for (const auto& size : sizes) {
    if (size.value < size.least) {
      return absl::InvalidArgumentError(absl::StrCat("cache geometry: group ", index, " needs ",
                                                     size.field, " of at least ", size.least,
                                                     ", got ", size.value, "; give a larger one"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

int KvDtypeBytes(KvDtype dtype) {
  switch (dtype) {
    case KvDtype::kF32:
      return 4;
    case KvDtype::kF16:
    case KvDtype::kBf16:
      return 2;
    case KvDtype::kInt8:
      return 1;
  }
  return 0;
}

int KvScaleBytes(KvDtype dtype) { return dtype == KvDtype::kInt8 ? 4 : 0; }

int64_t KvRowBytes(KvDtype dtype, int64_t width) {
  return width == 0 ? 0 : width * KvDtypeBytes(dtype) + KvScaleBytes(dtype);
}

absl::string_view KvDtypeName(KvDtype dtype) {
  switch (dtype) {
    case KvDtype::kF32:
      return "f32";
    case KvDtype::kF16:
      return "f16";
    case KvDtype::kBf16:
      return "bf16";
    case KvDtype::kInt8:
      return "int8";
  }
  return "unknown";
}

int64_t LayerGroup::LayerTokenBytes() const {
  return kv_heads * (KvRowBytes(dtype, key_width) + KvRowBytes(dtype, value_width));
}

int64_t LayerGroup::TokenBytes() const { return layers * LayerTokenBytes(); }

int64_t KvGeometry::TokenBytes() const {
  int64_t bytes = 0;
  for (const LayerGroup& group : groups) bytes += group.TokenBytes();
  return bytes;
}

int64_t KvGeometry::BlockBytes() const { return block_tokens * TokenBytes(); }

int64_t KvGeometry::BlocksFor(int64_t tokens) const {
  return tokens / block_tokens + (tokens % block_tokens != 0 ? 1 : 0);
}

absl::Status KvGeometry::Validate() const {
  if (block_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache geometry: block_tokens must be at least 1, got ", block_tokens,
                     "; give a larger one"));
  }
  if (groups.empty()) {
    return absl::InvalidArgumentError(
        "cache geometry: groups must name at least one group of layers, got none");
  }
  int64_t block_bytes = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    const LayerGroup& group = groups[i];
    if (absl::Status status = CheckGroup(static_cast<int>(i), group); !status.ok()) return status;
    // Two ints add up to less than 2^32, times the dtype's bytes and with scales to less than 2^35.
    int64_t bytes =
        KvRowBytes(group.dtype, group.key_width) + KvRowBytes(group.dtype, group.value_width);
    if (!Multiply(bytes, group.kv_heads, &bytes) || !Multiply(bytes, group.layers, &bytes) ||
        !Multiply(bytes, block_tokens, &bytes) ||
        __builtin_add_overflow(block_bytes, bytes, &block_bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "cache geometry: a block needs more than the largest size of ",
          std::numeric_limits<int64_t>::max(), " bytes at group ", i, " (", group.layers,
          " layers, ", group.kv_heads, " KV heads, widths ", group.key_width, " and ",
          group.value_width, ", ", block_tokens, " tokens); give smaller sizes"));
    }
  }
  return absl::OkStatus();
}

}  // namespace plumbline
