#include "tests/support/engine_rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>

namespace plumbline {

std::vector<RigStep> AloneInChunks(const std::vector<std::vector<int32_t>>& sequences, int chunk) {
  std::vector<RigStep> steps;
  for (int s = 0; s < static_cast<int>(sequences.size()); ++s) {
    const int length = static_cast<int>(sequences[s].size());
    const int size = chunk == 0 ? length : chunk;
    for (int at = 0; at < length; at += size) {
      steps.push_back({{s, std::min(size, length - at)}});
    }
  }
  return steps;
}

std::vector<RigStep> AloneWithTails(const std::vector<std::vector<int32_t>>& sequences, int tail) {
  std::vector<RigStep> steps;
  for (int s = 0; s < static_cast<int>(sequences.size()); ++s) {
    const int length = static_cast<int>(sequences[s].size());
    const int single = std::min(tail, length);
    if (length > single) steps.push_back({{s, length - single}});
    steps.insert(steps.end(), single, {{s, 1}});
  }
  return steps;
}

std::vector<RigStep> MixedChunks(const std::vector<std::vector<int32_t>>& sequences, int most,
                                 uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int> left;
  left.reserve(sequences.size());
  for (const auto& sequence : sequences) left.push_back(static_cast<int>(sequence.size()));
  std::vector<RigStep> steps;
  while (std::any_of(left.begin(), left.end(), [](int n) { return n > 0; })) {
    RigStep step;
    for (int s = 0; s < static_cast<int>(left.size()); ++s) {
      if (left[s] == 0 || random() % 4 == 0) continue;
      const int count = std::min<int>(left[s], 1 + static_cast<int>(random() % most));
      left[s] -= count;
      step.push_back({s, count});
    }
    std::shuffle(step.begin(), step.end(), random);
    if (!step.empty()) steps.push_back(step);
  }
  return steps;
}

std::vector<std::vector<int32_t>> RandomSequences(const std::vector<int>& lengths, int vocab,
                                                  uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<int32_t>> sequences;
  for (const int length : lengths) {
    auto& sequence = sequences.emplace_back(length);
    for (int32_t& token : sequence) token = static_cast<int32_t>(random() % vocab);
  }
  return sequences;
}

namespace {

// A poisoned cache and its blocks in a seeded order.
struct Cache {
  std::unique_ptr<KvStore> store;
  std::vector<BlockId> free;
};

Cache MakeCache(const KvGeometry& geometry, const std::vector<std::vector<int32_t>>& sequences,
                uint64_t seed) {
  int num_blocks = 3;  // some that nobody owns
  for (const auto& sequence : sequences) {
    num_blocks += static_cast<int>(geometry.BlocksFor(static_cast<int64_t>(sequence.size())));
  }
  auto store = KvStore::Create(geometry, num_blocks);
  EXPECT_TRUE(store.ok()) << store.status();
  Cache cache{*std::move(store), std::vector<BlockId>(num_blocks)};
  std::iota(cache.free.begin(), cache.free.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(cache.free.begin(), cache.free.end(), random);
  for (const BlockId block : cache.free) cache.store->Poison(block);
  return cache;
}

}  // namespace

EngineRig::EngineRig(const TensorSource& source, const RigOptions& options) : options_(options) {
  ModelOptions model_options;
  model_options.weights = options.weights;
  model_options.kv_dtype = options.kv;
  model_options.block_tokens = options.block_tokens;
  model_options.threads = options.threads;
  model_options.least_shared_macs = 0;  // every loop, however short
  model_options.max_step_tokens = 2048;
  model_options.max_logit_rows = 2048;
  auto model = Model::Load(source, model_options);
  if (!model.ok()) {
    ADD_FAILURE() << model.status();
    return;
  }
  model_ = *std::move(model);
}

std::vector<std::vector<uint32_t>> EngineRig::Run(
    const std::vector<std::vector<int32_t>>& sequences, const std::vector<RigStep>& steps,
    std::vector<RigWork>* work) {
  const ModelConfig& config = model_->config();
  const KvGeometry geometry = config.CacheGeometry(options_.kv, options_.block_tokens);
  const CostShape shape =
      CostShape::From(config, options_.weights, options_.kv, options_.block_tokens);
  Cache cache = MakeCache(geometry, sequences, options_.seed);
  std::vector<std::vector<BlockId>> tables(sequences.size());
  std::vector<int> done(sequences.size(), 0);
  std::vector<std::vector<uint32_t>> bits(sequences.size());
  StepBatch batch;
  for (const RigStep& step : steps) {
    batch.Clear();
    RigWork entry;
    std::vector<SpanShape> spans;
    for (const RigSpan& span : step) {
      auto& table = tables[span.sequence];
      const int first = done[span.sequence];
      while (static_cast<int>(table.size()) < geometry.BlocksFor(first + span.count)) {
        table.push_back(cache.free.back());
        cache.free.pop_back();
      }
      const auto tokens = absl::MakeConstSpan(sequences[span.sequence]).subspan(first, span.count);
      batch.AddSpan(tokens, first, span.count, table);
      spans.push_back({first, span.count, span.count});
      entry.formula_macs.push_back(SpanMacs(shape, spans.back()));
      entry.formula_softmax_pairs += SpanSoftmaxPairs(shape, spans.back());
      done[span.sequence] += span.count;
    }
    entry.formula_bytes = StepBytes(shape, spans);
    const auto logits = model_->Forward(batch, *cache.store, &entry.measured);
    EXPECT_TRUE(logits.ok()) << logits.status();
    if (!logits.ok()) return bits;
    for (size_t i = 0, at = 0; i < step.size(); ++i) {
      auto& out = bits[step[i].sequence];
      const size_t count = static_cast<size_t>(step[i].count) * config.vocab;
      for (const float logit : logits->subspan(at, count)) {
        out.push_back(std::bit_cast<uint32_t>(logit));
      }
      at += count;
    }
    if (work != nullptr) work->push_back(std::move(entry));
  }
  return bits;
}

}  // namespace plumbline
