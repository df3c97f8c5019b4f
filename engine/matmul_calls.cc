#include "engine/matmul_calls.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/int8_rows.h"
#include "engine/matmul_columns.h"
#include "engine/matmul_sizes.h"

namespace plumbline {
namespace {

constexpr int64_t kSplitRows = 64;  // of a product made of two, at once
constexpr size_t kScratchAlignment = 64;

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

dnnl::matmul::primitive_desc MakeDescriptor(const dnnl::engine& engine, int64_t rows,
                                            const CallShape& shape,
                                            const dnnl::memory::desc& weights) {
  using Tag = dnnl::memory::format_tag;
  const LibraryTypes types = TypesOf(shape.dtype);
  const dnnl::memory::desc x({rows, shape.inputs}, types.x, Tag::ab);
  const dnnl::memory::desc y({rows, shape.outputs}, types.y, Tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(engine, x, weights, y, attributes);
#else
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(x, weights, y), attributes, engine);
#endif
}

bool IsInColumns(const CallShape& shape, const dnnl::memory::desc& weights) {
  using Tag = dnnl::memory::format_tag;
  const Tag tag = shape.dtype == WeightDtype::kF32    ? Tag::BA16a64b
                  : shape.dtype == WeightDtype::kBf16 ? Tag::BA16a64b2a
                                                      : Tag::BA16a64b4a;
  return weights == dnnl::memory::desc({shape.inputs, shape.outputs}, TypesOf(shape.dtype).w, tag);
}

// For as many rows as a call can have; the library chooses the weights' layout.
dnnl::matmul::primitive_desc LargestDescriptor(const dnnl::engine& engine, const CallShape& shape,
                                               int64_t most_rows) {
  const dnnl::memory::desc any({shape.inputs, shape.outputs}, TypesOf(shape.dtype).w,
                               dnnl::memory::format_tag::any);
  return MakeDescriptor(engine, most_rows, shape, any);
}

// Adds the call for every caller, and returns its implementation.
std::string AddCall(const dnnl::engine& engine, int64_t rows, CallSet* set) {
  const auto descriptor = MakeDescriptor(engine, rows, set->shape, set->weights);
  const dnnl::matmul primitive(descriptor);
  for (Caller& caller : set->callers) {
    caller.calls[MatmulSizeIndex(rows)] = {
        primitive, dnnl::memory(descriptor.src_desc(), engine, nullptr),
        dnnl::memory(descriptor.dst_desc(), engine, nullptr),
        dnnl::memory(descriptor.scratchpad_desc(), engine, nullptr)};
  }
  set->library_scratch_bytes =
      std::max(set->library_scratch_bytes, descriptor.scratchpad_desc().get_size());
  return descriptor.impl_info_str();
}

// The library compiles calls for as many threads as the calling thread's OpenMP setting says.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int threads) { omp_set_num_threads(threads); }
  ~OpenMpThreads() { omp_set_num_threads(before_); }
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;

 private:
  const int before_ = omp_get_max_threads();
};

// Makes room for so many bytes of ours behind the library's scratch, at an aligned address.
void AddOwnScratch(size_t bytes, CallSet* set) { set->scratch_bytes += kScratchAlignment + bytes; }
std::byte* OwnScratch(const CallSet& set, std::byte* scratch) {
  std::byte* const behind = scratch + set.library_scratch_bytes;
  const size_t past = reinterpret_cast<uintptr_t>(behind) % kScratchAlignment;
  return behind + (kScratchAlignment - past) % kScratchAlignment;
}

bool IsBlocked(const std::string& name) { return absl::StartsWith(name, "brg"); }

// Sums of whole numbers are the same in any order, but only the blocked implementations are known
// to add products in 32 bits. names: of every size, from one row.
void ChooseInt8Calls(const std::vector<std::string>& names, CallSet* set) {
  set->implementation = names.back();
  set->split = !std::all_of(names.begin(), names.end(), IsBlocked);
  if (!set->split) return;
  absl::StrAppend(&set->implementation, " (in halves)");
  AddOwnScratch(HalvesScratch::Bytes(kSplitRows, set->shape.outputs, set->shape.inputs), set);
}

// The blocked implementations add up each row by itself, but for AMX's, which cuts many inputs
// apart by the number of rows and threads. names: of every size, from one row.
void ChooseFloatCalls(const std::vector<std::string>& names, CallSet* set) {
  set->implementation = names.back();
  set->rows_independent = std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return IsBlocked(name) && !absl::StrContains(name, "amx");
  });
}

}  // namespace

absl::Status FromLibrary(const dnnl::error& error, absl::string_view what) {
  const std::string message = absl::StrCat("oneDNN could not ", what, ": ", error.what());
  if (error.status == dnnl_out_of_memory) return absl::ResourceExhaustedError(message);
  if (error.status == dnnl_unimplemented) return absl::FailedPreconditionError(message);
  return absl::InternalError(message);
}

