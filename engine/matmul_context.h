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
#include "engine/matmul_q4.h"
#include "engine/untouched_array.h"
#include "engine/weight_memory.h"

namespace plumbline {

MatmulContext::Implementation DescribeTiles(WeightDtype dtype);
// Of a matrix that these calls multiply.
MatmulContext::Implementation Describe(const std::vector<const CallSet*>& calls);

struct MatmulContext::Impl {
  int threads = 1;
  dnnl::engine engine;
  dnnl::stream stream;
  UntouchedArray<std::byte> scratch;  // of the call that runs: one at a time
  Q4Scratch q4;
  WeightMemory weights;
  std::map<CallShape, std::unique_ptr<CallSet>> shapes;

  // The library takes its number of threads from the calling thread's OpenMP setting.
  // It must get them all (OMP_DYNAMIC could give fewer): see UsableThreads.
  void UseThreads() const {
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
  }
  // Compiles what is new of it, and makes room for it.
  CallSet& Calls(const CallShape& shape);
  // None, where q4 runs in tiles. Makes room, too.
  Q4Calls CallsForQ4(int64_t outputs, int64_t inputs);
  // Room for products of so many rows, where they run in tiles.
  void ReserveQ4(int64_t outputs, int64_t inputs, int64_t rows);
  void MakeRoom(int64_t bytes);
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_CONTEXT_H_
