// The CPU's tile registers (Intel AMX): whether this process may use them. Code that uses them is
// compiled for them alone (attention_tiles.cc, matmul_tile_columns.cc).
#ifndef PLUMBLINE_ENGINE_TILE_REGISTERS_H_
#define PLUMBLINE_ENGINE_TILE_REGISTERS_H_

#include <algorithm>
#include <array>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

inline constexpr int kTileRows = 16;   // of a tile register
inline constexpr int kTileBytes = 64;  // of one of its rows
inline constexpr int kTileSize = kTileRows * kTileBytes;

// Whether the CPU multiplies bf16 and int8 in tiles, oneDNN is not held back from doing so, and the
// system lets this process. Found out once. Safe from any thread.
bool UsesTiles();

// What LDTILECFG reads: palette 1.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  std::array<uint8_t, 14> reserved = {};
  std::array<uint16_t, 16> row_bytes = {};
  std::array<uint8_t, 16> rows = {};
};
static_assert(sizeof(TileConfig) == 64);

#if defined(__x86_64__)
// The compiler does not know that tiles are read from memory and written to it: what was stored is
// there from here on.
inline void FinishStores() { asm volatile("" ::: "memory"); }

// Sets up the calling thread's registers. The compiler knows of the instruction's first word alone,
// and would leave out what else is written to `config`.
__attribute__((target("amx-tile"))) inline void ConfigureTiles(const TileConfig& config) {
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

// Tiles 0 to 3, which have the sums of two by two tiles.
__attribute__((target("amx-tile"))) inline void ZeroTileSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
#endif

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_TILE_REGISTERS_H_
