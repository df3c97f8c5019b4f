#include "engine/matmul.h"

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/crew.h"
#include "engine/int8_rows.h"
#include "engine/line_weights.h"
#include "engine/matmul_calls.h"
#include "engine/matmul_columns.h"
#include "engine/matmul_context.h"
#include "engine/matmul_q4.h"
#include "engine/matmul_slices.h"
#include "engine/matmul_tiles.h"
#include "engine/parallel.h"
#include "engine/untouched_array.h"

namespace plumbline {

struct PackedMatrix::Impl {
  MatmulContext::Impl& context;
  TileShape shape;
  Int8Channels channels;
  // One of these has the weights: as tiles, or as the calls read them.
  UntouchedArray<std::byte> packed;
  std::unique_ptr<Q4Product> q4;
  SliceCalls slices;           // none: in tiles, or by the library alone
  bool columns = false;        // a few rows go around the calls (matmul_columns.h)
  CallSet* library = nullptr;  // whole products by the library

  MatmulContext::Implementation Description() const {
    const SliceCalls& calls = q4 != nullptr ? q4->calls() : slices;
    if (calls.each != nullptr) return Describe({calls.each, calls.last});
    if (library != nullptr) return Describe({library});
    return DescribeTiles(shape.dtype);
  }
  absl::Status LoadQ4(WeightRowSource rows);
  absl::Status LoadLines(WeightRowSource rows, const LineLayout& layout);
  absl::Status LoadTiles(WeightRowSource rows);
  absl::Status LoadSlices(WeightRowSource rows);  // or for the library
  absl::Status LoadForLibrary(WeightRowSource rows);
  absl::Status Load(WeightRowSource rows, MatmulPath path);
  // The product of a call, by the library and all threads. Throws dnnl::error.
  void ExecuteWhole(int64_t rows, const std::byte* x, float* y, ResultSink sink);
  // Gives `sink` the product of at most kMatmulCallRows rows (of all, in q4), unfinished.
  void Execute(int64_t rows, const std::byte* x, float* y, ResultSink sink);
  // How many of so many rows the next call takes.
  int64_t CallRows(int64_t rows) const {
    if (q4 != nullptr) return rows;
    return std::min<int64_t>(rows, kMatmulCallRows);
  }
  // Calls execute(first row, rows) for every call.
  absl::Status ForCalls(int64_t rows, absl::FunctionRef<void(int64_t, int64_t)> execute,
                        absl::FunctionRef<void(int64_t, int64_t)> on_call) const;
};

PackedMatrix::PackedMatrix(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedMatrix::~PackedMatrix() = default;

void PackedMatrix::Impl::Execute(int64_t rows, const std::byte* x, float* y, ResultSink sink) {
  if (q4 != nullptr) {
    context.MakeRoom(
        Q4ScratchBytes(q4->calls(), shape.outputs, shape.inputs, context.threads, rows));
    return q4->Run({context.engine, context.threads, context.scratch.get()}, rows, x,
                   reinterpret_cast<int32_t*>(y), sink);
  }
  std::byte* const scratch = context.scratch.get();
  if (library != nullptr) return ExecuteWhole(rows, x, y, sink);
  if (slices.each == nullptr) {
    return MultiplyInTiles({shape, context.threads, packed.get(), rows, x, y, scratch}, sink);
  }
  if (columns && rows <= kMostColumnRows) {
    return MultiplyColumns(
        {shape.dtype, shape.outputs, shape.inputs, context.threads, packed.get(), rows, x, y},
        sink);
  }
  MultiplySlices({slices, context.threads, rows, x, scratch}, packed.get(), sink);
}

void PackedMatrix::Impl::ExecuteWhole(int64_t rows, const std::byte* x, float* y, ResultSink sink) {
  const dnnl_status_t status = library->Execute(
      0, packed.get(), rows, x, reinterpret_cast<std::byte*>(y), context.scratch.get());
  if (status != dnnl_success) throw dnnl::error(status, "execute");
  ParallelFor(context.threads, rows, [&](int64_t row) {
    sink({row, 1, 0, shape.outputs, y + row * shape.outputs, shape.outputs});
  });
}

absl::Status PackedMatrix::Impl::LoadQ4(WeightRowSource rows) {
  Q4Weights read;
  absl::Status status =
      ReadQ4Weights(shape.outputs, shape.inputs, context.threads, rows, context.weights, &read);
  if (!status.ok()) return status;
  channels = std::move(read.channels);
  q4 = std::make_unique<Q4Product>(std::move(read.matrix),
                                   context.SlicesForQ4(shape.outputs, shape.inputs));
  return absl::OkStatus();
}

absl::Status PackedMatrix::Impl::LoadLines(WeightRowSource rows, const LineLayout& layout) {
  LineWeights read;
  absl::Status status =
      ReadLineWeights(shape, layout, context.threads, rows, context.weights, &read);
  if (!status.ok()) return status;
  channels = std::move(read.channels);
  packed = std::move(read.packed);
  return absl::OkStatus();
}

absl::Status PackedMatrix::Impl::LoadTiles(WeightRowSource rows) {
  context.MakeRoom(TileScratchBytes(shape, context.threads, kMatmulCallRows));
  return LoadLines(rows, TileLines(shape));
}

absl::Status PackedMatrix::Impl::LoadSlices(WeightRowSource rows) {
  slices = context.Slices({shape.outputs, shape.inputs, shape.dtype});
  if (slices.each == nullptr) return LoadForLibrary(rows);
  columns = slices.multiplies_columns() && AddsAsColumns(shape.dtype);
  return LoadLines(rows, ColumnLines(shape));
}

absl::Status PackedMatrix::Impl::LoadForLibrary(WeightRowSource rows) {
  library = &context.Calls({shape.outputs, shape.inputs, shape.dtype});
  PlainWeights plain;
  absl::Status status =
      ReadWeights(shape.outputs, shape.inputs, shape.dtype, context.threads, rows, &plain);
  if (!status.ok()) return status;
  channels = std::move(plain.channels);
  packed = context.weights.Take(library->weight_bytes());
  PackRows(context.engine, *library, plain.elements.get(), packed.get());
  return absl::OkStatus();
}

absl::Status PackedMatrix::Impl::Load(WeightRowSource rows, MatmulPath path) {
  if (shape.dtype == WeightDtype::kQ4) return LoadQ4(rows);
  if (path == MatmulPath::kLibrary) return LoadForLibrary(rows);
  return MultipliesInTiles(shape.dtype) ? LoadTiles(rows) : LoadSlices(rows);
}

absl::StatusOr<std::unique_ptr<PackedMatrix>> PackedMatrix::Create(MatmulContext& context,
                                                                   int64_t outputs, int64_t inputs,
                                                                   WeightDtype dtype,
                                                                   WeightRowSource rows,
                                                                   MatmulPath path) {
  const std::string what =
      absl::StrCat("pack a [", outputs, ", ", inputs, "] matrix as ", WeightDtypeName(dtype));
  try {
    MatmulContext::Impl& shared = *context.impl_;
    shared.UseThreads();
    auto impl = std::make_unique<Impl>(
        Impl{shared, {outputs, inputs, dtype}, {}, {}, nullptr, {}, false, nullptr});
    absl::Status status = impl->Load(rows, path);
    if (!status.ok()) return status;
    return std::unique_ptr<PackedMatrix>(new PackedMatrix(std::move(impl)));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, what);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory to ", what));
  }
}

absl::Status PackedMatrix::Impl::ForCalls(int64_t rows,
                                          absl::FunctionRef<void(int64_t, int64_t)> execute,
                                          absl::FunctionRef<void(int64_t, int64_t)> on_call) const {
  if (library != nullptr && Crew::Current() != nullptr) {
    return absl::FailedPreconditionError(
        "a product of the library's own threads was asked for inside a crew: run it outside");
  }
  try {
    context.UseThreads();
    for (int64_t row = 0; row < rows;) {
      const int64_t count = CallRows(rows - row);
      execute(row, count);
      on_call(row, count);
      row += count;
    }
    return absl::OkStatus();
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "multiply");
  } catch (const std::bad_alloc&) {  // q4's room grows with the rows
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory to multiply ", rows, " rows at once: run shorter steps"));
  }
}

