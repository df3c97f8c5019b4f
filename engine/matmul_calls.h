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
#include <vector>

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

  bool operator<(const CallShape& other) const {
    return std::tie(outputs, inputs, dtype) < std::tie(other.outputs, other.inputs, other.dtype);
  }
};

// One cached size: the primitive and its operands, whose memory is set for each run.
struct LibraryCall {
  dnnl::matmul primitive;
  dnnl::memory x, y, scratch;
};

// What a thread that makes calls has for itself.
struct Caller {
  dnnl::stream stream;
  dnnl::memory w;
  std::array<LibraryCall, kMatmulSizes> calls;
};

// How many threads make calls at a time, and how many each call runs on.
struct CallThreads {
  int callers = 1;
  int of_a_call = 1;
};

// All calls of one shape, shared by the matrices that have it.
struct CallSet {
  CallShape shape;
  dnnl::memory::desc weights;  // the layout for many rows; calls of every size take it
  std::string implementation;  // of every call
  bool rows_independent = true;
  bool in_columns = false;  // the layout is that of matmul_columns.h
  bool split = false;       // each call is made of two, of halves of x
  size_t library_scratch_bytes = 0;
  size_t scratch_bytes = 0;  // of a caller, with the halves and one half's sums
  std::vector<Caller> callers;

  int64_t weight_bytes() const { return static_cast<int64_t>(weights.get_size()); }
  // Whether MultiplyColumns multiplies from the same weights, on the instructions that calls use.
  bool multiplies_columns() const;
  // w: as packed for the calls; x [rows, inputs], dense; y [rows, outputs]; scratch: the caller's
  // own. Rows run in cached sizes, one after the other. Each caller runs one at a time. What the
  // library says, dnnl_success unless it failed. REQUIRES: rows <= the most that were compiled.
  dnnl_status_t Execute(int caller, const std::byte* w, int64_t rows, const std::byte* x,
                        std::byte* y, std::byte* scratch);

 private:
  dnnl_status_t ExecuteOnce(Caller& caller, int64_t rows, const std::byte* x, void* y,
                            std::byte* scratch);
  dnnl_status_t ExecuteInHalves(Caller& caller, int64_t rows, const std::byte* x, int32_t* y,
                                std::byte* scratch);
};

// Compiles every size up to `most_rows` at once: nothing is compiled in a steady step. Throws
// dnnl::error. REQUIRES: most_rows <= kMatmulCallRows.
std::unique_ptr<CallSet> MakeCallSet(const dnnl::engine& engine, const CallShape& shape,
                                     const CallThreads& threads, int64_t most_rows);

// Whether calls give the bits of MultiplyColumns: f32 and bf16 are tried once in a process, with
// random operands of either length of chunks; sums of whole numbers are exact. Throws dnnl::error.
// Safe from any thread.
bool AddsAsColumns(WeightDtype dtype);

// Packs plain rows for the calls into `room`, which has set.weight_bytes(). Throws dnnl::error.
void PackRows(const dnnl::engine& engine, const CallSet& set, std::byte* plain, std::byte* room);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_CALLS_H_
