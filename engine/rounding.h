// Whole numbers rounded up.
#ifndef PLUMBLINE_ENGINE_ROUNDING_H_
#define PLUMBLINE_ENGINE_ROUNDING_H_

#include <cstdint>

namespace plumbline {

// REQUIRES: a >= 0, b > 0, and a + b does not overflow.
constexpr int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
// To a multiple of `to`. REQUIRES: as CeilDiv.
constexpr int64_t RoundUp(int64_t value, int64_t to) { return CeilDiv(value, to) * to; }

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ROUNDING_H_
