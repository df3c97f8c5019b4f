// The numeric form of weight matrices and of the activations that meet them.
#ifndef PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_
#define PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace plumbline {

// Sums are f32 in the first two, and whole numbers in int8: weights are s8 with one f32 scale for
// each output, activations u8 (zero is 128) with one f32 scale for each row, so that the product of
// a row and an output is an exact sum times two scales.
enum class WeightDtype : uint8_t { kF32, kBf16, kInt8 };
inline constexpr std::array<WeightDtype, 3> kWeightDtypes = {WeightDtype::kF32, WeightDtype::kBf16,
                                                             WeightDtype::kInt8};

// Bytes of an element, of the weights as of the activations.
constexpr int WeightDtypeBytes(WeightDtype dtype) {
  switch (dtype) {
    case WeightDtype::kF32:
      return 4;
    case WeightDtype::kBf16:
      return 2;
    case WeightDtype::kInt8:
      return 1;
  }
  return 4;
}

constexpr absl::string_view WeightDtypeName(WeightDtype dtype) {
  switch (dtype) {
    case WeightDtype::kF32:
      return "f32";
    case WeightDtype::kBf16:
      return "bf16";
    case WeightDtype::kInt8:
      return "int8";
  }
  return "unknown";
}

// Of the rows of the embedding, and of learned positions. A step reads one row for each token: int8
// would save little and lose a bit of every one, so they are bf16 beside int8 matrices.
constexpr WeightDtype EmbeddingDtype(WeightDtype weights) {
  return weights == WeightDtype::kInt8 ? WeightDtype::kBf16 : weights;
}

// What a matrix has beside its elements, for each output: in int8 an f32 scale and the s32 sum that
// the activations' zero adds.
constexpr int WeightChannelBytes(WeightDtype dtype) { return dtype == WeightDtype::kInt8 ? 8 : 0; }

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_
