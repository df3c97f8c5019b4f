// Runs a text through models in lockstep, chunk by chunk, and scores each against a reference.
#ifndef PLUMBLINE_TOOLS_PERPLEXITY_RUN_H_
#define PLUMBLINE_TOOLS_PERPLEXITY_RUN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/cost_model.h"
#include "engine/model.h"
#include "engine/tensor_source.h"
#include "scheduler/executor.h"
#include "tools/count_agreement.h"
#include "tools/perplexity_score.h"
#include "tools/perplexity_windows.h"

namespace plumbline {

// A model with a cache for one sequence, run as `generate` runs a prompt. One thread at a time.
class WindowEngine {
 public:
  // `positions`: of the longest sequence. Errors of Model::Load and KvStore::Create.
  static absl::StatusOr<std::unique_ptr<WindowEngine>> Load(const TensorSource& source,
                                                            const ModelOptions& options,
                                                            int64_t positions);

  // Feeds tokens from position `first`, and returns logits of the last `logit_rows` of them,
  // [logit_rows, vocab], valid until the next call. Position 0 starts a new sequence. Errors of
  // Model::Forward. REQUIRES: the positions before were fed.
  absl::StatusOr<absl::Span<const float>> Feed(absl::Span<const int32_t> tokens, int64_t first,
                                               int64_t logit_rows);

  const Model& model() const { return *model_; }
  const CountAgreement& agreement() const { return agreement_; }

 private:
  WindowEngine(std::unique_ptr<Model> model, std::unique_ptr<KvStore> store);
  void CheckCounts(const StepWork& work, const SpanShape& span);

  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> store_;
  ModelExecutor executor_;  // of both
  CostShape shape_;
  std::vector<BlockId> blocks_;
  StepBatch batch_;
  CountAgreement agreement_;
};

// What is run.
struct PerplexityText {
  absl::Span<const int32_t> tokens;  // [layout.text_tokens]
  absl::Span<const int32_t> start;   // [layout.start_tokens]
  WindowLayout layout;               // its Check() is OK
  int64_t chunk_tokens = 512;        // most tokens of a step
};

struct PassHooks {
  std::function<bool()> cancelled;            // asked before every step; may be empty
  std::function<void(int64_t)> on_positions;  // told of positions fed, of all models; may be empty
};

// Scores the text under every model, all at the same step at a time, so that two steps' logits are
// all that is held: [chunk, vocab] for each model, whatever the window.
//
// `reference_scores` gets the reference's own scores, and (*scores)[i] those of others[i]; only
// windows that all models completed. Cancelled where the hook said so, with what there is;
// DataLoss where a logit is not a finite number; errors of Model::Forward.
// REQUIRES: models of one vocabulary, whose caches hold layout.context - 1 positions and whose
// options allow steps of chunk_tokens with as many rows of logits.
absl::Status ScoreText(const PerplexityText& text, WindowEngine& reference,
                       absl::Span<WindowEngine* const> others, const PassHooks& hooks,
                       TextScores* reference_scores, std::vector<TextScores>* scores);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PERPLEXITY_RUN_H_
