#include "engine/attention_form.h"

#include "engine/attention_tiles.h"
#include "engine/tile_registers.h"

namespace plumbline {

AttentionForm AttentionFormWith(bool tiles, KvDtype dtype, int64_t head_dim) {
  const bool fits = dtype == KvDtype::kBf16 && head_dim % kTileRun == 0;
  return fits && tiles ? AttentionForm::kTiles : AttentionForm::kVectors;
}

AttentionForm AttentionFormFor(KvDtype dtype, int head_dim) {
  return AttentionFormWith(UsesTiles(), dtype, head_dim);
}

}  // namespace plumbline
