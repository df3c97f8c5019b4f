// What --weights and --kv-dtype stand for.
#ifndef PLUMBLINE_TOOLS_NUMERIC_OPTIONS_H_
#define PLUMBLINE_TOOLS_NUMERIC_OPTIONS_H_

#include <array>
#include <string>

#include "cache/kv_geometry.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Every dtype there is: commands that compare dtypes run over these.
inline constexpr std::array kWeightDtypes = {WeightDtype::kF32, WeightDtype::kBf16};
inline constexpr std::array kKvDtypes = {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16};

struct NumericTypes {
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;

  bool operator==(const NumericTypes&) const = default;
};

// `weights`: "f32", "bf16", or "auto" (bf16 where this CPU has bf16 products, else f32, with a
// warning). `kv_dtype`: "f32", "f16", "bf16", or "auto" (bf16 with bf16 weights, else f32).
NumericTypes ChooseNumericTypes(const std::string& weights, const std::string& kv_dtype);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_NUMERIC_OPTIONS_H_
