// In which arithmetic attention over a cache runs.
#ifndef PLUMBLINE_ENGINE_ATTENTION_FORM_H_
#define PLUMBLINE_ENGINE_ATTENTION_FORM_H_

#include <cstdint>

#include "cache/kv_geometry.h"
#include "engine/bf16_unit.h"

namespace plumbline {

// kVectors: f32 vectors over K and V widened, for every CPU, dtype and head size
// (attention_kernels.h). kPairs, kTiles: products of bf16 with sums in f32, in the CPU's vectors of
// pairs or its tile registers, q and the softmax weights rounded to bf16 (attention_tiles.h). All
// rows of a cache are served in one form, prompt chunks and decode steps alike: a row's bits must
// not depend on its company.
enum class AttentionForm : uint8_t { kVectors, kPairs, kTiles };

// kPairs and kTiles, which differ in their products alone: cache, cutting and counts are the same.
inline constexpr bool MultipliesBf16(AttentionForm form) { return form != AttentionForm::kVectors; }

// The form for a cache on a machine where `unit` multiplies bf16: for bf16 whose heads fill runs of
// 32 elements. Pure.
AttentionForm AttentionFormWith(Bf16Unit unit, KvDtype dtype, int64_t head_dim);

// The same on this machine. Fixed for the life of the process. Safe from any thread.
AttentionForm AttentionFormFor(KvDtype dtype, int head_dim);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_FORM_H_
