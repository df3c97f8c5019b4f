// Between f32 and the forms in which keys, values and activations are stored.
#ifndef PLUMBLINE_ENGINE_KV_CONVERT_H_
#define PLUMBLINE_ENGINE_KV_CONVERT_H_

#include <cstddef>

#include "cache/kv_geometry.h"

namespace plumbline {

// Widens `count` elements, exactly. Safe from any thread, like NarrowFromF32.
void WidenToF32(KvDtype dtype, const std::byte* from, int count, float* to);
// Rounds `count` elements to nearest even (f32: copies). NaN stays NaN.
void NarrowFromF32(KvDtype dtype, const float* from, int count, std::byte* to);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_KV_CONVERT_H_
