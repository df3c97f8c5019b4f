// What the matrices of a model share: the inside of MatmulContext. Private to matmul*.cc: it knows
// oneDNN.
#ifndef PLUMBLINE_ENGINE_MATMUL_CONTEXT_H_
#define PLUMBLINE_ENGINE_MATMUL_CONTEXT_H_

#include <omp.h>

#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <vector>

#include "engine/matmul.h"
#include "engine/matmul_calls.h"
#include "engine/matmul_slices.h"
#include "engine/untouched_array.h"
#include "engine/weight_memory.h"

namespace plumbline {

MatmulContext::Implementation DescribeTiles(WeightDtype dtype);
// Of a matrix that these calls multiply.
MatmulContext::Implementation Describe(const std::vector<const CallSet*>& calls);

struct MatmulContext::Impl {
  int threads = 1;
  dnnl::engine engine;
  UntouchedArray<std::byte> scratch;  // of the product that runs: one at a time
  WeightMemory weights;
  std::map<CallShape, std::unique_ptr<CallSet>> slices;  // calls by every thread
  std::map<CallShape, std::unique_ptr<CallSet>> shapes;  // calls on all threads

  // The library takes its number of threads from the calling thread's OpenMP setting.
  // It must get them all (OMP_DYNAMIC could give fewer): see UsableThreads.
  void UseThreads() const {
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
  }
  // The library's own product: compiles what is new of it, and makes room for it.
  CallSet& Calls(const CallShape& shape);
  // The same in slices; none, where the layout is not that of matmul_columns.h.
  SliceCalls Slices(const CallShape& shape);
  // In slices of int8, in any layout; none, where q4 runs in tiles.
  SliceCalls SlicesForQ4(int64_t outputs, int64_t inputs);
  void MakeRoom(int64_t bytes);

 private:
  SliceCalls SlicesOf(const CallShape& shape, int64_t most_outputs);
  CallSet& SliceOf(const CallShape& shape, int64_t outputs);
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_CONTEXT_H_
