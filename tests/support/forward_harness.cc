#include "tests/support/forward_harness.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/attention_harness.h"

namespace plumbline {

std::vector<int32_t> SomeTokens(int count, int vocab) {
  std::vector<int32_t> tokens;
  uint32_t state = 12345;
  for (int i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;  // Knuth's "quick and dirty" generator
    tokens.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocab)));
  }
  return tokens;
}

std::unique_ptr<KvStore> MakePoisonedStore(const Model& model, int blocks) {
  const ModelOptions& options = model.options();
  absl::StatusOr<std::unique_ptr<KvStore>> store =
      KvStore::Create(model.config().CacheGeometry(options.kv_dtype, options.block_tokens), blocks);
  EXPECT_TRUE(store.ok()) << store.status();
  for (BlockId block = 0; block < blocks; ++block) (*store)->Poison(block);
  return *std::move(store);
}

std::vector<BlockId> DescendingBlocks(int first, int count) {
  std::vector<BlockId> blocks;
  for (int i = count - 1; i >= 0; --i) blocks.push_back(first + i);
  return blocks;
}

int BlocksFor(const Model& model, int tokens) {
  return (tokens + model.options().block_tokens - 1) / model.options().block_tokens;
}

Precision PrecisionOf(const Model& model) {
  const ModelOptions& options = model.options();
  Precision precision = kF32Precision;
  if (options.weights == WeightDtype::kBf16) precision = kBf16Precision;
  if (IsWhole(options.weights)) precision = kInt8Precision;
  precision = InForm(AttentionFormFor(options.kv_dtype, model.config().head_dim), precision);
  switch (options.kv_dtype) {
    case KvDtype::kF32:
      precision.stored_kv = 0;
      break;
    case KvDtype::kF16:
      precision.stored_kv = kUnitF16;
      break;
    case KvDtype::kBf16:
      precision.stored_kv = kUnitBf16;
      break;
    case KvDtype::kInt8:
      precision.stored_kv = 0;
      precision.stored_row_unit = kUnitStoredInt8;
      break;
  }
  return precision;
}

absl::StatusOr<std::vector<float>> RunSequence(Model& model, absl::Span<const int32_t> tokens,
                                               absl::Span<const int> chunks) {
  const int count = static_cast<int>(tokens.size());
  const int blocks = BlocksFor(model, count);
  const std::unique_ptr<KvStore> store = MakePoisonedStore(model, blocks);
  const std::vector<BlockId> table = DescendingBlocks(0, blocks);
  std::vector<float> logits;
  StepWork work;
  size_t chunk = 0;
  for (int first = 0; first < count;) {
    const int rows = std::min(chunks[std::min(chunk++, chunks.size() - 1)], count - first);
    StepBatch batch;
    batch.AddSpan(tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(rows)), first,
                  rows, table);
    const absl::StatusOr<absl::Span<const float>> step = model.Forward(batch, *store, &work);
    if (!step.ok()) return step.status();
    logits.insert(logits.end(), step->begin(), step->end());
    first += rows;
  }
  return logits;
}

}  // namespace plumbline
