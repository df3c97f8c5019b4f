#include "engine/matmul.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "dnnl.hpp"
#include "engine/kv_convert.h"

namespace plumbline {
namespace {

constexpr int64_t kRowsAtOnce = 64;  // of a weight matrix being read

dnnl::memory::data_type LibraryType(WeightDtype dtype) {
  return dtype == WeightDtype::kF32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

KvDtype ConvertType(WeightDtype dtype) {
  return dtype == WeightDtype::kF32 ? KvDtype::kF32 : KvDtype::kBf16;
}

absl::Status FromLibrary(const dnnl::error& error, absl::string_view what) {
  const std::string message = absl::StrCat("oneDNN could not ", what, ": ", error.what());
  if (error.status == dnnl_out_of_memory) return absl::ResourceExhaustedError(message);
  if (error.status == dnnl_unimplemented) return absl::FailedPreconditionError(message);
  return absl::InternalError(message);
}

dnnl::matmul::primitive_desc MakeDescriptor(const dnnl::engine& engine, int64_t rows,
                                            int64_t outputs, int64_t inputs, WeightDtype dtype,
                                            const dnnl::memory::desc& weights) {
  using Tag = dnnl::memory::format_tag;
  const dnnl::memory::desc x({rows, inputs}, LibraryType(dtype), Tag::ab);
  const dnnl::memory::desc y({rows, outputs}, dnnl::memory::data_type::f32, Tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(engine, x, weights, y, attributes);
#else
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(x, weights, y), attributes, engine);
#endif
}

// One cached size: the primitive and the descriptions of its operands.
struct Call {
  dnnl::matmul primitive;
  dnnl::memory x, y;
  dnnl::memory::desc scratch;
};

// Sizes 1 to 31 and the multiples of 32 up to 512.
constexpr int kSizes = kMatmulRowStep - 1 + kMatmulCallRows / kMatmulRowStep;
int SizeIndex(int64_t rows) {
  return static_cast<int>(rows < kMatmulRowStep ? rows - 1
                                                : kMatmulRowStep - 2 + rows / kMatmulRowStep);
}

// The largest cached size that `rows` rows can start with.
int64_t NextCall(int64_t rows) {
  if (rows >= kMatmulCallRows) return kMatmulCallRows;
  return rows >= kMatmulRowStep ? rows / kMatmulRowStep * kMatmulRowStep : rows;
}

}  // namespace

struct MatmulContext::Impl {
  int threads = 1;
  dnnl::engine engine;
  dnnl::stream stream;
  std::vector<std::byte> scratch;  // of the call that runs: one at a time

  // The library takes its number of threads from the calling thread's OpenMP setting.
  void UseThreads() const { omp_set_num_threads(threads); }
};

MatmulContext::MatmulContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MatmulContext::~MatmulContext() = default;
int MatmulContext::threads() const { return impl_->threads; }

absl::StatusOr<std::unique_ptr<MatmulContext>> MatmulContext::Create(int threads) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->threads = threads;
    impl->UseThreads();
    impl->engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
    impl->stream = dnnl::stream(impl->engine);
    return std::unique_ptr<MatmulContext>(new MatmulContext(std::move(impl)));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "start");
  }
}

struct PackedMatrix::Impl {
  MatmulContext::Impl& context;
  int64_t outputs;
  int64_t inputs;
  WeightDtype dtype;
  dnnl::memory weights;
  std::string implementation;
  bool rows_independent = true;
  std::array<std::unique_ptr<Call>, kSizes> calls;

  Call& Prepare(int64_t rows);
  void Execute(int64_t rows, const std::byte* x, float* y);
};

