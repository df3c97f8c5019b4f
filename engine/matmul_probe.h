// Which matmul implementations a model would run with here, without loading its weights.
#ifndef PLUMBLINE_ENGINE_MATMUL_PROBE_H_
#define PLUMBLINE_ENGINE_MATMUL_PROBE_H_

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

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MATMUL_PROBE_H_
