#include "engine/attention_form.h"

#include "engine/attention_tiles.h"
#include "engine/tile_registers.h"

namespace plumbline {

AttentionForm AttentionFormFor(KvDtype dtype, int head_dim) {
  const bool fits = dtype == KvDtype::kBf16 && head_dim % kTileRun == 0;
  return fits && UsesTiles() ? AttentionForm::kTiles : AttentionForm::kVectors;
}

}  // namespace plumbline
