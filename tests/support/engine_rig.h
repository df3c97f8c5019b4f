// Runs token sequences through a model step by step, as a test says: any chunks, companions, block
// sizes and threads, over a cache whose unwritten memory is NaN and whose blocks are shuffled.
#ifndef PLUMBLINE_TESTS_SUPPORT_ENGINE_RIG_H_
#define PLUMBLINE_TESTS_SUPPORT_ENGINE_RIG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/cost_model.h"
#include "engine/model.h"
#include "engine/tensor_source.h"

namespace plumbline {

struct RigOptions {
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv = KvDtype::kF32;
  int block_tokens = 16;
  int threads = 1;
  uint64_t seed = 1;  // of the order of blocks
};

// `count` more tokens of sequence `sequence`.
struct RigSpan {
  int sequence = 0;
  int count = 0;
};
using RigStep = std::vector<RigSpan>;

// Steps that feed each sequence alone, `chunk` tokens at a time (0: all at once).
std::vector<RigStep> AloneInChunks(const std::vector<std::vector<int32_t>>& sequences, int chunk);
// Each sequence alone: all but its last `tail` tokens at once, then those one by one.
std::vector<RigStep> AloneWithTails(const std::vector<std::vector<int32_t>>& sequences, int tail);
// Steps that mix the sequences, each with chunks of its own seeded sizes up to `most`.
std::vector<RigStep> MixedChunks(const std::vector<std::vector<int32_t>>& sequences, int most,
                                 uint64_t seed);
// Sequences of these lengths with seeded tokens below `vocab`.
std::vector<std::vector<int32_t>> RandomSequences(const std::vector<int>& lengths, int vocab,
                                                  uint64_t seed);

// What one step measured, and the formulas' word on it.
struct RigWork {
  StepWork measured;
  std::vector<MacCounts> formula_macs;  // by span
  ByteCounts formula_bytes = {};
  int64_t formula_softmax_pairs = 0;
};

class EngineRig {
 public:
  // Adds a test failure and leaves a rig that is not ok() where the model does not load.
  EngineRig(const TensorSource& source, const RigOptions& options);
  bool ok() const { return model_ != nullptr; }
  Model& model() { return *model_; }

  // Feeds the sequences by `steps`, which must cover them, and returns the bits of the logits of
  // every token: [sequence][tokens * vocab]. `work`, where given, gets one entry per step.
  std::vector<std::vector<uint32_t>> Run(const std::vector<std::vector<int32_t>>& sequences,
                                         const std::vector<RigStep>& steps,
                                         std::vector<RigWork>* work = nullptr);

 private:
  RigOptions options_;
  std::unique_ptr<Model> model_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_ENGINE_RIG_H_
