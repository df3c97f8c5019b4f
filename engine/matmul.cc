#include "engine/matmul.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <map>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/int8_rows.h"
#include "engine/matmul_sizes.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

constexpr int64_t kSplitRows = 64;  // of a product made of two, at once

// Of the weights, the activations and the results.
struct LibraryTypes {
  dnnl::memory::data_type w, x, y;
};
LibraryTypes TypesOf(WeightDtype dtype) {
  using Type = dnnl::memory::data_type;
  if (dtype == WeightDtype::kInt8) return {Type::s8, Type::u8, Type::s32};
  const Type type = dtype == WeightDtype::kF32 ? Type::f32 : Type::bf16;
  return {type, type, Type::f32};
}

absl::Status FromLibrary(const dnnl::error& error, absl::string_view what) {
  const std::string message = absl::StrCat("oneDNN could not ", what, ": ", error.what());
  if (error.status == dnnl_out_of_memory) return absl::ResourceExhaustedError(message);
  if (error.status == dnnl_unimplemented) return absl::FailedPreconditionError(message);
  return absl::InternalError(message);
}

// W as it is read: [outputs, inputs], row by row.
dnnl::memory::desc PlainLayout(int64_t outputs, int64_t inputs, WeightDtype dtype) {
  return {{inputs, outputs}, TypesOf(dtype).w, dnnl::memory::format_tag::ba};
}

dnnl::matmul::primitive_desc MakeDescriptor(const dnnl::engine& engine, int64_t rows,
                                            int64_t outputs, int64_t inputs, WeightDtype dtype,
                                            const dnnl::memory::desc& weights) {
  using Tag = dnnl::memory::format_tag;
  const LibraryTypes types = TypesOf(dtype);
  const dnnl::memory::desc x({rows, inputs}, types.x, Tag::ab);
  const dnnl::memory::desc y({rows, outputs}, types.y, Tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(engine, x, weights, y, attributes);
#else
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(x, weights, y), attributes, engine);
#endif
}

// One cached size: the primitive and its operands, whose memory is set for each run.
struct Call {
  dnnl::matmul primitive;
  dnnl::memory x, y, scratch;
};

// All calls of one shape, shared by the matrices that have it.
struct CallSet {
  int64_t outputs = 0;
  int64_t inputs = 0;
  WeightDtype dtype = WeightDtype::kF32;
  dnnl::memory::desc weights;  // the layout for many rows; calls of every size take it
  std::string implementation;  // of the calls with the most rows
  bool rows_independent = true;
  bool split = false;  // each call is made of two, of halves of x
  size_t library_scratch_bytes = 0;
  size_t scratch_bytes = 0;  // with the halves and one half's sums
  dnnl::reorder pack;        // from rows of the dtype to `weights`
  std::array<Call, kMatmulSizes> calls;
};

void AddCall(const dnnl::engine& engine, int64_t rows, CallSet* set) {
  const auto descriptor =
      MakeDescriptor(engine, rows, set->outputs, set->inputs, set->dtype, set->weights);
  Call& call = set->calls[MatmulSizeIndex(rows)];
  call.primitive = dnnl::matmul(descriptor);
  call.x = dnnl::memory(descriptor.src_desc(), engine, nullptr);
  call.y = dnnl::memory(descriptor.dst_desc(), engine, nullptr);
  call.scratch = dnnl::memory(descriptor.scratchpad_desc(), engine, nullptr);
  const std::string name = descriptor.impl_info_str();
  const bool blocked = absl::StartsWith(name, "brg");
  if (set->dtype == WeightDtype::kInt8) {
    // Sums of whole numbers are the same in any order. Only the blocked implementations are known
    // to add products in 32 bits.
    set->split = set->split || !blocked;
  } else {
    // One implementation for all sizes, and one of those whose rows are independent.
    set->rows_independent = set->rows_independent && blocked &&
                            (set->implementation.empty() || set->implementation == name);
  }
  set->implementation = name;
  set->library_scratch_bytes =
      std::max(set->library_scratch_bytes, descriptor.scratchpad_desc().get_size());
}

