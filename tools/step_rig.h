// Runs single steps of a model at any contexts, for measurement, through the executor that serves
// `generate` and `load`. The cache is filled with seeded values instead of being computed, so a
// step at context 16,384 needs no prefill. Reports that use it say `filled`.
#ifndef PLUMBLINE_TOOLS_STEP_RIG_H_
#define PLUMBLINE_TOOLS_STEP_RIG_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/cost_model.h"
#include "engine/model.h"
#include "engine/step_batch.h"
#include "engine/tensor_source.h"
#include "scheduler/executor.h"

namespace plumbline {

struct StepRigOptions {
  ModelOptions model;
  int64_t cache_tokens = 0;     // of all sequences of one step together, each rounded up to blocks
  uint64_t seed = 1;            // of the cache's values, the token ids and the order of blocks
  bool shuffle_blocks = false;  // else sequences lie side by side in the cache
};

// What one forward pass took and counted.
struct StepSample {
  double seconds = 0;  // wall clock around the pass
  StepWork work;
  absl::Span<const float> logits;  // [logit rows, vocab]; valid until the next Run
};

// What such a step needs of StepRigOptions::cache_tokens.
int64_t CacheTokens(absl::Span<const SpanShape> spans, int64_t block_tokens);

// Short steps run so long untimed before they are timed, until the caches hold what a step leaves
// there: one of 0.35 ms took 1.0, 0.5, 0.4 ms at first.
inline constexpr double kStepWarmUpSeconds = 0.005;

// One thread at a time.
class StepRig {
 public:
  // Loads the model, and writes finite seeded values to every slot of its cache. Errors of
  // Model::Load and KvStore::Create.
  static absl::StatusOr<std::unique_ptr<StepRig>> Create(const TensorSource& source,
                                                         const StepRigOptions& options);

  // Runs one step in which sequence i feeds spans[i].count tokens from position spans[i].first;
  // the positions before hold the seeded values (or what an earlier step left there). Sequences
  // take blocks one after another. ResourceExhausted where they do not fit it (needed and had
  // named); errors of Model::Forward.
  absl::StatusOr<StepSample> Run(absl::Span<const SpanShape> spans);

  Model& model() { return *model_; }
  const KvStore& store() const { return *store_; }
  const CostShape& shape() const { return shape_; }

 private:
  StepRig(const StepRigOptions& options, std::unique_ptr<Model> model,
          std::unique_ptr<KvStore> store);
  void FillCache();

  const uint64_t seed_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> store_;
  ModelExecutor executor_;  // of both
  CostShape shape_;
  std::vector<int32_t> tokens_;  // [context]: what every sequence feeds
  std::vector<BlockId> blocks_;  // all of them: sequences take runs of it
  StepBatch batch_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_STEP_RIG_H_
