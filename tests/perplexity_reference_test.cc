// The perplexity of the model that the project ships, against the reference in double.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/forward_bound.h"
#include "tests/reference/reference_model.h"
#include "tests/support/perplexity_harness.h"
#include "tests/support/tensor_sources.h"
#include "tools/toy_path.h"

namespace plumbline::perplexity_reference_test {
namespace {

constexpr char kText[] =
    "GARDENER:\nThe pears are in, and half the apples too;\nThe rest may hang until the frost has "
    "come.\n\nMAID:\nThen bring the ladder round, and mind the step.\n";

std::unique_ptr<TensorSource> OpenToy() {
  const auto path = FindToyModel();
  EXPECT_TRUE(path.ok()) << path.status();
  return path.ok() ? OpenSource(*path) : nullptr;
}

std::vector<int32_t> ToyTokens(const TensorSource& source, size_t count) {
  const auto tokenizer = source.MakeTokenizer();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto ids = (*tokenizer)->Encode(kText, {});
  EXPECT_TRUE(ids.ok() && ids->size() >= count);
  ids->resize(count);
  return *ids;
}

// What the double-precision model makes of every window, with the farthest that logits within
// their bounds can move each figure: a log-sum-exp moves by at most the largest change of a logit.
struct ExpectedScores {
  double negative_log = 0;  // mean
  double error = 0;         // of the mean
  double most_moved = 0;    // of any log-probability
};

ExpectedScores Expect(const ReferenceModel& model, const ScoredText& text,
                      const Precision& precision) {
  ExpectedScores expected;
  for (int64_t index = 0; index < text.layout.windows(); ++index) {
    const PerplexityWindow window = WindowAt(text.layout, index);
    const std::vector<int32_t> tokens(text.tokens.begin() + window.begin,
                                      text.tokens.begin() + window.end);
    ForwardBoundOptions options;
    options.precision = precision;
    options.samples = 4;
    const ForwardBound bound = BoundForward(model, tokens, options);
    for (size_t next = tokens.size() - static_cast<size_t>(window.scored); next < tokens.size();
         ++next) {
      const std::vector<double>& logits = bound.logits[next - 1];
      const std::vector<double>& bounds = bound.bounds[next - 1];
      const double largest = *std::max_element(logits.begin(), logits.end());
      double sum = 0;
      for (const double logit : logits) sum += std::exp(logit - largest);
      const auto token = static_cast<size_t>(tokens[next]);
      const double moved = *std::max_element(bounds.begin(), bounds.end());
      expected.negative_log += largest + std::log(sum) - logits[token];
      expected.error += moved + bounds[token];
      expected.most_moved = std::max(expected.most_moved, 2 * moved);
    }
  }
  const auto tokens = static_cast<double>(text.layout.scored_tokens());
  expected.negative_log /= tokens;
  expected.error /= tokens;
  return expected;
}

TEST(PerplexityReferenceTest, TheToyAgreesWithTheReferenceInDouble) {
  const std::unique_ptr<TensorSource> source = OpenToy();
  ASSERT_NE(source, nullptr);
  const auto reference = ReferenceModel::Load(*source);
  ASSERT_TRUE(reference.ok()) << reference.status();
  const std::unique_ptr<WindowEngine> f32 = MakeWindowEngine(*source, kF32Types);
  ASSERT_NE(f32, nullptr);
  // Three windows: 6, 6 and 4 tokens, of which 3, 3 and 1 are scored.
  ScoredText text = MakeScoredText(ToyTokens(*source, 10), 6, 3);
  text.chunk_tokens = 3;
  const ExpectedScores expected = Expect(*reference, text, kF32Precision);
  const std::unique_ptr<WindowEngine> bf16 = MakeWindowEngine(*source, kBf16Types);
  std::vector<WindowEngine*> others;
  if (bf16 != nullptr) others.push_back(bf16.get());
  const ModelScores scores = Score(text, *f32, others);
  const PerplexitySummary summary = Summarize(scores.reference);
  EXPECT_EQ(summary.tokens, 7);
  EXPECT_NEAR(std::log(summary.perplexity.value), expected.negative_log, expected.error);
  EXPECT_LT(expected.error, 1e-3) << "a bound that says something";
  EXPECT_EQ(f32->agreement().differences, 0);
  EXPECT_GT(f32->agreement().figures, 0);
  if (bf16 == nullptr) GTEST_SKIP() << "no bf16 products here: the rest is left out";

  const ExpectedScores rounded = Expect(*reference, text, kBf16Precision);
  const PerplexitySummary other = Summarize(scores.others[0]);
  EXPECT_NEAR(std::log(other.perplexity.value), rounded.negative_log, rounded.error);
  EXPECT_NEAR(std::log(other.ratio.value),
              std::log(other.perplexity.value) - std::log(summary.perplexity.value), 1e-12);
  // No log-probability differs by more than d, so no term of the divergence exceeds its weight
  // times exp(d) - 1 - d.
  const double d = expected.most_moved + rounded.most_moved;
  EXPECT_GT(other.mean_divergence.value, 0);
  EXPECT_LE(other.divergence_max, std::expm1(d) - d);
}

}  // namespace
}  // namespace plumbline::perplexity_reference_test
