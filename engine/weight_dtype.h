// The numeric form of weight matrices and of the activations that meet them.
#ifndef PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_
#define PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace plumbline {

// Sums are f32 in the first two, and whole numbers in int8: weights are s8 with one f32 scale for
// each output, activations u8 (zero is 128) with one f32 scale for each row, so that the product of
// a row and an output is an exact sum times two scales. q4 is int8 whose weights are stored in
// fewer bits (q4_rows.h); activations and sums are the same.
enum class WeightDtype : uint8_t { kF32, kBf16, kInt8, kQ4 };
inline constexpr std::array<WeightDtype, 4> kWeightDtypes = {WeightDtype::kF32, WeightDtype::kBf16,
                                                             WeightDtype::kInt8, WeightDtype::kQ4};

// Whether sums are whole numbers, and activations rows of 8-bit numbers with a scale.
constexpr bool IsWhole(WeightDtype dtype) {
  return dtype == WeightDtype::kInt8 || dtype == WeightDtype::kQ4;
}

// Bytes of an activation, and of an embedding's element. A matrix's weights: WeightRowBytes.
constexpr int WeightDtypeBytes(WeightDtype dtype) {
  switch (dtype) {
    case WeightDtype::kF32:
      return 4;
    case WeightDtype::kBf16:
      return 2;
    case WeightDtype::kInt8:
    case WeightDtype::kQ4:
      return 1;
  }
  return 4;
}

// In q4 weights come in blocks of neighbours: four bits each, and a byte for the block.
inline constexpr int64_t kQ4BlockInputs = 32;
inline constexpr int64_t kQ4StoredBlockBytes = kQ4BlockInputs / 2 + 1;

// Bytes of one output's weights, without what it has beside them (WeightChannelBytes).
constexpr int64_t WeightRowBytes(WeightDtype dtype, int64_t inputs) {
  if (dtype != WeightDtype::kQ4) return inputs * WeightDtypeBytes(dtype);
  return (inputs + kQ4BlockInputs - 1) / kQ4BlockInputs * kQ4StoredBlockBytes;
}

constexpr absl::string_view WeightDtypeName(WeightDtype dtype) {
  switch (dtype) {
    case WeightDtype::kF32:
      return "f32";
    case WeightDtype::kBf16:
      return "bf16";
    case WeightDtype::kInt8:
      return "int8";
    case WeightDtype::kQ4:
      return "q4";
  }
  return "unknown";
}

// Of the rows of the embedding, and of learned positions. A step reads one row for each token: int8
// would save little and lose a bit of every one, so they are bf16 beside matrices of whole numbers.
constexpr WeightDtype EmbeddingDtype(WeightDtype weights) {
  return IsWhole(weights) ? WeightDtype::kBf16 : weights;
}

// What a matrix of whole numbers has beside its elements, for each output: an f32 scale and the s32
// sum that the activations' zero adds.
constexpr int WeightChannelBytes(WeightDtype dtype) { return IsWhole(dtype) ? 8 : 0; }

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_