// Every size at once: nothing is compiled in a steady step.
std::unique_ptr<CallSet> MakeCallSet(const dnnl::engine& engine, int64_t outputs, int64_t inputs,
                                     WeightDtype dtype) {
  auto set = std::make_unique<CallSet>();
  set->outputs = outputs;
  set->inputs = inputs;
  set->dtype = dtype;
  const dnnl::memory::desc any({inputs, outputs}, TypesOf(dtype).w, dnnl::memory::format_tag::any);
  set->weights =
      MakeDescriptor(engine, kMatmulCallRows, outputs, inputs, dtype, any).weights_desc();
  set->pack = dnnl::reorder(dnnl::reorder::primitive_desc(
      engine, PlainLayout(outputs, inputs, dtype), engine, set->weights));
  for (int64_t rows = 1; rows < kMatmulRowStep; ++rows) AddCall(engine, rows, set.get());
  for (int64_t rows = kMatmulRowStep; rows <= kMatmulCallRows; rows += kMatmulRowStep) {
    AddCall(engine, rows, set.get());
  }
  set->scratch_bytes = set->library_scratch_bytes;
  if (set->split) {
    set->implementation += " (in halves)";
    set->scratch_bytes += HalvesScratch::Bytes(kSplitRows, outputs, inputs);
  }
  return set;
}

}  // namespace

struct MatmulContext::Impl {
  int threads = 1;
  dnnl::engine engine;
  dnnl::stream stream;
  std::vector<std::byte> scratch;  // of the call that runs: one at a time
  std::map<std::tuple<int64_t, int64_t, WeightDtype>, std::unique_ptr<CallSet>> shapes;

  // The library takes its number of threads from the calling thread's OpenMP setting.
  // It must get them all (OMP_DYNAMIC could give fewer): see UsableThreads.
  void UseThreads() const {
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
  }
  CallSet& Shape(int64_t outputs, int64_t inputs, WeightDtype dtype);
};

CallSet& MatmulContext::Impl::Shape(int64_t outputs, int64_t inputs, WeightDtype dtype) {
  std::unique_ptr<CallSet>& set = shapes[{outputs, inputs, dtype}];
  if (set == nullptr) set = MakeCallSet(engine, outputs, inputs, dtype);
  if (scratch.size() < set->scratch_bytes) scratch.resize(set->scratch_bytes);
  return *set;
}

MatmulContext::MatmulContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MatmulContext::~MatmulContext() = default;
int MatmulContext::threads() const { return impl_->threads; }
int64_t MatmulContext::scratch_bytes() const { return static_cast<int64_t>(impl_->scratch.size()); }

absl::StatusOr<std::unique_ptr<MatmulContext>> MatmulContext::Create(int threads) {
  try {
    auto impl = std::make_unique<Impl>();
    impl->threads = UsableThreads(threads);
    impl->UseThreads();
    impl->engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
    impl->stream = dnnl::stream(impl->engine);
    return std::unique_ptr<MatmulContext>(new MatmulContext(std::move(impl)));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "start");
  }
}

absl::StatusOr<MatmulContext::Implementation> MatmulContext::Probe(int64_t outputs, int64_t inputs,
                                                                   WeightDtype dtype) {
  try {
    impl_->UseThreads();
    const CallSet& set = impl_->Shape(outputs, inputs, dtype);
    return Implementation{set.implementation, set.rows_independent,
                          static_cast<int64_t>(set.scratch_bytes)};
  } catch (const dnnl::error& error) {
    return FromLibrary(error, absl::StrCat("multiply in ", WeightDtypeName(dtype)));
  }
}

struct PackedMatrix::Impl {
  MatmulContext::Impl& context;
  CallSet& shape;
  dnnl::memory weights;
  Int8Channels channels;

  void Execute(int64_t rows, const std::byte* x, void* y);
  void ExecuteInHalves(int64_t rows, const std::byte* x, int32_t* y);
};

