// y = x W^T for weight matrices packed once at load: the only place that knows oneDNN.
//
// Rows are independent to the bit (README, "Same bits"): a step of any number of rows runs as calls
// of up to 512 rows. On CPUs with AMX bf16 and int8 matrices run in tiles of our own
// (matmul_tiles.h). Elsewhere, and in f32, the library multiplies, in sizes that are compiled
// ahead, so that nothing is compiled in a steady step: slices of outputs, where it reads weights in
// blocks (matmul_slices.h), but for a few rows, which read the same weights faster by a kernel of
// our own that gives the same bits (matmul_columns.h); on older CPUs whole products, in which rows
// that are no compiled size read the weights once more. 4-bit weights are read once for all rows of
// a step (matmul_q4.h).
#ifndef PLUMBLINE_ENGINE_MATMUL_H_
#define PLUMBLINE_ENGINE_MATMUL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/result_block.h"
#include "engine/weight_dtype.h"
#include "engine/weight_rows.h"

namespace plumbline {

inline constexpr int kMatmulCallRows = 512;
inline constexpr int kMatmulRowStep = 32;

// The library's engine, stream and scratch, shared by the matrices of a model. One thread at a
// time; calls use `threads` threads.
class MatmulContext {
 public:
  static absl::StatusOr<std::unique_ptr<MatmulContext>> Create(int threads);
  ~MatmulContext();
  int threads() const;
  // Matrices packed from now on lie side by side within so many bytes, in large pages; those for
  // which that is too little have memory of their own. The context outlives them all.
  // REQUIRES: no matrix was packed yet; bytes >= 0.
  void ReserveWeights(int64_t bytes);
  // Bytes of the scratch that all calls share.
  int64_t scratch_bytes() const;

  struct Implementation {
    std::string name;               // "tiles:bf16", or the library's, e.g. "brg:avx512_core_bf16"
    bool rows_independent = false;  // a row's bits are the same for every number of rows
    bool blocked = false;           // weights are packed in blocks (memory_plan.h)
    bool packed_as_read = false;    // without plain rows of the whole matrix first
  };
  // What a matrix of this shape would run with. Compiles its calls, as PackedMatrix::Create does
  // for the first matrix of a shape. Errors as there.
  absl::StatusOr<Implementation> Probe(int64_t outputs, int64_t inputs, WeightDtype dtype);

 private:
  friend class PackedMatrix;
  struct Impl;
  explicit MatmulContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What multiplies a matrix: the fastest there is, or the library in any case (in which rows may
// depend on their number: for measurements).
enum class MatmulPath : uint8_t { kFastest, kLibrary };

// A weight matrix [outputs, inputs] in the layout that this machine multiplies from.
class PackedMatrix {
 public:
  // Reads W a few rows at a time by all threads, rounds it to `dtype` and packs it. `context` is
  // not owned.
  // FailedPrecondition where the library cannot multiply in `dtype` here; ResourceExhausted for
  // memory; errors of ReadWeights (weight_rows.h) as they are.
  static absl::StatusOr<std::unique_ptr<PackedMatrix>> Create(
      MatmulContext& context, int64_t outputs, int64_t inputs, WeightDtype dtype,
      WeightRowSource rows, MatmulPath path = MatmulPath::kFastest);
  ~PackedMatrix();

  // Every result of x [rows, inputs] W^T goes to `sink` in f32, block by block while the product is
  // computed, by the thread that computed it. x is in the matrix's dtype: in int8 and q4 the u8
  // elements of QuantizeRow, with a scale for each row; x_scales is not read otherwise. `room` is
  // for [rows, outputs]: a block may stand where it belongs in it, or elsewhere, and the sink may
  // write any of its results to where it belongs. `on_call` is told of every call (in q4 there is
  // one for all rows) when the sink has had its results: its first row and its number of rows.
  // Internal error where the library fails; ResourceExhausted where q4 wants more room for so many
  // rows than there is.
  absl::Status RunInto(int64_t rows, const std::byte* x, const float* x_scales, float* room,
                       ResultSink sink, absl::FunctionRef<void(int64_t row, int64_t rows)> on_call);

  // The product alone, for measurements: y [rows, outputs] in f32, but in int8 and q4 the s32 sums
  // of whole numbers. They are exact whatever the library runs: where its products add up in 16
  // bits, each is made of two (SplitHalves). Errors as in RunInto.
  absl::Status Run(int64_t rows, const std::byte* x, float* y,
                   absl::FunctionRef<void(int64_t row, int64_t rows)> on_call);

  int64_t outputs() const;
  int64_t inputs() const;
  // Bytes of the elements that a call reads: outputs x inputs in the dtype, without padding. In q4
  // with the blocks' scales.
  int64_t element_bytes_read() const;
  // Bytes that turning sums into f32 reads beside them: of the outputs' scales and offsets; 0 but
  // in int8 and q4.
  int64_t channel_bytes() const;
  // Bytes of the packed buffer (padding included), and channel_bytes().
  int64_t packed_bytes() const;
  // As MatmulContext::Implementation names it.
  std::string implementation() const;
  // Whether a row's result is the same bits for every number of rows, on this implementation.
  bool rows_independent() const;
  // Whether the library multiplies whole products with threads of its own: not in a crew (crew.h),
  // where RunInto and Run return FailedPrecondition.
  bool has_own_threads() const;

 private:
  struct Impl;
  explicit PackedMatrix(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A matrix of f32 in plain row-major order, rows `stride` floats apart. Not owned.
struct PlainMatrix {
  const float* data = nullptr;
  int64_t stride = 0;
};

// c [rows, columns] = (accumulate ? c : 0) + a [rows, inner] b, in f32, nothing packed ahead: for
// operands that are themselves computed. b is [inner, columns], or [columns, inner] where
// `transpose_b`. Uses `threads` threads; one, within a parallel loop. The library packs parts of
// the operands in memory of its own as it goes. Internal error where the library fails.
struct PlainProduct {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t inner = 0;
  PlainMatrix a;
  PlainMatrix b;
  bool transpose_b = false;
  bool accumulate = false;
};
absl::Status MultiplyPlain(const PlainProduct& product, int threads, float* c, int64_t c_stride);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_H_
