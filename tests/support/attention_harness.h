// A paged cache of random sequences to run attention over: block tables shuffled, every byte that
// no token wrote poisoned with NaN, so that a read of it shows.
#ifndef PLUMBLINE_TESTS_SUPPORT_ATTENTION_HARNESS_H_
#define PLUMBLINE_TESTS_SUPPORT_ATTENTION_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/attention.h"
#include "engine/step_batch.h"
#include "engine/work.h"
#include "gtest/gtest.h"
#include "tests/reference/reference_attention.h"

namespace plumbline {

// What one sequence's tokens bring, as they leave the projections.
struct AttentionSequence {
  std::vector<float> queries;  // [tokens, heads, head_dim]
  std::vector<float> keys;     // [tokens, kv_heads, head_dim]
  std::vector<float> values;   // [tokens, kv_heads, head_dim]
};

// What attention's tests run over: dtype of the cache, heads, and the form.
struct HeadShape {
  int heads;
  int kv_heads;
  int head_dim;
};
using AttentionParam = std::tuple<KvDtype, HeadShape, AttentionForm>;
// Such as "bf16_4on2of64".
std::string AttentionParamName(const testing::TestParamInfo<AttentionParam>& test);

// Seeded, normal with deviation 1.
AttentionSequence RandomAttentionSequence(const AttentionShape& shape, int tokens, uint64_t seed);

// `count` tokens of a sequence, from position `first`.
struct StepSpan {
  int sequence = 0;
  int first = 0;
  int count = 1;
};

struct AttentionStep {
  StepBatch batch;
  StepWork work;
  std::vector<std::byte> out;  // [num_tokens, heads, head_dim] in out_dtype
  int64_t written_key_bytes = 0;
  int64_t written_value_bytes = 0;
};

struct AttentionHarnessOptions {
  AttentionShape shape;
  KvDtype dtype = KvDtype::kF32;
  int block_tokens = 16;
  WeightDtype out_dtype = WeightDtype::kF32;
  uint64_t seed = 1;  // of the order of the blocks
};

class AttentionHarness {
 public:
  static constexpr int kLayers = 2;
  static constexpr int kLayer = 1;  // the one in use; the other stays poisoned

  // Nothing is in the cache yet.
  AttentionHarness(const AttentionHarnessOptions& options,
                   std::vector<AttentionSequence> sequences);

  StepBatch MakeBatch(absl::Span<const StepSpan> spans) const;
  // Queries of the batch's tokens, a few floats of NaN between the rows.
  std::vector<float> MakeQueries(absl::Span<const StepSpan> spans) const;
  int64_t query_stride() const;
  // Bytes of the output of `tokens` tokens.
  size_t OutputBytes(int tokens) const;

  // Writes every position of the sequence before `end` that is not written yet. Returns the bytes.
  PagedAttention::WrittenBytes WriteUpTo(int sequence, int end);
  // Writes what the spans need, prepares and runs. Bytes of `out` that the kernels do not write
  // stay 0xFF; a guard behind it must stay as it was (expected here).
  AttentionStep Run(absl::Span<const StepSpan> spans);

  // Dense attention in double over K and V as the cache's dtype rounds them.
  AttentionResult Reference(const StepSpan& span) const;

  AttentionSequence& sequence(int index) { return sequences_[static_cast<size_t>(index)]; }
  PagedAttention& attention() { return attention_; }
  KvStore& store() { return *store_; }
  const AttentionHarnessOptions& options() const { return options_; }

 private:
  AttentionHarnessOptions options_;
  std::vector<AttentionSequence> sequences_;
  std::vector<std::vector<BlockId>> tables_;  // [sequences]
  std::vector<int> written_;                  // [sequences]: positions in the cache
  std::unique_ptr<KvStore> store_;
  PagedAttention attention_;
};

// The largest |actual - reference| / bound over a span; above 1 means a fault, and NaN counts as
// infinite. `actual`: [rows, heads, head_dim] in out_dtype, whose rounding is part of the bound.
double WorstAttentionRatio(const AttentionResult& reference, WeightDtype out_dtype,
                           absl::Span<const std::byte> actual,
                           const Precision& precision = kF32Precision);
// Skips the test where this machine does not run the shape's form.
void SkipWithoutForm(const AttentionShape& shape);
// `precision` with the roundings that attention makes in this form.
Precision InForm(AttentionForm form, Precision precision = kF32Precision);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_ATTENTION_HARNESS_H_
