// Between f32 and the forms in which keys, values and activations are stored.
#ifndef PLUMBLINE_ENGINE_KV_CONVERT_H_
#define PLUMBLINE_ENGINE_KV_CONVERT_H_

#include <cstddef>

#include "cache/kv_geometry.h"

namespace plumbline {

// Widens `count` elements, exactly (int8: without their scale). Safe from any thread, like
// NarrowFromF32.
void WidenToF32(KvDtype dtype, const std::byte* from, int count, float* to);
// Rounds `count` elements to nearest even (f32: copies). NaN stays NaN.
// REQUIRES: not int8, which needs a scale.
void NarrowFromF32(KvDtype dtype, const float* from, int count, std::byte* to);

// The scale that `count` elements share in 8 bits: their largest magnitude / 127. NaN where one is
// not finite; 0 where all are 0, or so near it that the scale would not be a normal float.
float Int8Scale(const float* from, int count);
// Elements / scale, rounded to nearest even: -127 to 127. 0 where the scale is 0 or NaN.
// REQUIRES: `scale` is the Int8Scale of these elements, among others maybe.
void NarrowToInt8(const float* from, int count, float scale, std::byte* to);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_KV_CONVERT_H_
