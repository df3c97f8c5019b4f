// Texts of token ids, scored by models under test.
#ifndef PLUMBLINE_TESTS_SUPPORT_PERPLEXITY_HARNESS_H_
#define PLUMBLINE_TESTS_SUPPORT_PERPLEXITY_HARNESS_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tools/numeric_options.h"
#include "tools/perplexity_run.h"

namespace plumbline {

inline ModelOptions WindowOptions(const NumericTypes& types) {
  ModelOptions options;
  options.weights = types.weights;
  options.kv_dtype = types.kv_dtype;
  options.block_tokens = 7;
  options.threads = 2;
  options.max_step_tokens = 64;
  options.max_step_spans = 1;
  options.max_logit_rows = 64;
  return options;
}

inline constexpr NumericTypes kF32Types = {WeightDtype::kF32, KvDtype::kF32};
inline constexpr NumericTypes kBf16Types = {WeightDtype::kBf16, KvDtype::kBf16};

// Null, with a test failure, where it does not load; null alone where the CPU cannot multiply so.
inline std::unique_ptr<WindowEngine> MakeWindowEngine(const TensorSource& source,
                                                      const NumericTypes& types) {
  auto engine = WindowEngine::Load(source, WindowOptions(types), source.config().context);
  if (absl::IsFailedPrecondition(engine.status())) return nullptr;
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

struct ScoredText {
  std::vector<int32_t> tokens;
  WindowLayout layout;
  int64_t chunk_tokens = 64;

  PerplexityText view() const { return {tokens, {}, layout, chunk_tokens}; }
};

inline ScoredText MakeScoredText(std::vector<int32_t> tokens, int64_t context, int64_t stride) {
  ScoredText text;
  text.layout = {static_cast<int64_t>(tokens.size()), 0, context, stride};
  EXPECT_TRUE(text.layout.Check().ok()) << text.layout.Check();
  text.tokens = std::move(tokens);
  return text;
}

struct ModelScores {
  TextScores reference;
  std::vector<TextScores> others;
};

inline ModelScores Score(const ScoredText& text, WindowEngine& reference,
                         const std::vector<WindowEngine*>& others) {
  ModelScores scores;
  const absl::Status status =
      ScoreText(text.view(), reference, others, {}, &scores.reference, &scores.others);
  EXPECT_TRUE(status.ok()) << status;
  return scores;
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_PERPLEXITY_HARNESS_H_
