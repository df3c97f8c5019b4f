#include "engine/cost_model.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/cutting.h"
#include "engine/formula.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

constexpr int64_t kVectorBytes = 4;  // norm gains and biases are f32

constexpr int64_t kArticleFfnRatio = 4;  // F / d, of the articles' own layer

// Keys read, summed over the tiles of a span, for one KV head of one layer.
int64_t TileKeys(const CostShape& s, const SpanShape& span) {
  int64_t keys = 0;
  for (int64_t end = 0; end < span.count;) {
    end = std::min(end + cutting::TileTokens(s), span.count);
    keys += span.first + end;
  }
  return keys;
}

// Of the elements of one layer's matrices.
int64_t ProjectionBytes(const CostShape& s) {
  return s.matrix_bytes((s.h + 2 * s.g) * s.e, s.d) + s.matrix_bytes(s.d, s.h * s.e);
}
int64_t FeedForwardBytes(const CostShape& s) {
  return s.matrix_bytes((s.m - 1) * s.F, s.d) + s.matrix_bytes(s.d, s.F);
}

Argument Of(absl::string_view name, int64_t value) {
  return {name, FromDecimal(static_cast<double>(value))};
}

// A figure of the articles (formula.h). Shapes and lengths are whole numbers from 0 up, far below
// what overflows, so that every formula used here has a value; 0 reads "no figure" in a report.
Bounded Article(absl::string_view id, absl::Span<const Argument> arguments) {
  return EvaluateFormula(id, arguments).value_or(Bounded{});
}

}  // namespace

void CostShape::SetForms(Bf16Unit unit) { attention = AttentionFormWith(unit, cache_dtype, e); }

CostShape CostShape::From(const ModelConfig& config, WeightDtype weights, KvDtype cache,
                          int block_tokens) {
  CostShape s;
  s.L = config.layers;
  s.d = config.width;
  s.h = config.heads;
  s.g = config.kv_heads;
  s.e = config.head_dim;
  s.F = config.ffn;
  s.m = config.feed_forward_matrices();
  s.V = config.vocab;
  s.weight_dtype = weights;
  s.cache_dtype = cache;
  s.cache_bytes = KvDtypeBytes(cache);
  s.cache_scale_bytes = KvScaleBytes(cache);
  s.block_tokens = block_tokens;
  s.SetForms(UsedBf16Unit());
  const int64_t norm = config.norm == NormKind::kLayer ? 2 * s.d : s.d;
  s.layer_small_elements = 2 * norm;
  if (config.qkv_bias || config.linear_bias) s.layer_small_elements += (s.h + 2 * s.g) * s.e;
  if (config.linear_bias) s.layer_small_elements += s.d + (s.m - 1) * s.F + s.d;
  s.final_small_elements = norm;
  s.embedding_elements = config.position == PositionKind::kLearned ? 2 * s.d : s.d;
  return s;
}

std::vector<SpanShape> SpanShapes(const StepBatch& batch) {
  std::vector<SpanShape> shapes;
  shapes.reserve(batch.spans.size());
  for (const BatchSpan& span : batch.spans) {
    shapes.push_back({span.first_position, span.count, span.logit_rows});
  }
  return shapes;
}

int64_t SpanTokens(absl::Span<const SpanShape> spans) {
  int64_t tokens = 0;
  for (const SpanShape& span : spans) tokens += span.count;
  return tokens;
}

int64_t SpanPairs(const SpanShape& span) {
  return span.count * span.first + span.count * (span.count + 1) / 2;
}

