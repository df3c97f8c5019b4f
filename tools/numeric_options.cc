#include "tools/numeric_options.h"

#include "engine/machine.h"
#include "spdlog/spdlog.h"

namespace plumbline {

NumericTypes ChooseNumericTypes(const std::string& weights, const std::string& kv_dtype) {
  if (weights == "auto" && !HasFastBf16()) {
    spdlog::warn("this CPU has no bf16 products (AVX512_BF16): the weights run as f32");
  }
  const bool bf16 = weights == "bf16" || (weights == "auto" && HasFastBf16());
  NumericTypes types;
  types.weights = bf16 ? WeightDtype::kBf16 : WeightDtype::kF32;
  types.kv_dtype = bf16 ? KvDtype::kBf16 : KvDtype::kF32;
  for (const KvDtype dtype : {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16}) {
    if (kv_dtype == KvDtypeName(dtype)) types.kv_dtype = dtype;
  }
  return types;
}

}  // namespace plumbline
