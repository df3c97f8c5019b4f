#include "engine/matmul.h"

#include <omp.h>

#include <cstring>
#include <dnnl.hpp>
#include <map>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/int8_rows.h"
#include "engine/matmul_calls.h"
#include "engine/matmul_q4.h"
#include "engine/matmul_sizes.h"
#include "engine/matmul_tiles.h"
#include "engine/parallel.h"
#include "engine/tile_weights.h"
#include "engine/untouched_array.h"

namespace plumbline {
namespace {

MatmulContext::Implementation DescribeTiles(WeightDtype dtype) {
  return {absl::StrCat("tiles:", WeightDtypeName(dtype)), true, true, true};
}

// Of a matrix that these calls multiply.
MatmulContext::Implementation Describe(const std::vector<const CallSet*>& calls) {
  MatmulContext::Implementation all = {"", true, true, false};
  std::set<std::string> names;
  for (const CallSet* set : calls) {
    names.insert(set->implementation);
    all.rows_independent = all.rows_independent && set->rows_independent;
    all.blocked = all.blocked && absl::StartsWith(set->implementation, "brg");
  }
  all.name = absl::StrJoin(names, " and ");
  return all;
}

}  // namespace

struct MatmulContext::Impl {
  int threads = 1;
  dnnl::engine engine;
  dnnl::stream stream;
  UntouchedArray<std::byte> scratch;  // of the call that runs: one at a time
  Q4Scratch q4;
  std::map<CallShape, std::unique_ptr<CallSet>> shapes;

  // The library takes its number of threads from the calling thread's OpenMP setting.
  // It must get them all (OMP_DYNAMIC could give fewer): see UsableThreads.
  void UseThreads() const {
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
  }
  // Compiles what is new of it, and makes room for it.
  CallSet& Calls(const CallShape& shape);
  Q4Calls CallsForQ4(int64_t outputs, int64_t inputs);
  void MakeRoom(int64_t bytes);
};

void MatmulContext::Impl::MakeRoom(int64_t bytes) {
  if (scratch.bytes() >= bytes) return;
  scratch = UntouchedArray<std::byte>(bytes);
  scratch.Touch();  // so that no step pays for its pages
}

CallSet& MatmulContext::Impl::Calls(const CallShape& shape) {
  std::unique_ptr<CallSet>& set = shapes[shape];
  if (set == nullptr) set = MakeCallSet(engine, shape);
  MakeRoom(static_cast<int64_t>(set->scratch_bytes));
  return *set;
}

Q4Calls MatmulContext::Impl::CallsForQ4(int64_t outputs, int64_t inputs) {
  const int64_t step = Q4PanelOutputs(outputs, inputs);
  const int64_t rest = outputs % step;
  Q4Calls of;
  of.whole = &Calls({step, inputs, WeightDtype::kInt8});
  of.last = rest == 0 ? of.whole : &Calls({rest, inputs, WeightDtype::kInt8});
  q4.Reserve(of, outputs, inputs);
  return of;
}

MatmulContext::MatmulContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MatmulContext::~MatmulContext() = default;
int MatmulContext::threads() const { return impl_->threads; }
int64_t MatmulContext::scratch_bytes() const { return impl_->scratch.bytes() + impl_->q4.bytes(); }

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
    if (MultipliesInTiles(dtype)) {
      impl_->MakeRoom(TileScratchBytes({outputs, inputs, dtype}, impl_->threads));
      return DescribeTiles(dtype);
    }
    if (dtype == WeightDtype::kQ4) {
      const Q4Calls calls = impl_->CallsForQ4(outputs, inputs);
      return Describe({calls.whole, calls.last});
    }
    return Describe({&impl_->Calls({outputs, inputs, dtype})});
  } catch (const dnnl::error& error) {
    return FromLibrary(error, absl::StrCat("multiply in ", WeightDtypeName(dtype)));
  }
}

struct PackedMatrix::Impl {
  MatmulContext::Impl& context;
  TileShape shape;
  Int8Channels channels;
  // One of these multiplies.
  UntouchedArray<std::byte> tiles;
  std::unique_ptr<Q4Product> q4;
  CallSet* calls = nullptr;
  dnnl::memory weights;  // of the calls

  MatmulContext::Implementation Description() const {
    if (q4 != nullptr) return Describe({q4->calls().whole, q4->calls().last});
    if (calls != nullptr) return Describe({calls});
    return DescribeTiles(shape.dtype);
  }
  absl::Status LoadQ4(WeightRowSource rows);
  absl::Status LoadTiles(WeightRowSource rows);
  absl::Status LoadForLibrary(WeightRowSource rows);
  absl::Status Load(WeightRowSource rows, MatmulPath path);
  // The product of at most kMatmulCallRows rows (of all, in q4), unfinished. False: `sink` had all
  // of it, block by block. True: it lies in y.
  bool Execute(int64_t rows, const std::byte* x, float* y, ResultSink sink);
  // Calls execute(first row, rows) for every call.
  absl::Status ForCalls(int64_t rows, absl::FunctionRef<void(int64_t, int64_t)> execute,
                        absl::FunctionRef<void(int64_t, int64_t)> on_call) const;
};