int64_t SpanExecutedScorePairs(const CostShape& s, const SpanShape& span) {
  const int64_t group = s.h / s.g;
  const int64_t micro_rows = cutting::MicroTileRows(s);
  int64_t pairs = 0;
  for (int64_t token = 0; token < span.count; token += cutting::TileTokens(s)) {
    const int64_t tile_rows = std::min(cutting::TileTokens(s), span.count - token) * group;
    for (int64_t row = 0; row < tile_rows; row += micro_rows) {
      const int64_t rows = std::min(micro_rows, tile_rows - row);
      // All rows run over the keys of the last one, but for segments that a row sees nothing of.
      const int64_t most = span.first + token + (row + rows - 1) / group + 1;
      for (int64_t r = row; r < row + rows; ++r) {
        const int64_t visible = span.first + token + r / group + 1;
        pairs += std::min(CeilDiv(most, cutting::kKeyGroup) * cutting::kKeyGroup,
                          CeilDiv(visible, cutting::kSegmentKeys) * cutting::kSegmentKeys);
      }
    }
  }
  return pairs * s.g;  // of all heads
}

int64_t SpanExecutedValuePairs(const CostShape& s, const SpanShape& span) {
  return MultipliesBf16(s.attention) ? SpanExecutedScorePairs(s, span) : s.h * SpanPairs(span);
}

int64_t SpanSoftmaxPairs(const CostShape& s, const SpanShape& span) {
  return s.L * s.h * SpanPairs(span);
}

MacCounts SpanMacs(const CostShape& s, const SpanShape& span) {
  MacCounts macs;
  auto& useful = macs.useful;
  useful[cutting::Index(WorkClass::kProjections)] =
      s.L * span.count * s.d * s.e * (2 * s.h + 2 * s.g);
  useful[cutting::Index(WorkClass::kScores)] = s.L * s.h * s.e * SpanPairs(span);
  useful[cutting::Index(WorkClass::kWeightedValues)] = s.L * s.h * s.e * SpanPairs(span);
  useful[cutting::Index(WorkClass::kFeedForward)] = s.L * span.count * s.m * s.d * s.F;
  useful[cutting::Index(WorkClass::kHead)] = span.logit_rows * s.V * s.d;
  macs.executed = useful;
  macs.executed[cutting::Index(WorkClass::kScores)] = s.L * s.e * SpanExecutedScorePairs(s, span);
  macs.executed[cutting::Index(WorkClass::kWeightedValues)] =
      s.L * s.e * SpanExecutedValuePairs(s, span);
  return macs;
}

int64_t NextCallRows(const CostShape& s, int64_t rows) {
  return s.weight_dtype == WeightDtype::kQ4 ? rows : std::min(rows, cutting::kCallRows);
}

int64_t MatmulCalls(const CostShape& s, int64_t rows) {
  return rows == 0 ? 0 : CeilDiv(rows, NextCallRows(s, rows));
}

ByteCounts StepBytes(const CostShape& s, absl::Span<const SpanShape> spans) {
  int64_t tokens = 0, logit_rows = 0, keys = 0;
  for (const SpanShape& span : spans) {
    tokens += span.count;
    logit_rows += span.logit_rows;
    keys += TileKeys(s, span) + span.count;  // read, and written
  }
  ByteCounts bytes = {};
  const int64_t calls = MatmulCalls(s, tokens);
  bytes[cutting::Index(WorkClass::kProjections)] = calls * s.L * ProjectionBytes(s);
  bytes[cutting::Index(WorkClass::kScores)] = keys * s.L * s.cache_side_bytes();
  bytes[cutting::Index(WorkClass::kWeightedValues)] = keys * s.L * s.cache_side_bytes();
  bytes[cutting::Index(WorkClass::kFeedForward)] = calls * s.L * FeedForwardBytes(s);
  bytes[cutting::Index(WorkClass::kHead)] = MatmulCalls(s, logit_rows) * s.matrix_bytes(s.V, s.d);
  const bool head = logit_rows > 0;
  bytes[cutting::Index(WorkClass::kOther)] =
      (s.L * s.layer_small_elements + (head ? s.final_small_elements : 0)) * kVectorBytes +
      (s.L * s.layer_outputs() + (head ? s.V : 0)) * s.channel_bytes() +
      tokens * s.embedding_elements * s.embedding_bytes();
  return bytes;
}

