// Which matmul implementations a model would run with here, without loading its weights.
#ifndef PLUMBLINE_ENGINE_MATMUL_PROBE_H_
#define PLUMBLINE_ENGINE_MATMUL_PROBE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/model_config.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// The distinct names, e.g. "brg:avx512_core_bf16"; `*rows_independent` says whether the same-bits
// law holds with all of them. FailedPrecondition where the library cannot multiply in `dtype`
// here. REQUIRES: config.Validate() is OK.
absl::StatusOr<std::string> ProbeMatmul(const ModelConfig& config, WeightDtype dtype, int threads,
                                        bool* rows_independent);

// What the matmul library takes beside the weights.
struct MatmulFootprint {
  bool blocked = false;         // weights are packed in blocks (memory_plan.h)
  bool packed_as_read = false;  // no matrix is there twice while it is loaded
  int64_t scratch_bytes = 0;    // as the library states it
  int64_t compiled_bytes = 0;   // calls compiled for this model
};

// Compiles the calls of this model's matrices, as loading does, and measures by how much that
// made the process grow: no formula gives the size of a library's code. What was compiled before in
// this process costs nothing and is not seen again, so measure in a fresh one. Errors of
// ProbeMatmul and AnonymousResidentBytes. REQUIRES: config.Validate() is OK; no other thread
// allocates.
absl::StatusOr<MatmulFootprint> MeasureMatmulFootprint(const ModelConfig& config, WeightDtype dtype,
                                                       int threads);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_PROBE_H_
