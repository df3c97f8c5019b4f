// Products of 4-bit weights (q4_rows.h). Private to matmul*.cc: it knows oneDNN.
//
// A few rows are multiplied from the 4 bits as they are stored. For more, some of the outputs at a
// time are unpacked to int8 weights, few enough to stay in a core's cache, and multiplied with all
// rows as int8 is: in tiles (matmul_tiles.h), or by the library's calls and in its own layout. Sums
// are the same whole numbers either way.
#ifndef PLUMBLINE_ENGINE_MATMUL_Q4_H_
#define PLUMBLINE_ENGINE_MATMUL_Q4_H_

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <utility>

#include "engine/matmul_calls.h"
#include "engine/q4_rows.h"
#include "engine/result_block.h"
#include "engine/untouched_array.h"

namespace plumbline {

// The outputs that are unpacked together, of a matrix of this shape; the last panel may have fewer.
int64_t Q4PanelOutputs(int64_t outputs, int64_t inputs);

// The calls for one matrix, by panel. None: it multiplies in tiles.
struct Q4Calls {
  CallSet* whole = nullptr;  // of a panel
  CallSet* last = nullptr;   // of the last one: `whole`, where that is as large
};

// Buffers that all q4 matrices of a context share: one product at a time.
class Q4Scratch {
 public:
  // Makes room for products of such a matrix. Throws std::bad_alloc.
  void Reserve(const Q4Calls& calls, int64_t outputs, int64_t inputs);
  int64_t bytes() const;

 private:
  friend class Q4Product;
  UntouchedArray<std::byte> panel_;  // weights as the library takes them
  UntouchedArray<std::byte> plain_;  // the same row by row, where its layout is not known here
  UntouchedArray<int32_t> sums_;     // of some rows with a panel's outputs
  UntouchedArray<std::byte> rows_;   // a few rows, filled up to whole blocks of inputs
};

// What a product runs on.
struct Q4Machine {
  const dnnl::engine& engine;
  dnnl::stream& stream;
  int threads;
  std::byte* library_scratch;  // or that of Q4TileScratchBytes
  Q4Scratch& scratch;
};

int64_t Q4TileScratchBytes(int64_t outputs, int64_t inputs, int threads, int64_t rows);

class Q4Product {
 public:
  // Takes the weights as they are. The calls are not owned.
  Q4Product(Q4Matrix weights, const Q4Calls& calls) : weights_(std::move(weights)), calls_(calls) {}

  // The sums of x [rows, inputs] with every output. True: they lie in y, [rows, outputs]. False:
  // `sink` had all of them. Throws dnnl::error. REQUIRES: the scratch has room for this matrix.
  bool Run(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
           ResultSink sink) const;
  int64_t bytes() const { return weights_.bytes(); }
  const Q4Calls& calls() const { return calls_; }

 private:
  void RunDirect(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y) const;
  void RunTiles(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                ResultSink sink) const;
  void RunPanels(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y) const;
  // The outputs from `first` on, as many as the calls are for, into the scratch's panel.
  void Unpack(const Q4Machine& machine, const CallSet& calls, int64_t first) const;
  // A tile with what fills it up to so many rows of 64 bytes: zeros behind the inputs' whole
  // blocks, and all of them where the tile is behind the last output.
  void UnpackTile(int64_t tile, int64_t rows, const Q4Strides& strides, std::byte* to) const;
  void UnpackBlocked(const Q4Machine& machine, const CallSet& calls, int64_t first) const;
  void UnpackPlain(const Q4Machine& machine, const CallSet& calls, int64_t first) const;

  Q4Matrix weights_;
  Q4Calls calls_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_Q4_H_
