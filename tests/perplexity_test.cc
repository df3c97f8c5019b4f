// Texts scored by the engine: by hand, and models against each other.
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/error_bounds.h"
#include "tests/support/forward_harness.h"
#include "tests/support/map_source.h"
#include "tests/support/perplexity_harness.h"
#include "tests/support/tensor_sources.h"

namespace plumbline::perplexity_test {
namespace {

constexpr double kUnitF64 = 0x1p-53;

// Zero weights give equal logits: as many equally likely tokens as there are.
TEST(PerplexityTest, AUniformModelIsAsPerplexedAsItsVocabularyIsLarge) {
  const MapSource source{SmallLlama(4, 2)};
  const std::unique_ptr<WindowEngine> engine = MakeWindowEngine(source, kF32Types);
  ASSERT_NE(engine, nullptr);
  const ScoredText text = MakeScoredText(SomeTokens(90, source.config().vocab), 16, 8);
  const PerplexitySummary summary = Summarize(Score(text, *engine, {}).reference);
  EXPECT_EQ(summary.tokens, 82);
  EXPECT_EQ(summary.windows, 11);
  // Roundings of log and of the sum, times the exponent; and exp's own.
  const double vocab = source.config().vocab;
  EXPECT_NEAR(
      summary.perplexity.value, vocab,
      vocab * (std::log(vocab) * Gamma(82 + kFunctionUnits, kUnitF64) + kFunctionUnits * kUnitF64));
}

// The definition of the divergence, in more digits, from logits of one pass of each.
long double MeanDivergence(const std::vector<float>& p, const std::vector<float>& q, size_t vocab) {
  long double sum = 0;
  for (size_t row = 0; row < p.size(); row += vocab) {
    long double p_sum = 0;
    long double q_sum = 0;
    for (size_t i = row; i < row + vocab; ++i) {
      p_sum += std::exp(static_cast<long double>(p[i]));
      q_sum += std::exp(static_cast<long double>(q[i]));
    }
    for (size_t i = row; i < row + vocab; ++i) {
      const long double log_p = static_cast<long double>(p[i]) - std::log(p_sum);
      const long double log_q = static_cast<long double>(q[i]) - std::log(q_sum);
      sum += std::exp(log_p) * (log_p - log_q);
    }
  }
  return sum / (static_cast<long double>(p.size()) / static_cast<long double>(vocab));
}

TEST(PerplexityTest, DivergenceOfACacheDtypeIsThatOfItsLogits) {
  const MapSource source = MapSource::Random(SmallLlama(6, 2), 4);
  const NumericTypes half = {WeightDtype::kF32, KvDtype::kF16};
  const std::unique_ptr<WindowEngine> f32 = MakeWindowEngine(source, kF32Types);
  const std::unique_ptr<WindowEngine> f16 = MakeWindowEngine(source, half);
  ASSERT_TRUE(f32 != nullptr && f16 != nullptr);
  // All rows that are fed are scored, so that the same calls run as for the harness.
  ScoredText text = MakeScoredText(SomeTokens(41, source.config().vocab), 41, 40);
  text.chunk_tokens = 9;
  const PerplexitySummary summary = Summarize(Score(text, *f32, {f16.get()}).others[0]);
  std::vector<std::vector<float>> logits;
  for (const NumericTypes& types : {kF32Types, half}) {
    const auto model = Model::Load(source, WindowOptions(types));
    ASSERT_TRUE(model.ok()) << model.status();
    const auto rows = RunSequence(**model, absl::MakeConstSpan(text.tokens).first(40), {9});
    ASSERT_TRUE(rows.ok()) << rows.status();
    logits.push_back(*rows);
  }
  const auto vocab = static_cast<size_t>(source.config().vocab);
  const auto exact = static_cast<double>(MeanDivergence(logits[0], logits[1], vocab));
  EXPECT_GT(exact, 0);
  // As derived in perplexity_score_test.cc, with exponents below 64.
  EXPECT_NEAR(summary.mean_divergence.value, exact,
              64 * 8 * kUnitF64 * std::sqrt(2 * exact) +
                  exact * Gamma(static_cast<double>(vocab) + 200, kUnitF64));
}

TEST(PerplexityTest, EqualConfigurationsDivergeByNothing) {
  const MapSource source = MapSource::Random(SmallGpt2(4, 4), 2);
  const std::unique_ptr<WindowEngine> one = MakeWindowEngine(source, kF32Types);
  const std::unique_ptr<WindowEngine> same = MakeWindowEngine(source, kF32Types);
  ASSERT_TRUE(one != nullptr && same != nullptr);
  const ScoredText text = MakeScoredText(SomeTokens(100, source.config().vocab), 32, 16);
  const ModelScores scores = Score(text, *one, {same.get()});
  const PerplexitySummary summary = Summarize(scores.others[0]);
  EXPECT_EQ(summary.divergence_max, 0);
  EXPECT_EQ(summary.mean_divergence.value, 0);
  EXPECT_EQ(summary.ratio.value, 1);
  EXPECT_EQ(summary.ratio.error, 0);
  EXPECT_EQ(summary.equal_top_share, 1);
  EXPECT_EQ(summary.perplexity.value, Summarize(scores.reference).perplexity.value);
  EXPECT_GT(summary.perplexity.error, 0);
}

TEST(PerplexityTest, ChunksChangeNoBit) {
  const std::unique_ptr<TensorSource> source = OpenSource(kTinyLlama);
  ASSERT_NE(source, nullptr);
  const std::unique_ptr<WindowEngine> engine = MakeWindowEngine(*source, kF32Types);
  ASSERT_NE(engine, nullptr);
  if (const std::string why = engine->model().same_bits_exception(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  ScoredText text = MakeScoredText(SomeTokens(120, source->config().vocab), 40, 13);
  const double whole = Summarize(Score(text, *engine, {}).reference).perplexity.value;
  for (const int64_t chunk : {1, 7, 39}) {
    text.chunk_tokens = chunk;
    EXPECT_EQ(Summarize(Score(text, *engine, {}).reference).perplexity.value, whole) << chunk;
  }
}

// Every window begins with the start token.
TEST(PerplexityTest, TheStartTokenIsAPositionOfEachWindow) {
  const MapSource source = MapSource::Random(SmallLlama(4, 4), 5);
  const std::unique_ptr<WindowEngine> engine = MakeWindowEngine(source, kF32Types);
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> start = {7};
  const std::vector<int32_t> tokens = SomeTokens(9, source.config().vocab);
  TextScores scores;
  std::vector<TextScores> none;
  const WindowLayout layout = {9, 1, 6, 5};
  ASSERT_TRUE(layout.Check().ok());
  const absl::Status status =
      ScoreText({tokens, start, layout, 64}, *engine, {}, {}, &scores, &none);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(scores.windows.size(), 2U);
  EXPECT_EQ(scores.windows[0].tokens, 5);
  EXPECT_EQ(scores.windows[1].tokens, 4);
  // Window 1 alone, written out.
  ScoredText alone = MakeScoredText({7, tokens[5], tokens[6], tokens[7], tokens[8]}, 5, 4);
  EXPECT_EQ(Score(alone, *engine, {}).reference.windows[0].negative_log,
            scores.windows[1].negative_log);
}

TEST(PerplexityTest, CancelledKeepsTheWindowsThatAreDone) {
  const MapSource source = MapSource::Random(SmallLlama(4, 2), 6);
  const std::unique_ptr<WindowEngine> one = MakeWindowEngine(source, kF32Types);
  const std::unique_ptr<WindowEngine> half =
      MakeWindowEngine(source, {WeightDtype::kF32, KvDtype::kF16});
  ASSERT_TRUE(one != nullptr && half != nullptr);
  ScoredText text = MakeScoredText(SomeTokens(60, source.config().vocab), 16, 8);
  text.chunk_tokens = 8;
  const ModelScores all = Score(text, *one, {half.get()});
  int steps = 0;
  int64_t positions = 0;
  PassHooks hooks;
  hooks.cancelled = [&steps] { return ++steps > 5; };  // two windows of two steps, and half a one
  hooks.on_positions = [&positions](int64_t more) { positions += more; };
  ModelScores part;
  WindowEngine* const others[] = {half.get()};
  EXPECT_TRUE(absl::IsCancelled(
      ScoreText(text.view(), *one, others, hooks, &part.reference, &part.others)));
  EXPECT_EQ(positions, 2 * (15 + 15 + 8));
  ASSERT_EQ(part.reference.windows.size(), 2U);
  ASSERT_EQ(part.others[0].windows.size(), 2U);
  EXPECT_EQ(part.others[0].divergences.size(), 16U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(part.others[0].windows[i].divergence, all.others[0].windows[i].divergence);
  }
}

TEST(PerplexityTest, LogitsThatAreNoNumbersAreAnError) {
  MapSource source = MapSource::Random(SmallLlama(4, 2), 7);
  source.Find("output_norm.weight")->front() = std::numeric_limits<float>::quiet_NaN();
  const std::unique_ptr<WindowEngine> engine = MakeWindowEngine(source, kF32Types);
  ASSERT_NE(engine, nullptr);
  const ScoredText text = MakeScoredText(SomeTokens(20, source.config().vocab), 16, 8);
  TextScores scores;
  std::vector<TextScores> none;
  EXPECT_TRUE(absl::IsDataLoss(ScoreText(text.view(), *engine, {}, {}, &scores, &none)));
}

}  // namespace
}  // namespace plumbline::perplexity_test
