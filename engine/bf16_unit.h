// What multiplies bf16 in this process.
#ifndef PLUMBLINE_ENGINE_BF16_UNIT_H_
#define PLUMBLINE_ENGINE_BF16_UNIT_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace plumbline {

// kNone: nothing does; it is widened to f32. kPairs: vectors, two elements of each sum at a time
// (AVX512_BF16). kTiles: tile registers (AMX), which multiply int8, too.
enum class Bf16Unit : uint8_t { kNone, kPairs, kTiles };

// The best that the CPU has, the system lets this process use (tile_registers.h), and oneDNN is not
// held back from (ONEDNN_MAX_CPU_ISA). Fixed for the life of the process. Safe from any thread.
Bf16Unit UsedBf16Unit();

// "none", "pairs", "tiles".
absl::string_view Bf16UnitName(Bf16Unit unit);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_BF16_UNIT_H_
