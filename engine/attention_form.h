// In which arithmetic attention over a cache runs.
#ifndef PLUMBLINE_ENGINE_ATTENTION_FORM_H_
#define PLUMBLINE_ENGINE_ATTENTION_FORM_H_

#include <cstdint>

#include "cache/kv_geometry.h"

namespace plumbline {

// kVectors: f32 vectors over K and V widened, for every CPU, dtype and head size
// (attention_kernels.h). kTiles: products of bf16 with sums in f32 in the CPU's tile registers, q
// and the softmax weights rounded to bf16 (attention_tiles.h). All rows of a cache are served in
// one form, prompt chunks and decode steps alike: a row's bits must not depend on its company.
enum class AttentionForm : uint8_t { kVectors, kTiles };

// The form for a cache on a machine with or without tile registers to use: tiles for bf16 whose
// heads fill them. Pure.
AttentionForm AttentionFormWith(bool tiles, KvDtype dtype, int64_t head_dim);

// The same on this machine, which has them where the CPU does and the system lets this process use
// them (tile_registers.h). Fixed for the life of the process. Safe from any thread.
AttentionForm AttentionFormFor(KvDtype dtype, int head_dim);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_FORM_H_