PackedMatrix::PackedMatrix(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedMatrix::~PackedMatrix() = default;

// Makes the call of this size, the first time it is asked for.
Call& PackedMatrix::Impl::Prepare(int64_t rows) {
  std::unique_ptr<Call>& slot = calls[SizeIndex(rows)];
  if (slot != nullptr) return *slot;
  const auto descriptor =
      MakeDescriptor(context.engine, rows, outputs, inputs, dtype, weights.get_desc());
  auto call = std::make_unique<Call>();
  call->primitive = dnnl::matmul(descriptor);
  call->x = dnnl::memory(descriptor.src_desc(), context.engine, nullptr);
  call->y = dnnl::memory(descriptor.dst_desc(), context.engine, nullptr);
  call->scratch = descriptor.scratchpad_desc();
  implementation = descriptor.impl_info_str();
  rows_independent = rows_independent && absl::StartsWith(implementation, "brg");
  if (context.scratch.size() < call->scratch.get_size()) {
    context.scratch.resize(call->scratch.get_size());
  }
  slot = std::move(call);
  return *slot;
}

void PackedMatrix::Impl::Execute(int64_t rows, const std::byte* x, float* y) {
  Call& call = Prepare(rows);
  // The library reads x only; its interface takes a plain pointer.
  call.x.set_data_handle(const_cast<std::byte*>(x));
  call.y.set_data_handle(y);
  const dnnl::memory scratch(call.scratch, context.engine, context.scratch.data());
  call.primitive.execute(context.stream, {{DNNL_ARG_SRC, call.x},
                                          {DNNL_ARG_WEIGHTS, weights},
                                          {DNNL_ARG_DST, call.y},
                                          {DNNL_ARG_SCRATCHPAD, scratch}});
  context.stream.wait();
}

absl::StatusOr<std::unique_ptr<PackedMatrix>> PackedMatrix::Create(MatmulContext& context,
                                                                   int64_t outputs, int64_t inputs,
                                                                   WeightDtype dtype,
                                                                   RowSource rows) {
  const std::string what =
      absl::StrCat("pack a [", outputs, ", ", inputs, "] matrix as ", WeightDtypeName(dtype));
  try {
    MatmulContext::Impl& shared = *context.impl_;
    shared.UseThreads();
    // Plain storage first: W is read a few rows at a time and rounded into it.
    const int64_t row_bytes = inputs * WeightDtypeBytes(dtype);
    std::unique_ptr<std::byte[]> plain(new std::byte[outputs * row_bytes]);
    std::vector<float> buffer(kRowsAtOnce * inputs);
    for (int64_t row = 0; row < outputs; row += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, outputs - row);
      absl::Status status = rows(row, count, buffer.data());
      if (!status.ok()) return status;
      for (int64_t i = 0; i < count; ++i) {
        NarrowFromF32(ConvertType(dtype), buffer.data() + i * inputs, static_cast<int>(inputs),
                      plain.get() + (row + i) * row_bytes);
      }
    }
    // The layout is the one for many rows; calls of every size take it.
    using Tag = dnnl::memory::format_tag;
    const dnnl::memory::desc any({inputs, outputs}, LibraryType(dtype), Tag::any);
    const auto descriptor =
        MakeDescriptor(shared.engine, kMatmulCallRows, outputs, inputs, dtype, any);
    dnnl::memory from({{inputs, outputs}, LibraryType(dtype), Tag::ba}, shared.engine, plain.get());
    auto impl =
        std::unique_ptr<Impl>(new Impl{shared,
                                       outputs,
                                       inputs,
                                       dtype,
                                       dnnl::memory(descriptor.weights_desc(), shared.engine),
                                       "",
                                       true,
                                       {}});
    dnnl::reorder(from, impl->weights).execute(shared.stream, from, impl->weights);
    shared.stream.wait();
    // Every size at once: nothing is compiled in a steady step.
    for (int64_t size = 1; size < kMatmulRowStep; ++size) impl->Prepare(size);
    for (int64_t size = kMatmulRowStep; size <= kMatmulCallRows; size += kMatmulRowStep) {
      impl->Prepare(size);
    }
    return std::unique_ptr<PackedMatrix>(new PackedMatrix(std::move(impl)));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, what);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory to ", what));
  }
}

absl::Status PackedMatrix::Run(int64_t rows, const std::byte* x, float* y,
                               absl::FunctionRef<void(int64_t, int64_t)> on_call) {
  try {
    impl_->context.UseThreads();
    for (int64_t row = 0; row < rows;) {
      const int64_t count = NextCall(rows - row);
      impl_->Execute(count, x + row * impl_->inputs * WeightDtypeBytes(impl_->dtype),
                     y + row * impl_->outputs);
      on_call(row, count);
      row += count;
    }
    return absl::OkStatus();
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "multiply");
  }
}

int64_t PackedMatrix::outputs() const { return impl_->outputs; }
int64_t PackedMatrix::inputs() const { return impl_->inputs; }
int64_t PackedMatrix::element_bytes_read() const {
  return impl_->outputs * impl_->inputs * WeightDtypeBytes(impl_->dtype);
}
int64_t PackedMatrix::packed_bytes() const {
  return static_cast<int64_t>(impl_->weights.get_desc().get_size());
}
std::string PackedMatrix::implementation() const { return impl_->implementation; }
bool PackedMatrix::rows_independent() const { return impl_->rows_independent; }

}  // namespace plumbline
