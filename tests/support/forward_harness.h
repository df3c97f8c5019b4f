// A model in memory with a poisoned paged cache, to hold its logits against the reference's.
#ifndef PLUMBLINE_TESTS_SUPPORT_FORWARD_HARNESS_H_
#define PLUMBLINE_TESTS_SUPPORT_FORWARD_HARNESS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "cache/kv_store.h"
#include "engine/model.h"
#include "engine/step_batch.h"
#include "tests/reference/error_bounds.h"

namespace plumbline {

// Token ids without a pattern, the same for every call.
std::vector<int32_t> SomeTokens(int count, int vocab);

// A store for the model, every block poisoned with NaN.
std::unique_ptr<KvStore> MakePoisonedStore(const Model& model, int blocks);

// `count` block ids from `first`, in descending order: neighbours in a sequence never follow one
// another in memory.
std::vector<BlockId> DescendingBlocks(int first, int count);

// Blocks that hold `tokens` tokens.
int BlocksFor(const Model& model, int tokens);

// The roundings that a model of these options makes.
Precision PrecisionOf(const Model& model);

// Runs one sequence alone, chunk by chunk (the last size repeats), wanting every row's logits.
// Returns them row by row, [tokens * vocab]. The cache is fresh and poisoned.
absl::StatusOr<std::vector<float>> RunSequence(Model& model, absl::Span<const int32_t> tokens,
                                               absl::Span<const int> chunks);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_FORWARD_HARNESS_H_