absl::Status PackedMatrix::Run(int64_t rows, const std::byte* x, float* y,
                               absl::FunctionRef<void(int64_t, int64_t)> on_call) {
  const auto execute = [&](int64_t first, int64_t count) {
    float* const to = y + first * outputs();
    impl_->Execute(count, x + first * impl_->shape.row_bytes(), to, [&](const ResultBlock& block) {
      float* out = to + block.row * outputs() + block.output;
      const float* from = block.values;
      if (from == out) return;  // it is where it belongs
      for (int64_t row = 0; row < block.rows; ++row, out += outputs(), from += block.stride) {
        std::memcpy(out, from, static_cast<size_t>(block.outputs) * sizeof(*out));
      }
    });
  };
  return impl_->ForCalls(rows, execute, on_call);
}

absl::Status PackedMatrix::RunInto(int64_t rows, const std::byte* x, const float* x_scales,
                                   float* room, ResultSink sink,
                                   absl::FunctionRef<void(int64_t, int64_t)> on_call) {
  const bool unfinished = IsWhole(impl_->shape.dtype);
  const auto execute = [&](int64_t first, int64_t count) {
    impl_->Execute(count, x + first * impl_->shape.row_bytes(), room + first * outputs(),
                   [&](ResultBlock block) {
                     block.row += first;
                     for (int64_t row = 0; unfinished && row < block.rows; ++row) {
                       FinishInt8(impl_->channels, block.output, block.outputs,
                                  x_scales[block.row + row], block.values + row * block.stride);
                     }
                     sink(block);
                   });
  };
  return impl_->ForCalls(rows, execute, on_call);
}

int64_t PackedMatrix::outputs() const { return impl_->shape.outputs; }
int64_t PackedMatrix::inputs() const { return impl_->shape.inputs; }
int64_t PackedMatrix::element_bytes_read() const {
  return impl_->shape.outputs * WeightRowBytes(impl_->shape.dtype, impl_->shape.inputs);
}
int64_t PackedMatrix::channel_bytes() const { return impl_->channels.bytes(); }
int64_t PackedMatrix::packed_bytes() const {
  const int64_t beside = channel_bytes();
  if (impl_->q4 != nullptr) return beside + impl_->q4->bytes();
  return beside + impl_->packed.bytes();
}
std::string PackedMatrix::implementation() const { return impl_->Description().name; }
bool PackedMatrix::has_own_threads() const { return impl_->library != nullptr; }
bool PackedMatrix::rows_independent() const { return impl_->Description().rows_independent; }

}  // namespace plumbline
