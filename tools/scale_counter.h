// The counter-examples of `plumbline scale`: what a technique costs beside doing without it, both
// measured in turn in one run. Each function appends its points and samples to `*data`, with
// counters and their formulas; see RunPasses for interruption and errors.
//
// One thread at a time. Besides what is named below: errors of OpenModel, Model::Load and
// StepRig::Create; InvalidArgument for sizes below 1 or outside the model's context; Internal where
// two ways that must agree to the bit do not.
#ifndef PLUMBLINE_TOOLS_SCALE_COUNTER_H_
#define PLUMBLINE_TOOLS_SCALE_COUNTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "tools/scale_passes.h"
#include "tools/scale_samples.h"

namespace plumbline {

// A length that was not measured, and why: the memory needed and had.
struct CounterLeftOut {
  ScaleSweep sweep = ScaleSweep::kStoredFull;
  int64_t tokens = 0;
  std::string reason;
};

// Attention of one layer over a whole prompt of n tokens: stored scores, full square and causal
// (kStoredFull, kStoredCausal), and by tiles (kTiled) over a cache that is written already. Their
// shapes have one layer. peak_score_bytes: of the stored matrix, or of the tiles' scratch. Stored
// attention computes in f32 whatever the cache's dtype. Lengths whose matrix does not fit free
// memory go to `*left_out`.
absl::Status MeasureAttention(const CounterOptions& options, absl::Span<const int64_t> lengths,
                              ScaleData* data, std::vector<CounterLeftOut>* left_out);

// Causal scale + mask + softmax over the stored scores of one layer, in one visit to each row or in
// three passes over the matrix (kFusedSoftmax, kUnfusedSoftmax). Bytes: the matrix's traffic.
absl::Status MeasureSoftmaxFusion(const CounterOptions& options, absl::Span<const int64_t> lengths,
                                  ScaleData* data, std::vector<CounterLeftOut>* left_out);

// Bias + activation of one layer over n tokens, in one pass or in two (kFusedFfn, kUnfusedFfn).
// Bytes: what the passes read and write, class kOther.
absl::Status MeasureActivationFusion(const CounterOptions& options,
                                     absl::Span<const int64_t> lengths, ScaleData* data);

// One decode step of sequences of these (ragged) contexts: from shuffled blocks of block_tokens,
// and from one block each as long as the longest context, rounded up to 16 (kPaged, kContiguous).
// tokens: the longest context. The weights are loaded twice. Contexts are filled, not computed.
absl::Status MeasurePaging(const CounterOptions& options, absl::Span<const int64_t> contexts,
                           ScaleData* data);

// Prefill of n tokens in steps of `chunk`, and in one step (both kChunk; told apart by chunk).
// scratch_bytes: of the buffers sized for such a step. The weights are loaded twice.
absl::Status MeasureChunking(const CounterOptions& options, int64_t tokens, int64_t chunk,
                             ScaleData* data);

// The step that computes token t, for each t of `contexts`: over the whole context from position 0
// (chunk = t), and over its own position alone, the others being in the cache (chunk = 0); both
// kNoCache. The logits of the two are the same bits.
absl::Status MeasureNoCache(const CounterOptions& options, absl::Span<const int64_t> contexts,
                            ScaleData* data);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_COUNTER_H_
