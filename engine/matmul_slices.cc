#include "engine/matmul_slices.h"

#include <algorithm>
#include <atomic>
#include <dnnl.hpp>

#include "engine/matmul_sizes.h"
#include "engine/page_ahead.h"
#include "engine/parallel.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

// Results that are passed on together, so that a core's own cache has them still.
constexpr int64_t kPartResults = int64_t{64} << 10;

int64_t LibraryBytes(const CallSet& calls) {
  return RoundUp(static_cast<int64_t>(calls.scratch_bytes), kThreadScratchStep);
}

// What went wrong first in a parallel loop, which no exception may leave.
class FirstFailure {
 public:
  void Note(dnnl_status_t status) {
    dnnl_status_t none = dnnl_success;
    if (status != dnnl_success) first_.compare_exchange_strong(none, status);
  }
  bool none() const { return first_ == dnnl_success; }
  void Throw() const {
    if (!none()) throw dnnl::error(first_, "execute");
  }

 private:
  std::atomic<dnnl_status_t> first_ = dnnl_success;
};

// Some rows of a slice, no more than calls.rows().
struct Part {
  int64_t slice;
  int64_t row;
  int64_t rows;
};

dnnl_status_t MultiplyPart(const SliceProduct& p, const Part& part, int thread,
                           const std::byte* weights, ResultSink sink) {
  CallSet& calls = p.calls.Of(part.slice);
  std::byte* const scratch = p.scratch + thread * p.calls.scratch_bytes();
  std::byte* const results = scratch + LibraryBytes(calls);
  const int64_t outputs = calls.shape.outputs;
  const int64_t row_bytes = WeightRowBytes(calls.shape.dtype, calls.shape.inputs);
  const dnnl_status_t status =
      calls.Execute(thread, weights, part.rows, p.x + part.row * row_bytes, results, scratch);
  if (status != dnnl_success) return status;
  sink({part.row, part.rows, part.slice * p.calls.outputs(), outputs,
        reinterpret_cast<float*>(results), outputs});
  return dnnl_success;
}

Part PartOf(const SliceProduct& p, int64_t slice, int64_t part) {
  const int64_t row = part * p.calls.rows();
  return {slice, row, std::min(p.calls.rows(), p.rows - row)};
}

}  // namespace

int64_t SliceCalls::rows() const {
  return std::clamp(kPartResults / outputs() / kMatmulRowStep * kMatmulRowStep,
                    int64_t{kMatmulRowStep}, int64_t{kMatmulCallRows});
}

int64_t SliceCalls::scratch_bytes() const {
  const int64_t results = rows() * std::max(each->shape.outputs, last->shape.outputs);
  return std::max(LibraryBytes(*each), LibraryBytes(*last)) +
         RoundUp(results * int64_t{sizeof(float)}, kThreadScratchStep);
}

void MultiplySlices(const SliceProduct& p, const std::byte* weights, ResultSink sink) {
  const int64_t parts = CeilDiv(p.rows, p.calls.rows());
  FirstFailure failure;
  // Each thread takes neighbouring slices, whose weights follow each other.
  ParallelRuns(p.threads, p.calls.slices * parts, [&](int64_t begin, int64_t end, int64_t thread) {
    for (int64_t task = begin; task < end && failure.none(); ++task) {
      const int64_t slice = task / parts;
      const std::byte* const of_slice = weights + p.calls.weight_offset(slice);
      if (task == begin || task % parts == 0) {
        FetchPages(of_slice, p.calls.Of(slice).weight_bytes());
      }
      failure.Note(MultiplyPart(p, PartOf(p, slice, task % parts), static_cast<int>(thread),
                                of_slice, sink));
    }
  });
  failure.Throw();
}

void MultiplySlices(const SliceProduct& p, SliceUnpacker unpack, ResultSink sink) {
  const int64_t parts = CeilDiv(p.rows, p.calls.rows());
  FirstFailure failure;
  ParallelTasks(p.threads, p.calls.slices, [&](int64_t slice, int thread) {
    try {
      const std::byte* const weights = unpack(slice, thread);
      for (int64_t part = 0; part < parts && failure.none(); ++part) {
        failure.Note(MultiplyPart(p, PartOf(p, slice, part), thread, weights, sink));
      }
    } catch (const dnnl::error& error) {
      failure.Note(error.status);
    }
  });
  failure.Throw();
}

}  // namespace plumbline
