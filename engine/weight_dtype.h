// The numeric form of weight matrices and of the activations that meet them.
#ifndef PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_
#define PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace plumbline {

// Sums are f32 in both.
enum class WeightDtype : uint8_t { kF32, kBf16 };

constexpr int WeightDtypeBytes(WeightDtype dtype) { return dtype == WeightDtype::kF32 ? 4 : 2; }
constexpr absl::string_view WeightDtypeName(WeightDtype dtype) {
  return dtype == WeightDtype::kF32 ? "f32" : "bf16";
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_WEIGHT_DTYPE_H_