std::unique_ptr<CallSet> MakeCallSet(const dnnl::engine& engine, const CallShape& shape,
                                     const CallThreads& threads, int64_t most_rows) {
  const OpenMpThreads compiled_for(threads.of_a_call);
  auto set = std::make_unique<CallSet>();
  set->shape = shape;
  set->weights = LargestDescriptor(engine, shape, most_rows).weights_desc();
  set->in_columns = IsInColumns(shape, set->weights);
  for (int i = 0; i < threads.callers; ++i) {
    set->callers.push_back({dnnl::stream(engine), dnnl::memory(set->weights, engine, nullptr), {}});
  }
  std::vector<std::string> names;
  names.reserve(kMatmulSizes);
  for (int64_t rows = 1; rows <= most_rows; rows += rows < kMatmulRowStep ? 1 : kMatmulRowStep) {
    names.push_back(AddCall(engine, rows, set.get()));
  }
  set->scratch_bytes = set->library_scratch_bytes;
  if (shape.dtype == WeightDtype::kInt8) {
    ChooseInt8Calls(names, set.get());
  } else {
    ChooseFloatCalls(names, set.get());
  }
  return set;
}

void PackRows(const dnnl::engine& engine, const CallSet& set, std::byte* plain, std::byte* room) {
  const dnnl::memory::desc layout({set.shape.inputs, set.shape.outputs}, TypesOf(set.shape.dtype).w,
                                  dnnl::memory::dims{1, set.shape.inputs});
  dnnl::memory from(layout, engine, plain);
  dnnl::memory packed(set.weights, engine, room);
  dnnl::stream stream(engine);
  dnnl::reorder(from, packed).execute(stream, from, packed);
  stream.wait();
}

bool CallSet::multiplies_columns() const {
  const bool words = shape.inputs * WeightDtypeBytes(shape.dtype) % kColumnWordBytes == 0;
  if (!in_columns || !rows_independent || !words) return false;
  const absl::string_view unit = shape.dtype == WeightDtype::kF32    ? "brg:avx512_core"
                                 : shape.dtype == WeightDtype::kBf16 ? "brg:avx512_core_bf16"
                                                                     : "brg:avx512_core_vnni";
  return implementation == unit;
}

dnnl_status_t CallSet::ExecuteOnce(Caller& caller, int64_t rows, const std::byte* x, void* y,
                                   std::byte* scratch) {
  LibraryCall& call = caller.calls[MatmulSizeIndex(rows)];
  // The library reads x only; its interface takes a plain pointer.
  call.x.set_data_handle(const_cast<std::byte*>(x));
  call.y.set_data_handle(y);
  call.scratch.set_data_handle(scratch);
  const std::array<dnnl_exec_arg_t, 4> operands = {{{DNNL_ARG_SRC, call.x.get()},
                                                    {DNNL_ARG_WEIGHTS, caller.w.get()},
                                                    {DNNL_ARG_DST, call.y.get()},
                                                    {DNNL_ARG_SCRATCHPAD, call.scratch.get()}}};
  // The C interface takes the operands without building a map for each call.
  const dnnl_status_t status =
      dnnl_primitive_execute(call.primitive.get(), caller.stream.get(),
                             static_cast<int>(operands.size()), operands.data());
  return status == dnnl_success ? dnnl_stream_wait(caller.stream.get()) : status;
}

dnnl_status_t CallSet::ExecuteInHalves(Caller& caller, int64_t rows, const std::byte* x, int32_t* y,
                                       std::byte* scratch) {
  const HalvesScratch half(OwnScratch(*this, scratch), kSplitRows, shape.outputs, shape.inputs);
  for (int64_t row = 0; row < rows;) {
    const int64_t count = NextMatmulCall(std::min(rows - row, kSplitRows));
    int32_t* const sums = y + row * shape.outputs;
    SplitHalves(count * shape.inputs, x + row * shape.inputs, half.low, half.high);
    dnnl_status_t status = ExecuteOnce(caller, count, half.low, sums, scratch);
    if (status == dnnl_success) {
      status = ExecuteOnce(caller, count, half.high, half.sums, scratch);
    }
    if (status != dnnl_success) return status;
    AddSums(count * shape.outputs, half.sums, sums);
    row += count;
  }
  return dnnl_success;
}

dnnl_status_t CallSet::Execute(int caller, const std::byte* w, int64_t rows, const std::byte* x,
                               std::byte* y, std::byte* scratch) {
  Caller& by = callers[static_cast<size_t>(caller)];
  by.w.set_data_handle(const_cast<std::byte*>(w));  // read only, too
  if (split) return ExecuteInHalves(by, rows, x, reinterpret_cast<int32_t*>(y), scratch);
  const int64_t row_bytes = WeightRowBytes(shape.dtype, shape.inputs);
  dnnl_status_t status = dnnl_success;
  for (int64_t row = 0; row < rows && status == dnnl_success;) {
    const int64_t count = NextMatmulCall(rows - row);
    status = ExecuteOnce(by, count, x + row * row_bytes,
                         y + row * shape.outputs * int64_t{sizeof(float)}, scratch);
    row += count;
  }
  return status;
}

}  // namespace plumbline
