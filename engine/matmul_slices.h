// y = x W^T by the library, in slices of W's outputs: each slice of some rows by one thread, which
// passes the results on while they lie in its own cache. Private to matmul*.cc: it knows oneDNN.
//
// A call by all threads leaves its results in a cache that they share, or in memory, from where a
// pass over them must get them; slices of outputs read no weight twice, as slices of rows would
// (bench/README.md). Any number of rows is one product, which reads the weights once from memory,
// where calls of compiled sizes one after the other would each read them.
#ifndef PLUMBLINE_ENGINE_MATMUL_SLICES_H_
#define PLUMBLINE_ENGINE_MATMUL_SLICES_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "engine/matmul_calls.h"
#include "engine/result_block.h"

namespace plumbline {

// Threads' parts of a scratch begin so far apart, so that no two write to one line, or near it.
inline constexpr int64_t kThreadScratchStep = 4096;

// The calls for the slices of one matrix; callers are the threads, and each call runs on one.
struct SliceCalls {
  CallSet* each = nullptr;  // of all slices but the last
  CallSet* last = nullptr;
  int64_t slices = 0;

  // Of all but the last.
  int64_t outputs() const { return each->shape.outputs; }
  CallSet& Of(int64_t slice) const { return slice + 1 < slices ? *each : *last; }
  // Of a slice's weights behind the first one's.
  int64_t weight_offset(int64_t slice) const { return slice * each->weight_bytes(); }
  // Whether the weights lie in the layout of matmul_columns.h, and MultiplyColumns can read them.
  bool in_columns() const { return each->in_columns && last->in_columns; }
  bool multiplies_columns() const {
    return each->multiplies_columns() && last->multiplies_columns();
  }
  // Rows of a slice whose results are passed on together.
  int64_t rows() const;
  // Scratch of one thread.
  int64_t scratch_bytes() const;
};

struct SliceProduct {
  const SliceCalls& calls;
  int threads;
  int64_t rows;
  const std::byte* x;  // [rows, inputs]
  std::byte* scratch;  // of threads x scratch_bytes
};

// Gives `sink` all of x W^T, in f32; in int8 as s32 sums. Throws dnnl::error. REQUIRES: 0 < rows;
// no more threads than callers.
void MultiplySlices(const SliceProduct& product, const std::byte* weights, ResultSink sink);

// Gives a slice's weights as they are packed, from memory of the thread's own. Throws dnnl::error.
using SliceUnpacker = absl::FunctionRef<const std::byte*(int64_t slice, int thread)>;

// The same with weights that are stored otherwise: a thread unpacks a slice once for all rows.
void MultiplySlices(const SliceProduct& product, SliceUnpacker unpack, ResultSink sink);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_SLICES_H_
