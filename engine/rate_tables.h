// Looks up a machine profile's rates between the points that were measured, as times per unit.
#ifndef PLUMBLINE_ENGINE_RATE_TABLES_H_
#define PLUMBLINE_ENGINE_RATE_TABLES_H_

#include <cstdint>

#include "cache/kv_geometry.h"
#include "engine/machine_profile.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// Of matmul calls with some number of rows, all threads together.
struct MatmulCost {
  double mac_seconds = 0;            // hot, of each product
  double output_seconds = 0;         // hot, of each output element
  double input_seconds = 0;          // hot, of each input element
  double streamed_byte_seconds = 0;  // of weights, in matrices of kStreamedMatrix
  double row_byte_seconds = 0;       // of weights streamed for one row: memory alone
};
// The matrices whose weights were streamed.
inline constexpr MatrixSize kStreamedMatrix = {2048, 1024};

// Of one thread, for rows of one tile of attention.
struct TileCost {
  double score_seconds = 0;    // of each executed product
  double value_seconds = 0;    // of each product
  double softmax_seconds = 0;  // of each pair
  // Of them, what passes while the tile's keys and values are read: gathering where they are
  // gathered first (which no softmax waits for), else what the first micro-tile takes.
  double score_reading_seconds = 0;
  double softmax_reading_seconds = 0;
  double value_reading_seconds = 0;
};

// Seconds per byte that one row of attention takes, all threads together, where what it reads comes
// from memory.
struct StreamCost {
  double score_seconds = 0;    // of keys
  double softmax_seconds = 0;  // of keys
  double value_seconds = 0;    // of values
};

// Does not own the profile. REQUIRES: profile.Validate() is OK. Const; safe from any thread.
class RateTables {
 public:
  explicit RateTables(const MachineProfile& profile) : profile_(profile) {}

  // Seconds per byte of a read, by all threads, that goes over `working_set_bytes` again and again.
  double ReadByteSeconds(double working_set_bytes) const;
  // Share of such a read that comes from memory: 0 in a core's own cache, 1 far beyond all caches.
  double MemoryShare(double working_set_bytes) const;
  // Interpolated between row counts on logarithmic scales. A dtype that was not measured is
  // the next of int8 (for q4), bf16 and f32 that was.
  MatmulCost Matmul(WeightDtype dtype, int64_t rows) const;
  // A tile of `rows` rows runs as micro-tiles of six and a rest; from 13 rows on a narrow cache is
  // gathered first, at a cost for each key that the rows share. The head size measured nearest.
  // `keys`: of a segment, on average.
  TileCost Tile(KvDtype dtype, int64_t head_dim, int64_t rows, double keys,
                bool always_gathered) const;
  // The same of attention in the CPU's tiles, where calls have up to 32 rows: interpolated between
  // row counts on logarithmic scales. All of the first call's time passes while keys are read.
  TileCost CpuTile(KvDtype dtype, int64_t head_dim, int64_t rows, double keys) const;
  // A cache far larger than every CPU cache.
  StreamCost Stream(KvDtype dtype, double keys) const;
  const CacheRates& Cache(KvDtype dtype) const;

 private:
  // The rates of exactly these rows (the nearest that were measured); between numbers of keys
  // straight over 1 / keys.
  TileCost MeasuredTile(KvDtype dtype, int64_t head_dim, int64_t rows, double keys) const;

  const MachineProfile& profile_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_RATE_TABLES_H_
