#include "tools/numeric_options.h"

#include "engine/machine.h"
#include "spdlog/spdlog.h"

namespace plumbline {
namespace {

constexpr char kAuto[] = "auto";

}  // namespace

std::vector<std::string> WeightWords() {
  std::vector<std::string> words = {kAuto};
  for (const WeightDtype dtype : kWeightDtypes) words.emplace_back(WeightDtypeName(dtype));
  return words;
}

std::vector<std::string> KvWords() {
  std::vector<std::string> words = {kAuto};
  for (const KvDtype dtype : kKvDtypes) words.emplace_back(KvDtypeName(dtype));
  return words;
}

WeightDtype ChooseWeights(const std::string& weights) {
  for (const WeightDtype dtype : kWeightDtypes) {
    if (weights == WeightDtypeName(dtype)) return dtype;
  }
  return HasFastBf16() ? WeightDtype::kBf16 : WeightDtype::kF32;
}

NumericTypes ChooseNumericTypes(const std::string& weights, const std::string& kv_dtype) {
  if (weights == kAuto && !HasFastBf16()) {
    spdlog::warn("this CPU has no bf16 products (AVX512_BF16): the weights run as f32");
  }
  NumericTypes types;
  types.weights = ChooseWeights(weights);
  types.kv_dtype = types.weights == WeightDtype::kF32 ? KvDtype::kF32 : KvDtype::kBf16;
  for (const KvDtype dtype : kKvDtypes) {
    if (kv_dtype == KvDtypeName(dtype)) types.kv_dtype = dtype;
  }
  return types;
}

}  // namespace plumbline
