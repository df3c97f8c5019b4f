// Every byte that a model will take, in closed form: the formula column for memory. Knows shapes
// only; never looks at a buffer. Sizes that do not fit an int64_t count as the largest one, which
// fits no memory.
//
// Symbols as in cost_model.h; n rows of the largest step, r rows of logits, b bytes of a weight.
// All functions are pure and safe from any thread.
#ifndef PLUMBLINE_ENGINE_MEMORY_PLAN_H_
#define PLUMBLINE_ENGINE_MEMORY_PLAN_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/matmul_probe.h"
#include "engine/model.h"
#include "engine/model_config.h"

namespace plumbline {

// oneDNN's layout of weights for its blocked (brg) matmuls: columns of 64 outputs, and rows of 64
// bytes of inputs (16 f32, 32 bf16 or 64 int8). Elsewhere weights lie without padding.
inline constexpr int64_t kPackedOutputs = 64;
inline constexpr int64_t kPackedInputBytes = 64;

// What a process is to hold, apart from the number and length of its requests.
struct MemoryShape {
  ModelConfig config;
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  int block_tokens = 16;
  int chunk_tokens = 512;  // token budget of a step
  int max_running = 256;   // requests that share a step, at most
  int threads = 1;
  MatmulFootprint matmul;  // what no formula gives: measured, or zero
};

// Packed weights by class, as Model::weight_sizes counts them.
struct WeightPlan {
  int64_t projections = 0;
  int64_t feed_forward = 0;
  int64_t head = 0;
  int64_t embedding = 0;  // and learned positions, in EmbeddingDtype
  int64_t vectors = 0;    // norms and biases, f32
  int64_t padding = 0;    // of the packed layout; contained in the classes above

  int64_t total() const;
};

struct CachePlan {
  int64_t token_bytes = 0;  // 2 L g e b (D_KV_BYTES)
  int64_t block_bytes = 0;
  int64_t blocks = 0;
  int64_t used_bytes = 0;       // of the tokens themselves
  int64_t allocated_bytes = 0;  // whole blocks (D_KV_PAGED_BYTES)

  int64_t waste_bytes() const { return allocated_bytes - used_bytes; }
};

struct MemoryPlan {
  WeightPlan weights;
  CachePlan cache;
  ScratchSizes scratch;
  int64_t compiled_bytes = 0;
  // The most that loading takes: a matrix that the library packs itself (not packed_as_read) is
  // there twice meanwhile, once as plain rows of its dtype. Cache and scratch are not there yet.
  int64_t load_peak_bytes = 0;

  // What is resident once every block and all scratch have been used.
  int64_t total() const;
  // What must be there to load and to run.
  int64_t needed() const;
};

// Whether the memory holds it, and a block's id each of its blocks.
bool Fits(const MemoryPlan& plan, int64_t memory_bytes);

// [outputs, inputs] in the library's layout, with int8's scales and offsets.
int64_t PackedBytes(int64_t outputs, int64_t inputs, WeightDtype dtype, bool blocked);
WeightPlan PlanWeights(const MemoryShape& shape);
// Scratch of steps of `step_tokens` rows and `logit_rows` rows of logits.
ScratchSizes PlanScratch(const MemoryShape& shape, int64_t step_tokens, int64_t logit_rows);
int64_t Total(const ScratchSizes& sizes);

// A run of steps of these sizes over a pool of `blocks` blocks, all of it used. REQUIRES: as
// PlanMemory; sizes are at least 0.
MemoryPlan PlanRun(const MemoryShape& shape, int64_t step_tokens, int64_t logit_rows,
                   int64_t blocks);
// `requests` requests of `context` tokens each, all held at once.
// REQUIRES: shape.config.Validate() is OK, and so is its cache geometry; context and requests are
// at least 0. The largest int64_t stands for sizes beyond it.
MemoryPlan PlanMemory(const MemoryShape& shape, int64_t context, int64_t requests);
// InvalidArgument, saying what is too large, where that requirement does not hold, or where the
// plan's total does not fit an int64_t.
absl::Status CheckPlan(const MemoryShape& shape, int64_t context, int64_t requests);

// A context beyond the model's own takes more rows of learned positions.
//
// The largest context of each of `requests` requests whose plan fits; 0 where none does. Bounded by
// memory alone: the model's own context may be less. REQUIRES: as PlanMemory; requests >= 1.
int64_t LargestContext(const MemoryShape& shape, int64_t memory_bytes, int64_t requests);
// The most requests of `context` tokens whose plan fits. REQUIRES: as PlanMemory; context >= 1.
int64_t LargestConcurrency(const MemoryShape& shape, int64_t memory_bytes, int64_t context);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MEMORY_PLAN_H_
