#include "engine/attention_form.h"

#include "engine/attention_tiles.h"

namespace plumbline {

AttentionForm AttentionFormWith(Bf16Unit unit, KvDtype dtype, int64_t head_dim) {
  const bool fits = dtype == KvDtype::kBf16 && head_dim % kTileRun == 0;
  if (!fits || unit == Bf16Unit::kNone) return AttentionForm::kVectors;
  return unit == Bf16Unit::kTiles ? AttentionForm::kTiles : AttentionForm::kPairs;
}

AttentionForm AttentionFormFor(KvDtype dtype, int head_dim) {
  return AttentionFormWith(UsedBf16Unit(), dtype, head_dim);
}

}  // namespace plumbline
