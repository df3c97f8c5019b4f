#include "engine/matmul.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <map>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/int8_rows.h"
#include "engine/matmul_calls.h"
#include "engine/matmul_q4.h"
#include "engine/matmul_sizes.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

// Some neighbouring inputs of a matrix, multiplied by one call (PanelInputs).
struct Panel {
  CallSet* calls = nullptr;
  int64_t first = 0;     // input
  dnnl::memory weights;  // empty until packed
};

// Of a matrix that is multiplied by these calls.
MatmulContext::Implementation Describe(const std::vector<const CallSet*>& calls,
                                       int64_t scratch_bytes) {
  MatmulContext::Implementation all;
  all.rows_independent = true;
  std::set<std::string> names;
  for (const CallSet* set : calls) {
    names.insert(set->implementation);
    all.rows_independent = all.rows_independent && set->rows_independent;
    all.scratch_bytes = std::max(all.scratch_bytes, static_cast<int64_t>(set->scratch_bytes));
  }
  all.name = absl::StrJoin(names, " and ");
  all.scratch_bytes += scratch_bytes;
  return all;
}

std::vector<const CallSet*> CallsOf(const std::vector<Panel>& panels) {
  std::vector<const CallSet*> calls;
  calls.reserve(panels.size());
  for (const Panel& panel : panels) calls.push_back(panel.calls);
  return calls;
}

}  // namespace

struct MatmulContext::Impl {
  int threads = 1;
  dnnl::engine engine;
  dnnl::stream stream;
  std::vector<std::byte> scratch;  // of the call that runs: one at a time
  std::vector<std::byte> inputs;   // a panel's, of one call's rows, side by side
  Q4Scratch q4;
  std::map<CallShape, std::unique_ptr<CallSet>> shapes;
  std::map<CallShape, int64_t> panel_inputs;  // PanelInputs of the shapes that were asked for

  // The library takes its number of threads from the calling thread's OpenMP setting.
  // It must get them all (OMP_DYNAMIC could give fewer): see UsableThreads.
  void UseThreads() const {
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
  }
  CallSet& Calls(const CallShape& shape);
  int64_t InputsOfPanel(const CallShape& shape);
  // Compiles what is new of it, and makes room for it.
  std::vector<Panel> Panels(int64_t outputs, int64_t inputs, WeightDtype dtype);
  Q4Calls CallsForQ4(int64_t outputs, int64_t inputs);
};

CallSet& MatmulContext::Impl::Calls(const CallShape& shape) {
  std::unique_ptr<CallSet>& set = shapes[shape];
  if (set == nullptr) set = MakeCallSet(engine, shape);
  if (scratch.size() < set->scratch_bytes) scratch.resize(set->scratch_bytes);
  return *set;
}

int64_t MatmulContext::Impl::InputsOfPanel(const CallShape& shape) {
  const auto known = panel_inputs.find(shape);
  if (known != panel_inputs.end()) return known->second;
  return panel_inputs.emplace(shape, PanelInputs(engine, shape)).first->second;
}

std::vector<Panel> MatmulContext::Impl::Panels(int64_t outputs, int64_t inputs, WeightDtype dtype) {
  std::vector<Panel> panels;
  size_t panel_bytes = 0;
  for (int64_t first = 0; first < inputs;) {
    CallShape shape{outputs, inputs - first, dtype, first > 0};
    shape.inputs = InputsOfPanel(shape);
    panels.push_back({&Calls(shape), first, {}});
    first += shape.inputs;
    panel_bytes = std::max(
        panel_bytes, static_cast<size_t>(kMatmulCallRows * shape.inputs * WeightDtypeBytes(dtype)));
  }
  if (panels.size() > 1 && this->inputs.size() < panel_bytes) this->inputs.resize(panel_bytes);
  return panels;
}

Q4Calls MatmulContext::Impl::CallsForQ4(int64_t outputs, int64_t inputs) {
  const int64_t step = Q4PanelOutputs(outputs, inputs);
  const int64_t rest = outputs % step;
  Q4Calls of;
  of.whole = &Calls({step, inputs, WeightDtype::kInt8, false});
  of.last = rest == 0 ? of.whole : &Calls({rest, inputs, WeightDtype::kInt8, false});
  q4.Reserve(of, outputs, inputs);
  return of;
}

MatmulContext::MatmulContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MatmulContext::~MatmulContext() = default;
int MatmulContext::threads() const { return impl_->threads; }
int64_t MatmulContext::scratch_bytes() const {
  return static_cast<int64_t>(impl_->scratch.size() + impl_->inputs.size()) + impl_->q4.bytes();
}

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
    if (dtype == WeightDtype::kQ4) {
      const Q4Calls calls = impl_->CallsForQ4(outputs, inputs);
      return Describe({calls.whole, calls.last}, impl_->q4.bytes());
    }
    const std::vector<Panel> panels = impl_->Panels(outputs, inputs, dtype);
    const size_t shared = panels.size() > 1 ? impl_->inputs.size() : 0;
    return Describe(CallsOf(panels), static_cast<int64_t>(shared));
  } catch (const dnnl::error& error) {
    return FromLibrary(error, absl::StrCat("multiply in ", WeightDtypeName(dtype)));
  }
}

