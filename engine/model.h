// A loaded model: weights packed for this machine, and the forward pass over one step's batch.
#ifndef PLUMBLINE_ENGINE_MODEL_H_
#define PLUMBLINE_ENGINE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/model_config.h"
#include "engine/pass_threads.h"
#include "engine/step_batch.h"
#include "engine/tensor_source.h"
#include "engine/weight_dtype.h"
#include "engine/work.h"

namespace plumbline {

struct ModelOptions {
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  int block_tokens = 16;
  int threads = 1;            // of matmuls and kernels; OMP_THREAD_LIMIT may leave fewer
  int max_step_tokens = 512;  // rows of the largest step; scratch is sized by it
  int max_step_spans = 256;
  int max_logit_rows = 256;  // of one step
  // Multiply-accumulates of a layer below which a step runs on one thread (pass_threads.h).
  int64_t least_shared_macs = kLeastSharedMacs;
};

// Bytes of weights by class as they lie in memory (packed), and the parameters they stand for.
struct WeightSizes {
  ByteCounts bytes = {};
  int64_t parameters = 0;
};

// Bytes of the buffers that a step works in, summed from the buffers themselves. They take room
// only as far as steps have written them.
struct ScratchSizes {
  int64_t activations = 0;  // rows of max_step_tokens
  int64_t logits = 0;       // rows of max_logit_rows, with the head's inputs
  int64_t attention = 0;    // tiles, and partials of split tiles
  int64_t matmul = 0;       // what the matmul library asked for
};

// Forward belongs to one thread at a time; const methods are safe from any thread.
class Model {
 public:
  // Reads, converts and packs every tensor. InvalidArgument for tensors that are missing or of the
  // wrong shape, or options out of range; ResourceExhausted (need and had named) for memory;
  // FailedPrecondition where the CPU cannot compute with the weights' dtype.
  static absl::StatusOr<std::unique_ptr<Model>> Load(const TensorSource& source,
                                                     const ModelOptions& options);
  virtual ~Model() = default;

  // Runs the batch: writes K and V of its tokens to `store`, and computes logits
  // [batch.num_logit_rows, vocab], which stay valid until the next call. Counts what it does in
  // `*work`, which it resets. Allocates nothing once the sizes have been seen.
  // InvalidArgument for batches larger than the options allow, token ids outside the vocabulary,
  // positions outside the context, or block tables that are too short.
  // REQUIRES: `store` has the geometry of config().CacheGeometry(options.kv_dtype, block_tokens).
  virtual absl::StatusOr<absl::Span<const float>> Forward(const StepBatch& batch, KvStore& store,
                                                          StepWork* work) = 0;

  virtual const ModelConfig& config() const = 0;
  virtual const ModelOptions& options() const = 0;
  virtual const WeightSizes& weight_sizes() const = 0;
  virtual ScratchSizes scratch_sizes() const = 0;
  // Writes all scratch, so that it is resident as if the largest step had run. Logits of an
  // earlier step are lost.
  virtual void TouchScratch() = 0;
  // Empty where the same-bits law holds for this model on this machine; else why it does not (the
  // matmul implementations that run instead).
  virtual std::string same_bits_exception() const = 0;
  // The distinct matmul implementations in use, e.g. "brg:avx512_core_bf16".
  virtual std::string matmul_implementations() const = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MODEL_H_