PackedMatrix::PackedMatrix(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedMatrix::~PackedMatrix() = default;

void PackedMatrix::Impl::Execute(int64_t rows, const std::byte* x, void* y) {
  Call& call = shape.calls[MatmulSizeIndex(rows)];
  // The library reads x only; its interface takes a plain pointer.
  call.x.set_data_handle(const_cast<std::byte*>(x));
  call.y.set_data_handle(y);
  call.scratch.set_data_handle(context.scratch.data());
  const std::array<dnnl_exec_arg_t, 4> operands = {{{DNNL_ARG_SRC, call.x.get()},
                                                    {DNNL_ARG_WEIGHTS, weights.get()},
                                                    {DNNL_ARG_DST, call.y.get()},
                                                    {DNNL_ARG_SCRATCHPAD, call.scratch.get()}}};
  // The C interface takes the operands without building a map for each call.
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(call.primitive.get(), context.stream.get(),
                             static_cast<int>(operands.size()), operands.data()),
      "execute");
  context.stream.wait();
}

void PackedMatrix::Impl::ExecuteInHalves(int64_t rows, const std::byte* x, int32_t* y) {
  const HalvesScratch half(context.scratch.data() + shape.library_scratch_bytes, kSplitRows,
                           shape.outputs, shape.inputs);
  for (int64_t row = 0; row < rows;) {
    const int64_t count = NextMatmulCall(std::min(rows - row, kSplitRows));
    SplitHalves(count * shape.inputs, x + row * shape.inputs, half.low, half.high);
    Execute(count, half.low, y + row * shape.outputs);
    Execute(count, half.high, half.sums);
    AddSums(count * shape.outputs, half.sums, y + row * shape.outputs);
    row += count;
  }
}

absl::StatusOr<std::unique_ptr<PackedMatrix>> PackedMatrix::Create(MatmulContext& context,
                                                                   int64_t outputs, int64_t inputs,
                                                                   WeightDtype dtype,
                                                                   WeightRowSource rows) {
  const std::string what =
      absl::StrCat("pack a [", outputs, ", ", inputs, "] matrix as ", WeightDtypeName(dtype));
  try {
    MatmulContext::Impl& shared = *context.impl_;
    shared.UseThreads();
    PlainWeights plain;
    absl::Status status = ReadWeights(outputs, inputs, dtype, rows, &plain);
    if (!status.ok()) return status;
    CallSet& shape = shared.Shape(outputs, inputs, dtype);
    dnnl::memory from(PlainLayout(outputs, inputs, dtype), shared.engine, plain.elements.get());
    auto impl = std::make_unique<Impl>(
        Impl{shared, shape, dnnl::memory(shape.weights, shared.engine), std::move(plain.channels)});
    shape.pack.execute(shared.stream, from, impl->weights);
    shared.stream.wait();
    return std::unique_ptr<PackedMatrix>(new PackedMatrix(std::move(impl)));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, what);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory to ", what));
  }
}

absl::Status PackedMatrix::Run(int64_t rows, const std::byte* x, float* y,
                               absl::FunctionRef<void(int64_t, int64_t)> on_call) {
  const CallSet& shape = impl_->shape;
  try {
    impl_->context.UseThreads();
    for (int64_t row = 0; row < rows;) {
      const int64_t count = NextMatmulCall(rows - row);
      const std::byte* from = x + row * shape.inputs * WeightDtypeBytes(shape.dtype);
      float* to = y + row * shape.outputs;
      if (shape.split) {
        impl_->ExecuteInHalves(count, from, reinterpret_cast<int32_t*>(to));
      } else {
        impl_->Execute(count, from, to);
      }
      on_call(row, count);
      row += count;
    }
    return absl::OkStatus();
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "multiply");
  }
}

void PackedMatrix::FinishRow(float x_scale, float* y) const {
  if (impl_->shape.dtype == WeightDtype::kInt8) FinishInt8Row(impl_->channels, x_scale, y);
}

int64_t PackedMatrix::outputs() const { return impl_->shape.outputs; }
int64_t PackedMatrix::inputs() const { return impl_->shape.inputs; }
int64_t PackedMatrix::element_bytes_read() const {
  return impl_->shape.outputs * impl_->shape.inputs * WeightDtypeBytes(impl_->shape.dtype);
}
int64_t PackedMatrix::channel_bytes() const { return impl_->channels.bytes(); }
int64_t PackedMatrix::packed_bytes() const {
  return static_cast<int64_t>(impl_->weights.get_desc().get_size()) + channel_bytes();
}
std::string PackedMatrix::implementation() const { return impl_->shape.implementation; }
bool PackedMatrix::rows_independent() const { return impl_->shape.rows_independent; }

}  // namespace plumbline
