// The library's calls for one shape of packed matrix. Private to matmul*.cc: it knows oneDNN.
#ifndef PLUMBLINE_ENGINE_MATMUL_CALLS_H_
#define PLUMBLINE_ENGINE_MATMUL_CALLS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <memory>
#include <string>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/matmul_sizes.h"
#include "engine/weight_dtype.h"

namespace plumbline {

absl::Status FromLibrary(const dnnl::error& error, absl::string_view what);

struct CallShape {
  int64_t outputs = 0;
  int64_t inputs = 0;
  WeightDtype dtype = WeightDtype::kF32;
  bool adds = false;  // y += x W^T instead of y = x W^T

  bool operator<(const CallShape& other) const {
    return std::tie(outputs, inputs, dtype, adds) <
           std::tie(other.outputs, other.inputs, other.dtype, other.adds);
  }
};

// One cached size: the primitive and its operands, whose memory is set for each run.
struct LibraryCall {
  dnnl::matmul primitive;
  dnnl::memory x, y, scratch;
};

// All calls of one shape, shared by the matrices that have it.
struct CallSet {
  CallShape shape;
  dnnl::memory::desc weights;  // the layout for many rows; calls of every size take it
  int64_t least_rows = 1;      // of one call: fewer are padded with rows of zeros
  std::string implementation;  // of every call
  bool rows_independent = true;
  bool split = false;  // each call is made of two, of halves of x
  size_t library_scratch_bytes = 0;
  size_t scratch_bytes = 0;  // with the halves and one half's sums, or padded rows
  std::array<LibraryCall, kMatmulSizes> calls;

  // x [rows, inputs], dense; y [rows, outputs]. Throws dnnl::error. REQUIRES: rows is a cached
  // size.
  void Execute(dnnl::stream& stream, const dnnl::memory& w, int64_t rows, const std::byte* x,
               std::byte* y, std::byte* scratch);

 private:
  void ExecuteOnce(dnnl::stream& stream, const dnnl::memory& w, int64_t rows, const std::byte* x,
                   void* y, std::byte* scratch);
  void ExecutePadded(dnnl::stream& stream, const dnnl::memory& w, int64_t rows, const std::byte* x,
                     std::byte* y, std::byte* scratch);
  void ExecuteInHalves(dnnl::stream& stream, const dnnl::memory& w, int64_t rows,
                       const std::byte* x, int32_t* y, std::byte* scratch);
};

// Compiles every size at once: nothing is compiled in a steady step. Throws dnnl::error.
std::unique_ptr<CallSet> MakeCallSet(const dnnl::engine& engine, const CallShape& shape);

// The inputs that one call may take, of a matrix's `inputs` from some place on, if rows are to be
// independent of their number. All of them, but for AMX: there the library adds up runs of inputs
// apart, and cuts them by the number of rows and threads. Up to 512 inputs it was never seen to,
// nor for a multiple of 64 up to 960 (rows 1 to 512, 1 to 16 threads); we stay below.
int64_t PanelInputs(const dnnl::engine& engine, const CallShape& shape);

// The inputs [first, first + shape.inputs) of plain rows of `row_inputs` elements each, packed.
dnnl::memory PackPanel(const dnnl::engine& engine, dnnl::stream& stream, const CallSet& set,
                       int64_t row_inputs, std::byte* plain, int64_t first);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_CALLS_H_
