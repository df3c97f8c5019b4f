#include "engine/matmul_columns.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/page_ahead.h"
#include "engine/parallel.h"
#include "engine/rounding.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace plumbline {

#if defined(__x86_64__)

namespace {

// For this file alone: see attention_tiles.cc.
#define PLUMBLINE_VECTORS __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,avx512vnni")))

constexpr int kLanes = 16;     // outputs of a vector
constexpr int kVectors = 4;    // of a column
constexpr int kBlockRows = 6;  // whose sums stay in registers
constexpr int kLine = 64;
constexpr int64_t kLinesAheadBytes = 1024;

// One word of x of each row, over all outputs of a column, is added to the sums.
template <WeightDtype kDtype>
PLUMBLINE_VECTORS inline __m512 AddProducts(__m512 sum, __m512 x, __m512 w) {
  if constexpr (kDtype == WeightDtype::kF32) {
    return _mm512_fmadd_ps(x, w, sum);
  } else if constexpr (kDtype == WeightDtype::kBf16) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  } else {
    // GCC 12 reads w from memory in each intrinsic, and then keeps sums there for want of
    // registers.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
  }
}

// Some neighbouring rows of x, and where their sums of one column go.
struct ColumnRows {
  const std::byte* x;
  int64_t row_bytes;
  std::byte* y;
  int64_t y_row_bytes;
  int64_t outputs;  // of the column that exist
};

// Words of some rows' sums over one chunk: [rows, kColumnOutputs].
using ChunkSums = std::array<float, kBlockRows * kColumnOutputs>;

// Sums over bytes [from, to) of each row.
template <WeightDtype kDtype, int kRows>
PLUMBLINE_VECTORS void MultiplyChunk(const ColumnRows& rows, const std::byte* weights, int64_t from,
                                     int64_t to, ChunkSums& out) {
  __m512 sums[kRows][kVectors] = {};
  const std::byte* x = rows.x + from;
  const int64_t row_bytes = rows.row_bytes;
  for (int64_t at = from; at < to; at += kColumnWordBytes, weights += kColumnStepBytes) {
    FetchPageAhead(weights, kColumnStepBytes);
    __m512 w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const std::byte* line = weights + int64_t{v} * kLine;
      _mm_prefetch(line + kLinesAheadBytes, _MM_HINT_T0);
      w[v] = _mm512_loadu_ps(line);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      float word = 0;
      std::memcpy(&word, x + r * row_bytes, sizeof(word));
      const __m512 everywhere = _mm512_set1_ps(word);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = AddProducts<kDtype>(sums[r][v], everywhere, w[v]);
      }
    }
    x += kColumnWordBytes;
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(out.data() + (r * kVectors + v) * kLanes, sums[r][v]);
    }
  }
}

// A chunk's sums to y, or added to what is there.
void Place(const ChunkSums& sums, const ColumnRows& rows, int64_t count, bool add) {
  const auto outputs = std::min(rows.outputs, kColumnOutputs);
  for (int64_t r = 0; r < count; ++r) {
    std::byte* const y = rows.y + r * rows.y_row_bytes;
    const auto* from = reinterpret_cast<const std::byte*>(sums.data() + r * kColumnOutputs);
    if (!add) {
      std::memcpy(y, from, static_cast<size_t>(outputs) * sizeof(float));
      continue;
    }
    std::array<float, kColumnOutputs> total, more;
    std::memcpy(total.data(), y, static_cast<size_t>(outputs) * sizeof(float));
    std::memcpy(more.data(), from, sizeof(more));
    for (int64_t i = 0; i < outputs; ++i) total[i] += more[i];
    std::memcpy(y, total.data(), static_cast<size_t>(outputs) * sizeof(float));
  }
}

template <WeightDtype kDtype, int kRows>
void MultiplyColumn(const ColumnRows& rows, const std::byte* weights) {
  const int64_t bytes = WeightDtypeBytes(kDtype);
  const int64_t inputs = rows.row_bytes / bytes;
  const int64_t chunk = ColumnChunkInputs(kDtype, inputs);
  ChunkSums sums;
  for (int64_t first = 0; first < inputs; first += chunk) {
    const int64_t from = first * bytes;
    MultiplyChunk<kDtype, kRows>(rows, weights + from / kColumnWordBytes * kColumnStepBytes, from,
                                 std::min(inputs, first + chunk) * bytes, sums);
    Place(sums, rows, kRows, first > 0);
  }
}

#undef PLUMBLINE_VECTORS

using Kernel = void (*)(const ColumnRows&, const std::byte*);
// By number of rows, from one.
template <WeightDtype kDtype>
constexpr std::array<Kernel, kBlockRows> kKernels = {
    MultiplyColumn<kDtype, 1>, MultiplyColumn<kDtype, 2>, MultiplyColumn<kDtype, 3>,
    MultiplyColumn<kDtype, 4>, MultiplyColumn<kDtype, 5>, MultiplyColumn<kDtype, 6>};

const std::array<Kernel, kBlockRows>& KernelsOf(WeightDtype dtype) {
  if (dtype == WeightDtype::kF32) return kKernels<WeightDtype::kF32>;
  return dtype == WeightDtype::kBf16 ? kKernels<WeightDtype::kBf16> : kKernels<WeightDtype::kInt8>;
}

}  // namespace

void MultiplyColumns(const ColumnProduct& p, ResultSink sink) {
  const std::array<Kernel, kBlockRows>& kernels = KernelsOf(p.dtype);
  const int64_t row_bytes = p.inputs * WeightDtypeBytes(p.dtype);
  const int64_t words = ColumnWords(row_bytes);
  const int64_t y_row_bytes = p.outputs * int64_t{sizeof(float)};
  const auto multiply = [&](int64_t column) {
    const int64_t first = column * kColumnOutputs;
    for (int64_t row = 0; row < p.rows; row += kBlockRows) {
      const auto count = static_cast<size_t>(std::min<int64_t>(kBlockRows, p.rows - row));
      auto* const y = reinterpret_cast<std::byte*>(p.y + row * p.outputs + first);
      kernels[count - 1]({p.x + row * row_bytes, row_bytes, y, y_row_bytes, p.outputs - first},
                         p.weights + column * words * kColumnStepBytes);
    }
  };
  ParallelRuns(p.threads, CeilDiv(p.outputs, kColumnOutputs),
               [&](int64_t begin, int64_t end, int64_t) {
                 for (int64_t column = begin; column < end; ++column) multiply(column);
                 const int64_t first = begin * kColumnOutputs;
                 const int64_t outputs = std::min(end * kColumnOutputs, p.outputs) - first;
                 sink({0, p.rows, first, outputs, p.y + first, p.outputs});
               });
}

#else  // other CPUs have no such vectors

void MultiplyColumns(const ColumnProduct&, ResultSink) {}

#endif

}  // namespace plumbline
