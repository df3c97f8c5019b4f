// What a step should cost, in closed form: the formula column. Knows shapes only; never looks at a
// counter, a buffer or a clock. Ids such as D_PREFILL_MAC name the formulas in the project's list.
//
// Symbols: L layers, d width, h heads, g KV heads, e head size, F feed-forward width, m its
// matrices, V vocabulary, t context of a decode step (the new token included), n prompt tokens.
#ifndef PLUMBLINE_ENGINE_COST_MODEL_H_
#define PLUMBLINE_ENGINE_COST_MODEL_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "cache/kv_geometry.h"
#include "engine/attention_form.h"
#include "engine/bf16_unit.h"
#include "engine/model_config.h"
#include "engine/step_batch.h"
#include "engine/weight_dtype.h"
#include "engine/work.h"

namespace plumbline {

// What the formulas need to know of a model and of how it runs.
struct CostShape {
  int64_t L = 0, d = 0, h = 0, g = 0, e = 0, F = 0, m = 0, V = 0;
  WeightDtype weight_dtype = WeightDtype::kF32;
  KvDtype cache_dtype = KvDtype::kF32;
  int64_t cache_bytes = 4;        // b, of a cached element
  int64_t cache_scale_bytes = 0;  // of the scale of one token's key, or value, of one head (int8)
  int64_t block_tokens = 16;
  AttentionForm attention = AttentionForm::kVectors;
  // Elements of one layer's norm gains and biases; of the final norm; of one token's embedding and
  // position rows. Bytes: norms and biases are f32, embedding rows have embedding_bytes().
  int64_t layer_small_elements = 0;
  int64_t final_small_elements = 0;
  int64_t embedding_elements = 0;

  // Of an embedding element; of a matrix's output, beside its elements (int8's scale and offset).
  int64_t embedding_bytes() const { return WeightDtypeBytes(EmbeddingDtype(weight_dtype)); }
  int64_t channel_bytes() const { return WeightChannelBytes(weight_dtype); }
  // Of an element of activations; of a matrix's elements; and of one of these on average (b_w).
  int64_t activation_bytes() const { return WeightDtypeBytes(weight_dtype); }
  int64_t matrix_bytes(int64_t outputs, int64_t inputs) const {
    return outputs * WeightRowBytes(weight_dtype, inputs);
  }
  double weight_bytes() const {
    return static_cast<double>(WeightRowBytes(weight_dtype, kQ4BlockInputs)) / kQ4BlockInputs;
  }
  // Outputs of one layer's matrices together.
  int64_t layer_outputs() const { return (h + 2 * g) * e + d + (m - 1) * F + d; }

  // Of one token's key, or value, of all heads of a layer.
  int64_t cache_side_bytes() const { return g * (e * cache_bytes + cache_scale_bytes); }

  // Sets how attention runs where `unit` multiplies bf16, from the cache's dtype and head_dim.
  void SetForms(Bf16Unit unit);
  static CostShape From(const ModelConfig& config, WeightDtype weights, KvDtype cache,
                        int block_tokens);
};

// `count` tokens from position `first`, `logit_rows` of which go through the head.
struct SpanShape {
  int64_t first = 0;
  int64_t count = 0;
  int64_t logit_rows = 0;

  bool operator==(const SpanShape&) const = default;
};
// Of each span of a batch.
std::vector<SpanShape> SpanShapes(const StepBatch& batch);
// Tokens that the spans feed together: rows of the step.
int64_t SpanTokens(absl::Span<const SpanShape> spans);

// Query-key pairs of a span: c p + c (c + 1) / 2 (D_PAIRS_CAUSAL for p = 0).
int64_t SpanPairs(const SpanShape& span);
// Pairs that the kernels run, over all heads of one layer: scores in whole groups of 16 keys for
// each micro-tile of rows (attention.h); weighted values as they are seen, but in tiles
// (attention_form.h) in whole groups, too.
int64_t SpanExecutedScorePairs(const CostShape& shape, const SpanShape& span);
int64_t SpanExecutedValuePairs(const CostShape& shape, const SpanShape& span);

// Multiply-accumulates of one span by class: D_PROJ_MAC, D_CORE_MAC (half scores, half weighted
// values), D_FFN_MAC, D_HEAD_MAC.
MacCounts SpanMacs(const CostShape& shape, const SpanShape& span);
// Query-key pairs of one span that go through a softmax, over all heads and layers: L h pairs. The
// operations of D_SOFTMAX_OPS are three for each.
int64_t SpanSoftmaxPairs(const CostShape& shape, const SpanShape& span);
// Bytes of one step of these spans by class (matmul calls: see MatmulCalls).
ByteCounts StepBytes(const CostShape& shape, absl::Span<const SpanShape> spans);
// How many of `rows` rows the next call on a weight matrix takes (matmul.h): all up to 512. In q4
// all: weights are read once for a step, whatever its rows. What older CPUs read again within a
// call (matmul.h) is not counted. REQUIRES: rows > 0.
int64_t NextCallRows(const CostShape& shape, int64_t rows);
// How many calls a step of `rows` rows makes for each weight matrix.
int64_t MatmulCalls(const CostShape& shape, int64_t rows);

int64_t WeightCount(const CostShape& shape);             // D_WEIGHTS
int64_t WeightBytes(const CostShape& shape);             // of the matrices' elements
int64_t PrefillMacs(const CostShape& shape, int64_t n);  // P(n), D_PREFILL_MAC
int64_t DecodeMacs(const CostShape& shape, int64_t t);   // S(t), D_DECODE_MAC
int64_t KvTokenBytes(const CostShape& shape);            // 2 L g e b, and scales
int64_t KvUsedBytes(const CostShape& shape, int64_t t);  // C(t), D_KV_BYTES; int8: D_KV_QUANT_BYTES
int64_t KvAllocatedBytes(const CostShape& shape, int64_t t);  // D_KV_PAGED_BYTES
int64_t DecodeFloorBytes(const CostShape& shape, int64_t t);  // D_DECODE_BYTES

// What the two articles say of the same run (multi-head, full square, no head, no vocabulary).
double ArticlePrefillMacs(const CostShape& shape, int64_t n);  // L x A1_LAYER_TOTAL
// The same by class, indexed by WorkClass: 4 n d^2 projections, n^2 d scores, n^2 d weighted values
// and 8 n d^2 feed-forward in each layer. 0: the articles have no figure.
std::array<double, kNumWorkClasses> ArticlePrefillMacsByClass(const CostShape& shape, int64_t n);
double ArticleDecodeMacs(const CostShape& shape, int64_t t);  // L x A2_CACHED_STEP
double ArticleKvBytes(const CostShape& shape, int64_t t);     // A2_KV_BYTES
// Stored scores of one layer, all heads, in the cache's element size: A1_ATTN_MATRIX_BYTES, h times
// A2_SCORE_MATRIX_BYTES.
double ArticleScoreBytes(const CostShape& shape, int64_t n);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_COST_MODEL_H_