int64_t WeightCount(const CostShape& s) {
  return s.L * (s.d * s.e * (2 * s.h + 2 * s.g) + s.m * s.d * s.F) + s.V * s.d;
}

int64_t WeightBytes(const CostShape& s) {
  return s.L * (ProjectionBytes(s) + FeedForwardBytes(s)) + s.matrix_bytes(s.V, s.d);
}

int64_t PrefillMacs(const CostShape& s, int64_t n) {
  return s.L *
             (n * s.d * s.e * (2 * s.h + 2 * s.g) + s.h * s.e * n * (n + 1) + n * s.m * s.d * s.F) +
         s.V * s.d;
}

int64_t DecodeMacs(const CostShape& s, int64_t t) {
  return s.L * (s.d * s.e * (2 * s.h + 2 * s.g) + 2 * s.h * s.e * t + s.m * s.d * s.F) + s.V * s.d;
}

int64_t KvTokenBytes(const CostShape& s) { return 2 * s.L * s.cache_side_bytes(); }

int64_t KvUsedBytes(const CostShape& s, int64_t t) { return KvTokenBytes(s) * t; }

int64_t KvAllocatedBytes(const CostShape& s, int64_t t) {
  return KvTokenBytes(s) * s.block_tokens * CeilDiv(t, s.block_tokens);
}

int64_t DecodeFloorBytes(const CostShape& s, int64_t t) {
  return WeightBytes(s) + KvUsedBytes(s, t);
}

double ArticlePrefillMacs(const CostShape& s, int64_t n) {
  const Argument one_layer = {"one_layer", Article("A1_LAYER_TOTAL", {Of("n", n), Of("d", s.d)})};
  return Article("A1_LAYERS_LINEAR", {Of("L", s.L), one_layer}).value;
}

std::array<double, kNumWorkClasses> ArticlePrefillMacsByClass(const CostShape& s, int64_t n) {
  const auto all_layers = [&s, n](absl::string_view id, std::vector<Argument> extra) {
    extra.push_back(Of("n", n));
    const Argument one_layer = {"one_layer", Article(id, extra)};
    return Article("A1_LAYERS_LINEAR", {Of("L", s.L), one_layer}).value;
  };
  std::array<double, kNumWorkClasses> macs = {};
  macs[cutting::Index(WorkClass::kProjections)] =
      all_layers("A1_LAYER_QKV", {Of("d", s.d)}) + all_layers("A1_LAYER_OUTPROJ", {Of("d", s.d)});
  // One head as wide as the model does what h heads of d / h do.
  macs[cutting::Index(WorkClass::kScores)] = all_layers("A1_SCORES_MULS", {Of("d_k", s.d)});
  macs[cutting::Index(WorkClass::kWeightedValues)] = all_layers("A1_OUTPUT_MULS", {Of("d_v", s.d)});
  macs[cutting::Index(WorkClass::kFeedForward)] =
      all_layers("A1_LAYER_FFN", {Of("d", s.d), Of("mult", kArticleFfnRatio)});
  return macs;
}

double ArticleDecodeMacs(const CostShape& s, int64_t t) {
  const Argument one_layer = {"one_layer", Article("A2_CACHED_STEP", {Of("t", t), Of("d", s.d)})};
  return Article("A1_LAYERS_LINEAR", {Of("L", s.L), one_layer}).value;
}

double ArticleKvBytes(const CostShape& s, int64_t t) {
  return Article("A2_KV_BYTES", {Of("L", s.L), Of("n", t), Of("d", s.d), Of("b", s.cache_bytes)})
      .value;
}

double ArticleScoreBytes(const CostShape& s, int64_t n) {
  return Article("A1_ATTN_MATRIX_BYTES", {Of("n", n), Of("h", s.h), Of("b", s.cache_bytes)}).value;
}

}  // namespace plumbline
