// Texts scored by the engine: against the reference in double, by hand, and against each other.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/reference/forward_bound.h"
#include "tests/reference/reference_model.h"
#include "tests/support/forward_harness.h"
#include "tests/support/map_source.h"
#include "tests/support/tensor_sources.h"
#include "tools/numeric_options.h"
#include "tools/perplexity_run.h"
#include "tools/toy_path.h"

namespace plumbline::perplexity_test {
namespace {

constexpr double kUnitF64 = 0x1p-53;

constexpr char kText[] =
    "GARDENER:\nThe pears are in, and half the apples too;\nThe rest may hang until the frost has "
    "come.\n\nMAID:\nThen bring the ladder round, and mind the step.\n";

ModelOptions Options(const NumericTypes& types) {
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

constexpr NumericTypes kF32Types = {WeightDtype::kF32, KvDtype::kF32};
constexpr NumericTypes kBf16Types = {WeightDtype::kBf16, KvDtype::kBf16};

// Null, with a test failure, where it does not load; null alone where the CPU cannot multiply so.
std::unique_ptr<WindowEngine> MakeEngine(const TensorSource& source, const NumericTypes& types) {
  auto engine = WindowEngine::Load(source, Options(types), source.config().context);
  if (absl::IsFailedPrecondition(engine.status())) return nullptr;
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

struct Text {
  std::vector<int32_t> tokens;
  WindowLayout layout;
  int64_t chunk_tokens = 64;

  PerplexityText view() const { return {tokens, {}, layout, chunk_tokens}; }
};

Text MakeText(std::vector<int32_t> tokens, int64_t context, int64_t stride) {
  Text text;
  text.layout = {static_cast<int64_t>(tokens.size()), 0, context, stride};
  EXPECT_TRUE(text.layout.Check().ok()) << text.layout.Check();
  text.tokens = std::move(tokens);
  return text;
}

struct Scores {
  TextScores reference;
  std::vector<TextScores> others;
};

Scores Score(const Text& text, WindowEngine& reference, std::vector<WindowEngine*> others) {
  Scores scores;
  const absl::Status status =
      ScoreText(text.view(), reference, others, {}, &scores.reference, &scores.others);
  EXPECT_TRUE(status.ok()) << status;
  return scores;
}

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

// Zero weights give equal logits: as many equally likely tokens as there are.
TEST(PerplexityTest, AUniformModelIsAsPerplexedAsItsVocabularyIsLarge) {
  const MapSource source{SmallLlama(4, 2)};
  const std::unique_ptr<WindowEngine> engine = MakeEngine(source, kF32Types);
  ASSERT_NE(engine, nullptr);
  const Text text = MakeText(SomeTokens(90, source.config().vocab), 16, 8);
  const PerplexitySummary summary = Summarize(Score(text, *engine, {}).reference);
  EXPECT_EQ(summary.tokens, 82);
  EXPECT_EQ(summary.windows, 11);
  // Roundings of log and of the sum, times the exponent; and exp's own.
  const double vocab = source.config().vocab;
  EXPECT_NEAR(
      summary.perplexity.value, vocab,
      vocab * (std::log(vocab) * Gamma(82 + kFunctionUnits, kUnitF64) + kFunctionUnits * kUnitF64));
}

// What the double-precision model makes of every window, with the farthest that logits within
// their bounds can move each figure: a log-sum-exp moves by at most the largest change of a logit.
struct ExpectedScores {
  double negative_log = 0;  // mean
  double error = 0;         // of the mean
  double most_moved = 0;    // of any log-probability
};

ExpectedScores Expect(const ReferenceModel& model, const Text& text, const Precision& precision) {
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

TEST(PerplexityTest, TheToyAgreesWithTheReferenceInDouble) {
  const std::unique_ptr<TensorSource> source = OpenToy();
  ASSERT_NE(source, nullptr);
  const auto reference = ReferenceModel::Load(*source);
  ASSERT_TRUE(reference.ok()) << reference.status();
  const std::unique_ptr<WindowEngine> f32 = MakeEngine(*source, kF32Types);
  ASSERT_NE(f32, nullptr);
  // Three windows: 8, 8 and 5 tokens, of which 4, 4 and 1 are scored.
  Text text = MakeText(ToyTokens(*source, 13), 8, 4);
  text.chunk_tokens = 3;
  const ExpectedScores expected = Expect(*reference, text, kF32Precision);
  const std::unique_ptr<WindowEngine> bf16 = MakeEngine(*source, kBf16Types);
  std::vector<WindowEngine*> others;
  if (bf16 != nullptr) others.push_back(bf16.get());
  const Scores scores = Score(text, *f32, others);
  const PerplexitySummary summary = Summarize(scores.reference);
  EXPECT_EQ(summary.tokens, 9);
  EXPECT_NEAR(std::log(summary.perplexity.value), expected.negative_log, expected.error);
  EXPECT_LT(expected.error, 1e-3) << "a bound that says something";
  EXPECT_EQ(f32->count_check().equal, f32->count_check().counts);
  EXPECT_GT(f32->count_check().counts, 0);
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
  const std::unique_ptr<WindowEngine> f32 = MakeEngine(source, kF32Types);
  const std::unique_ptr<WindowEngine> f16 = MakeEngine(source, half);
  ASSERT_TRUE(f32 != nullptr && f16 != nullptr);
  // All rows that are fed are scored, so that the same calls run as for the harness.
  Text text = MakeText(SomeTokens(41, source.config().vocab), 41, 40);
  text.chunk_tokens = 9;
  const PerplexitySummary summary = Summarize(Score(text, *f32, {f16.get()}).others[0]);
  std::vector<std::vector<float>> logits;
  for (const NumericTypes& types : {kF32Types, half}) {
    const auto model = Model::Load(source, Options(types));
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
  const std::unique_ptr<WindowEngine> one = MakeEngine(source, kF32Types);
  const std::unique_ptr<WindowEngine> same = MakeEngine(source, kF32Types);
  ASSERT_TRUE(one != nullptr && same != nullptr);
  const Text text = MakeText(SomeTokens(100, source.config().vocab), 32, 16);
  const Scores scores = Score(text, *one, {same.get()});
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
  const std::unique_ptr<WindowEngine> engine = MakeEngine(*source, kF32Types);
  ASSERT_NE(engine, nullptr);
  if (const std::string why = engine->model().same_bits_exception(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  Text text = MakeText(SomeTokens(120, source->config().vocab), 40, 13);
  const double whole = Summarize(Score(text, *engine, {}).reference).perplexity.value;
  for (const int64_t chunk : {1, 7, 39}) {
    text.chunk_tokens = chunk;
    EXPECT_EQ(Summarize(Score(text, *engine, {}).reference).perplexity.value, whole) << chunk;
  }
}

// Every window begins with the start token.
TEST(PerplexityTest, TheStartTokenIsAPositionOfEachWindow) {
  const MapSource source = MapSource::Random(SmallLlama(4, 4), 5);
  const std::unique_ptr<WindowEngine> engine = MakeEngine(source, kF32Types);
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
  Text alone = MakeText({7, tokens[5], tokens[6], tokens[7], tokens[8]}, 5, 4);
  EXPECT_EQ(Score(alone, *engine, {}).reference.windows[0].negative_log,
            scores.windows[1].negative_log);
}

TEST(PerplexityTest, CancelledKeepsTheWindowsThatAreDone) {
  const MapSource source = MapSource::Random(SmallLlama(4, 2), 6);
  const std::unique_ptr<WindowEngine> one = MakeEngine(source, kF32Types);
  const std::unique_ptr<WindowEngine> half = MakeEngine(source, {WeightDtype::kF32, KvDtype::kF16});
  ASSERT_TRUE(one != nullptr && half != nullptr);
  Text text = MakeText(SomeTokens(60, source.config().vocab), 16, 8);
  text.chunk_tokens = 8;
  const Scores all = Score(text, *one, {half.get()});
  int steps = 0;
  int64_t positions = 0;
  PassHooks hooks;
  hooks.cancelled = [&steps] { return ++steps > 5; };  // two windows of two steps, and half a one
  hooks.on_positions = [&positions](int64_t more) { positions += more; };
  Scores part;
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
  const std::unique_ptr<WindowEngine> engine = MakeEngine(source, kF32Types);
  ASSERT_NE(engine, nullptr);
  const Text text = MakeText(SomeTokens(20, source.config().vocab), 16, 8);
  TextScores scores;
  std::vector<TextScores> none;
  EXPECT_TRUE(absl::IsDataLoss(ScoreText(text.view(), *engine, {}, {}, &scores, &none)));
}

}  // namespace
}  // namespace plumbline::perplexity_test
