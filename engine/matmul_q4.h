// Products of 4-bit weights (q4_rows.h). Private to matmul*.cc: it knows oneDNN.
//
// A few rows are multiplied from the 4 bits as they are stored. For more, some of the outputs at a
// time are unpacked to int8 weights, few enough to stay in a core's cache, and multiplied with all
// rows as int8 is: in tiles (matmul_tiles.h), or in slices by the library's calls and in its own
// layout (matmul_slices.h). Sums are the same whole numbers either way.
#ifndef PLUMBLINE_ENGINE_MATMUL_Q4_H_
#define PLUMBLINE_ENGINE_MATMUL_Q4_H_

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <utility>

#include "engine/matmul_slices.h"
#include "engine/q4_rows.h"
#include "engine/result_block.h"

namespace plumbline {

// What a product runs on.
struct Q4Machine {
  const dnnl::engine& engine;
  int threads;
  std::byte* scratch;  // Q4ScratchBytes for as many rows
};

// calls: of int8 matrices of this shape; none (each is null) where it multiplies in tiles.
int64_t Q4ScratchBytes(const SliceCalls& calls, int64_t outputs, int64_t inputs, int threads,
                       int64_t rows);

class Q4Product {
 public:
  // Takes the weights as they are. The calls are not owned; none as in Q4ScratchBytes.
  Q4Product(Q4Matrix weights, const SliceCalls& calls)
      : weights_(std::move(weights)), calls_(calls) {}

  // Gives `sink` the sums of x [rows, inputs] with every output. y is room for [rows, outputs].
  // Throws dnnl::error. REQUIRES: 0 < rows.
  void Run(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
           ResultSink sink) const;
  int64_t bytes() const { return weights_.bytes(); }
  const SliceCalls& calls() const { return calls_; }

 private:
  void RunDirect(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                 ResultSink sink) const;
  void RunTiles(const Q4Machine& machine, int64_t rows, const std::byte* x, int32_t* y,
                ResultSink sink) const;
  void RunSlices(const Q4Machine& machine, int64_t rows, const std::byte* x, ResultSink sink) const;
  // A slice as its calls take it; `plain` is room for its rows.
  void UnpackSlice(const dnnl::engine& engine, int64_t slice, std::byte* to,
                   std::byte* plain) const;
  // A tile with what fills it up to so many rows of 64 bytes: zeros behind the inputs' whole
  // blocks, and all of them where the tile is behind the last output.
  void UnpackTile(int64_t tile, int64_t rows, const Q4Strides& strides, std::byte* to) const;

  Q4Matrix weights_;
  SliceCalls calls_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_Q4_H_