PackedMatrix::PackedMatrix(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedMatrix::~PackedMatrix() = default;

bool PackedMatrix::Impl::Execute(int64_t rows, const std::byte* x, float* y, ResultSink sink) {
  std::byte* const scratch = context.scratch.get();
  if (q4 == nullptr && calls == nullptr) {
    MultiplyInTiles({shape, context.threads, tiles.get(), rows, x, y, scratch}, sink);
    return false;
  }
  if (q4 != nullptr) {
    q4->Run({context.engine, context.stream, context.threads, scratch, context.q4}, rows, x,
            reinterpret_cast<int32_t*>(y));
  } else {
    calls->Execute(context.stream, weights, rows, x, reinterpret_cast<std::byte*>(y), scratch);
  }
  return true;
}

absl::Status PackedMatrix::Impl::LoadQ4(WeightRowSource rows) {
  Q4Weights read;
  absl::Status status = ReadQ4Weights(shape.outputs, shape.inputs, context.threads, rows, &read);
  if (!status.ok()) return status;
  channels = std::move(read.channels);
  q4 = std::make_unique<Q4Product>(std::move(read.matrix),
                                   context.CallsForQ4(shape.outputs, shape.inputs));
  return absl::OkStatus();
}

absl::Status PackedMatrix::Impl::LoadTiles(WeightRowSource rows) {
  TileWeights read;
  absl::Status status = ReadTileWeights(shape, context.threads, rows, &read);
  if (!status.ok()) return status;
  context.MakeRoom(TileScratchBytes(shape, context.threads));
  channels = std::move(read.channels);
  tiles = std::move(read.packed);
  return absl::OkStatus();
}

absl::Status PackedMatrix::Impl::LoadForLibrary(WeightRowSource rows) {
  PlainWeights plain;
  absl::Status status =
      ReadWeights(shape.outputs, shape.inputs, shape.dtype, context.threads, rows, &plain);
  if (!status.ok()) return status;
  channels = std::move(plain.channels);
  calls = &context.Calls({shape.outputs, shape.inputs, shape.dtype});
  weights = PackRows(context.engine, context.stream, *calls, plain.elements.get());
  return absl::OkStatus();
}

absl::Status PackedMatrix::Impl::Load(WeightRowSource rows, MatmulPath path) {
  if (shape.dtype == WeightDtype::kQ4) return LoadQ4(rows);
  const bool in_tiles = path == MatmulPath::kFastest && MultipliesInTiles(shape.dtype);
  return in_tiles ? LoadTiles(rows) : LoadForLibrary(rows);
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
        Impl{shared, {outputs, inputs, dtype}, {}, {}, nullptr, nullptr, {}});
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
  try {
    context.UseThreads();
    for (int64_t row = 0; row < rows;) {
      const int64_t count = q4 != nullptr ? rows : NextMatmulCall(rows - row);
      execute(row, count);
      on_call(row, count);
      row += count;
    }
    return absl::OkStatus();
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "multiply");
  }
}

absl::Status PackedMatrix::Run(int64_t rows, const std::byte* x, float* y,
                               absl::FunctionRef<void(int64_t, int64_t)> on_call) {
  const auto execute = [&](int64_t first, int64_t count) {
    float* const to = y + first * outputs();
    impl_->Execute(count, x + first * impl_->shape.row_bytes(), to, [&](const ResultBlock& block) {
      float* out = to + block.row * outputs() + block.output;
      const float* from = block.values;
      for (int64_t row = 0; row < block.rows; ++row, out += outputs(), from += block.stride) {
        std::memcpy(out, from, static_cast<size_t>(block.outputs) * sizeof(*out));
      }
    });
  };
  return impl_->ForCalls(rows, execute, on_call);
}

absl::Status PackedMatrix::RunInto(int64_t rows, const std::byte* x, const float* x_scales,
                                   float* y, ResultSink sink,
                                   absl::FunctionRef<void(int64_t, int64_t)> on_call) {
  const bool unfinished = IsWhole(impl_->shape.dtype);
  const auto finish = [&](int64_t first, ResultBlock block) {
    block.row += first;
    for (int64_t row = 0; unfinished && row < block.rows; ++row) {
      FinishInt8(impl_->channels, block.output, block.outputs, x_scales[block.row + row],
                 block.values + row * block.stride);
    }
    sink(block);
  };
  bool whole = false;
  const auto execute = [&](int64_t first, int64_t count) {
    whole = impl_->Execute(count, x + first * impl_->shape.row_bytes(), y + first * outputs(),
                           [&](const ResultBlock& block) { finish(first, block); });
  };
  return impl_->ForCalls(rows, execute, [&](int64_t first, int64_t count) {
    on_call(first, count);
    ParallelFor(impl_->context.threads, whole ? count : 0, [&](int64_t row) {
      finish(first, {row, 1, 0, outputs(), y + (first + row) * outputs(), outputs()});
    });
  });
}

void PackedMatrix::FinishRow(float x_scale, float* y) const {
  if (IsWhole(impl_->shape.dtype)) FinishInt8(impl_->channels, 0, outputs(), x_scale, y);
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
  if (impl_->calls == nullptr) return beside + impl_->tiles.bytes();
  return beside + static_cast<int64_t>(impl_->weights.get_desc().get_size());
}
std::string PackedMatrix::implementation() const { return impl_->Description().name; }
bool PackedMatrix::rows_independent() const { return impl_->Description().rows_independent; }

}  // namespace plumbline
