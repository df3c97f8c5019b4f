// Attention of a whole prompt that stores the scores of a layer for all its heads: the measured
// counter-example to attention.h, as plain frameworks run it. Three stages, each a pass over the
// whole matrix: S = Q K^T; softmax(scale S + mask); weights times V (Vaswani et al. 2017, eq. 1).
//
// Both products run as library matmuls over panels of 128 rows of one head, panels side by side on
// the threads. Causal panels stop at the last key that one of their rows sees. Masked keys add
// nothing and their values are not read.
#ifndef PLUMBLINE_ENGINE_STORED_ATTENTION_H_
#define PLUMBLINE_ENGINE_STORED_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/attention.h"
#include "engine/score_passes.h"
#include "engine/work.h"

namespace plumbline {

// One thread calls at a time; it uses the shape's threads itself. Every stage adds to `*work`
// (REQUIRES: Reset(1) came before; a null `work` counts nothing) in the classes kScores, kSoftmax
// and kWeightedValues: MACs to spans[0]; the wall clock of the stage; and as bytes the traffic of
// the score matrix alone, each visit of a stage to a score once: D_NAIVE_ATTN_TRAFFIC_BYTES, with
// four passes in the full square.
class StoredAttention {
 public:
  // Allocates the scores of `tokens` tokens. ResourceExhausted (needed and had named) where they
  // take more than `free_bytes` (DetectMachine().free_memory_bytes is what there is), before
  // anything is allocated; InvalidArgument for sizes below 1 or heads that kv_heads do not divide.
  static absl::StatusOr<std::unique_ptr<StoredAttention>> Create(const AttentionShape& shape,
                                                                 int tokens, int64_t free_bytes);

  // All three stages: out[tokens, heads, head_dim] from queries [tokens, heads, head_dim], keys and
  // values [tokens, kv_heads, head_dim]. Internal where the library fails.
  absl::Status Run(const float* queries, const float* keys, const float* values, ScoreMask mask,
                   float* out, StepWork* work);

  // The stages, for those who time or replace one. Scores are not scaled yet.
  absl::Status ComputeScores(const float* queries, const float* keys, ScoreMask mask,
                             StepWork* work);
  // Scale, mask and softmax in one visit to each row: masked keys are not looked at, and keep what
  // they held.
  void SoftmaxFused(ScoreMask mask, StepWork* work);
  // The same bits in three passes over the whole matrix: scale; minus infinity where masked;
  // softmax. Masked weights become zero. REQUIRES: ComputeScores ran with kNone, so that all
  // scores are there.
  void SoftmaxInPasses(ScoreMask mask, StepWork* work);
  absl::Status WeighValues(const float* values, ScoreMask mask, float* out, StepWork* work);

  // [heads, tokens, tokens]: scores, or weights after a softmax.
  const float* scores() const { return scores_.get(); }
  // Of the buffer of scores: D_SCORES_NAIVE_BYTES. What the library packs meanwhile is its own.
  int64_t score_bytes() const { return score_floats_ * static_cast<int64_t>(sizeof(float)); }

 private:
  // What one panel did in one stage.
  struct Counts {
    int64_t useful = 0;    // pairs
    int64_t executed = 0;  // pairs
    int64_t softmax = 0;   // pairs
    int64_t visits = 0;    // scores read or written
  };
  // Rows [row, row + rows) of one head; they see at most `keys` keys.
  struct Panel {
    int head = 0;
    int row = 0;
    int rows = 0;
    int keys = 0;
  };

  StoredAttention(const AttentionShape& shape, int tokens, std::unique_ptr<float[]> scores,
                  int64_t score_floats);
  Panel PanelAt(int64_t index, ScoreMask mask) const;
  int VisibleKeys(int row, ScoreMask mask) const;
  float* Row(int head, int row) const;
  // Runs fn(panel, counts) for every panel, and adds counts and clock to `work`.
  void RunStage(WorkClass stage, ScoreMask mask, StepWork* work,
                absl::FunctionRef<void(const Panel&, Counts*)> fn);
  absl::Status WeighPanel(const Panel& panel, const float* values, ScoreMask mask, float* out,
                          Counts* counts) const;
  void SoftenRows(const Panel& panel, ScoreMask mask, Counts* counts) const;

  AttentionShape shape_;
  int tokens_;
  int panels_;                       // of one head
  std::unique_ptr<float[]> scores_;  // [heads, tokens, tokens]
  int64_t score_floats_;
  std::vector<Counts> counts_;        // [heads * panels]
  std::vector<absl::Status> status_;  // [heads * panels]
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_STORED_ATTENTION_H_
