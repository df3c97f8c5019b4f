// Conversion of floats to the element types of GGUF tensors.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/float_convert.h"
#include "engine/gguf_writer.h"

namespace plumbline {
namespace {

void StoreUint16(uint16_t value, std::byte* dst) { std::memcpy(dst, &value, sizeof(value)); }

// 0 where the scale is 0 or so small that its inverse is infinite (it is 0 as an F16 then).
float FiniteInverse(float scale) {
  const float inverse = 1.0F / scale;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

// NaN gives `least`: the conversion to int must be defined for every input.
int ToIntWithin(float value, float least, float most) {
  return static_cast<int>(std::fmin(std::fmax(value, least), most));
}

// The scale is the largest magnitude over 127.
void QuantizeQ8Block(const float* src, std::byte* block) {
  float magnitude = 0.0F;
  for (int i = 0; i < kQuantBlockElements; ++i) magnitude = std::fmax(magnitude, std::fabs(src[i]));
  const float scale = magnitude / 127.0F;
  const float inverse = FiniteInverse(scale);
  StoreUint16(F32ToF16(scale), block);
  for (int i = 0; i < kQuantBlockElements; ++i) {
    const int quant = ToIntWithin(std::round(src[i] * inverse), -127.0F, 127.0F);
    block[kQuantScaleBytes + i] = static_cast<std::byte>(quant);
  }
}

// The scale makes the value of largest magnitude, with its sign, exactly -8.
void QuantizeQ4Block(const float* src, std::byte* block) {
  float extreme = 0.0F;
  for (int i = 0; i < kQuantBlockElements; ++i) {
    if (std::fabs(src[i]) > std::fabs(extreme)) extreme = src[i];
  }
  const float scale = extreme / -8.0F;
  const float inverse = FiniteInverse(scale);
  StoreUint16(F32ToF16(scale), block);
  // Adding 8.5 and cutting off rounds; +8 would be 16 and is held at 15.
  const auto quantize = [inverse](float value) {
    return ToIntWithin(value * inverse + 8.5F, 0.0F, 15.0F);
  };
  constexpr int kHalf = kQuantBlockElements / 2;
  for (int i = 0; i < kHalf; ++i) {
    const int pair = quantize(src[i]) | (quantize(src[i + kHalf]) << 4);
    block[kQuantScaleBytes + i] = static_cast<std::byte>(pair);
  }
}

}  // namespace

void QuantizeRow(TensorType type, const float* src, int64_t elements, std::byte* dst) {
  const int64_t blocks = elements / TensorTypeBlockElements(type);
  const int block_bytes = TensorTypeBlockBytes(type);
  switch (type) {
    case TensorType::kF32:
      if (elements > 0) std::memcpy(dst, src, static_cast<size_t>(elements) * sizeof(float));
      break;
    case TensorType::kF16:
      for (int64_t i = 0; i < elements; ++i) StoreUint16(F32ToF16(src[i]), dst + 2 * i);
      break;
    case TensorType::kBf16:
      for (int64_t i = 0; i < elements; ++i) StoreUint16(F32ToBf16(src[i]), dst + 2 * i);
      break;
    case TensorType::kQ8_0:
      for (int64_t i = 0; i < blocks; ++i) {
        QuantizeQ8Block(src + i * kQuantBlockElements, dst + i * block_bytes);
      }
      break;
    case TensorType::kQ4_0:
      for (int64_t i = 0; i < blocks; ++i) {
        QuantizeQ4Block(src + i * kQuantBlockElements, dst + i * block_bytes);
      }
      break;
  }
}

}  // namespace plumbline