struct PackedMatrix::Impl {
  MatmulContext::Impl& context;
  int64_t outputs;
  int64_t inputs;
  WeightDtype dtype;
  std::vector<Panel> panels;  // none in q4
  Int8Channels channels;
  std::unique_ptr<Q4Product> q4;  // in q4 alone

  MatmulContext::Implementation Description() const {
    if (q4 != nullptr) return Describe({q4->calls().whole, q4->calls().last}, 0);
    return Describe(CallsOf(panels), 0);
  }
  void ExecuteQ4(int64_t rows, const std::byte* x, float* y);
  // Of at most kMatmulCallRows rows.
  void Execute(int64_t rows, const std::byte* x, std::byte* y);
};

PackedMatrix::PackedMatrix(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedMatrix::~PackedMatrix() = default;

void PackedMatrix::Impl::Execute(int64_t rows, const std::byte* x, std::byte* y) {
  std::byte* const scratch = context.scratch.data();
  if (panels.size() == 1) {
    panels[0].calls->Execute(context.stream, panels[0].weights, rows, x, y, scratch);
    return;
  }
  const int64_t element = WeightDtypeBytes(dtype);
  for (const Panel& panel : panels) {
    const int64_t bytes = panel.calls->shape.inputs * element;
    ParallelFor(context.threads, rows, [&](int64_t row) {
      std::memcpy(context.inputs.data() + row * bytes, x + (row * inputs + panel.first) * element,
                  bytes);
    });
    panel.calls->Execute(context.stream, panel.weights, rows, context.inputs.data(), y, scratch);
  }
}

void PackedMatrix::Impl::ExecuteQ4(int64_t rows, const std::byte* x, float* y) {
  const Q4Machine machine = {context.engine, context.stream, context.threads,
                             context.scratch.data(), context.q4};
  q4->Run(machine, rows, x, reinterpret_cast<int32_t*>(y));
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
    if (dtype == WeightDtype::kQ4) {
      Q4Weights read;
      absl::Status status = ReadQ4Weights(outputs, inputs, shared.threads, rows, &read);
      if (!status.ok()) return status;
      auto product =
          std::make_unique<Q4Product>(std::move(read.matrix), shared.CallsForQ4(outputs, inputs));
      return std::unique_ptr<PackedMatrix>(new PackedMatrix(std::make_unique<Impl>(
          Impl{shared, outputs, inputs, dtype, {}, std::move(read.channels), std::move(product)})));
    }
    PlainWeights plain;
    absl::Status status = ReadWeights(outputs, inputs, dtype, rows, &plain);
    if (!status.ok()) return status;
    auto impl = std::make_unique<Impl>(Impl{shared, outputs, inputs, dtype,
                                            shared.Panels(outputs, inputs, dtype),
                                            std::move(plain.channels), nullptr});
    for (Panel& panel : impl->panels) {
      panel.weights = PackPanel(shared.engine, shared.stream, *panel.calls, inputs,
                                plain.elements.get(), panel.first);
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
    if (impl_->q4 != nullptr) {
      if (rows == 0) return absl::OkStatus();
      impl_->ExecuteQ4(rows, x, y);
      on_call(0, rows);
      return absl::OkStatus();
    }
    const int64_t x_row_bytes = impl_->inputs * WeightDtypeBytes(impl_->dtype);
    for (int64_t row = 0; row < rows;) {
      const int64_t count = NextMatmulCall(rows - row);
      impl_->Execute(count, x + row * x_row_bytes,
                     reinterpret_cast<std::byte*>(y + row * impl_->outputs));
      on_call(row, count);
      row += count;
    }
    return absl::OkStatus();
  } catch (const dnnl::error& error) {
    return FromLibrary(error, "multiply");
  }
}

void PackedMatrix::FinishRow(float x_scale, float* y) const {
  if (IsWhole(impl_->dtype)) FinishInt8Row(impl_->channels, x_scale, y);
}

int64_t PackedMatrix::outputs() const { return impl_->outputs; }
int64_t PackedMatrix::inputs() const { return impl_->inputs; }
int64_t PackedMatrix::element_bytes_read() const {
  return impl_->outputs * WeightRowBytes(impl_->dtype, impl_->inputs);
}
int64_t PackedMatrix::channel_bytes() const { return impl_->channels.bytes(); }
int64_t PackedMatrix::packed_bytes() const {
  int64_t bytes = channel_bytes() + (impl_->q4 != nullptr ? impl_->q4->bytes() : 0);
  for (const Panel& panel : impl_->panels) {
    bytes += static_cast<int64_t>(panel.weights.get_desc().get_size());
  }
  return bytes;
}
std::string PackedMatrix::implementation() const { return impl_->Description().name; }
bool PackedMatrix::rows_independent() const { return impl_->Description().rows_independent; }

}  // namespace plumbline
