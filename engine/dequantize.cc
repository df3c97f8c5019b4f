// The element types of GGUF tensors: names, sizes, conversion to float.
#include <cstring>

#include "engine/float_convert.h"
#include "engine/gguf.h"

namespace plumbline {
namespace {

uint16_t LoadUint16(const std::byte* src) {
  uint16_t value = 0;
  std::memcpy(&value, src, sizeof(value));
  return value;
}

// A block: scale, then 32 int8.
void DequantizeQ8Block(const std::byte* block, float* dst) {
  const float scale = F16ToF32(LoadUint16(block));
  const std::byte* quants = block + kQuantScaleBytes;
  for (int i = 0; i < kQuantBlockElements; ++i) {
    dst[i] = scale * static_cast<float>(std::to_integer<int8_t>(quants[i]));
  }
}

// A block: scale, then 16 bytes; low halves are elements 0 to 15, high halves 16 to 31, each the
// value plus 8.
void DequantizeQ4Block(const std::byte* block, float* dst) {
  const float scale = F16ToF32(LoadUint16(block));
  const std::byte* quants = block + kQuantScaleBytes;
  constexpr int kHalf = kQuantBlockElements / 2;
  for (int i = 0; i < kHalf; ++i) {
    const int pair = std::to_integer<int>(quants[i]);
    dst[i] = scale * static_cast<float>((pair & 0xF) - 8);
    dst[i + kHalf] = scale * static_cast<float>((pair >> 4) - 8);
  }
}

}  // namespace

absl::string_view TensorTypeName(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return "F32";
    case TensorType::kF16:
      return "F16";
    case TensorType::kQ4_0:
      return "Q4_0";
    case TensorType::kQ8_0:
      return "Q8_0";
    case TensorType::kBf16:
      return "BF16";
  }
  return "unknown";
}

int TensorTypeBlockElements(TensorType type) {
  return type == TensorType::kQ4_0 || type == TensorType::kQ8_0 ? kQuantBlockElements : 1;
}

int TensorTypeBlockBytes(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return 4;
    case TensorType::kQ4_0:
      return kQuantScaleBytes + kQuantBlockElements / 2;
    case TensorType::kQ8_0:
      return kQuantScaleBytes + kQuantBlockElements;
    case TensorType::kF16:
    case TensorType::kBf16:
      break;
  }
  return 2;
}

void DequantizeRow(TensorType type, const std::byte* src, int64_t elements, float* dst) {
  const int64_t blocks = elements / TensorTypeBlockElements(type);
  const int block_bytes = TensorTypeBlockBytes(type);
  switch (type) {
    case TensorType::kF32:
      if (elements > 0) std::memcpy(dst, src, static_cast<size_t>(elements) * sizeof(float));
      break;
    case TensorType::kF16:
      for (int64_t i = 0; i < elements; ++i) dst[i] = F16ToF32(LoadUint16(src + 2 * i));
      break;
    case TensorType::kBf16:
      for (int64_t i = 0; i < elements; ++i) dst[i] = Bf16ToF32(LoadUint16(src + 2 * i));
      break;
    case TensorType::kQ8_0:
      for (int64_t i = 0; i < blocks; ++i) {
        DequantizeQ8Block(src + i * block_bytes, dst + i * kQuantBlockElements);
      }
      break;
    case TensorType::kQ4_0:
      for (int64_t i = 0; i < blocks; ++i) {
        DequantizeQ4Block(src + i * block_bytes, dst + i * kQuantBlockElements);
      }
      break;
  }
}

}  // namespace plumbline
