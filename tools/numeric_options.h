// What --weights and --kv-dtype stand for.
#ifndef PLUMBLINE_TOOLS_NUMERIC_OPTIONS_H_
#define PLUMBLINE_TOOLS_NUMERIC_OPTIONS_H_

#include <array>
#include <string>
#include <vector>

#include "cache/kv_geometry.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Every cache dtype there is: commands that compare dtypes run over these, and over kWeightDtypes.
inline constexpr std::array kKvDtypes = {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16,
                                         KvDtype::kInt8};

// What --weights and --kv-dtype take: "auto", and the name of every dtype.
std::vector<std::string> WeightWords();
std::vector<std::string> KvWords();

struct NumericTypes {
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;

  bool operator==(const NumericTypes&) const = default;
};

// "f32", "bf16", "int8", "q4", or "auto": bf16 where this CPU has bf16 products, else f32. Never
// the others: they round more, so they are for the user to choose.
WeightDtype ChooseWeights(const std::string& weights);

// `weights` as above, with a warning where auto is f32. `kv_dtype`: "f32", "f16", "bf16", "int8",
// or "auto" (f32 with f32 weights, else bf16).
NumericTypes ChooseNumericTypes(const std::string& weights, const std::string& kv_dtype);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_NUMERIC_OPTIONS_H_
