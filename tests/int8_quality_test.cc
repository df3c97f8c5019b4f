// What weights of whole numbers cost on trained models: the divergence of their next-token
// distributions from those of f32, over text that is fed and not generated.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "engine/model.h"
#include "engine/tensor_source.h"
#include "gtest/gtest.h"
#include "tests/support/forward_harness.h"
#include "tools/synth.h"

namespace plumbline::int8_quality_test {
namespace {

// Nats, the most that is accepted.
constexpr double kMostOfInt8 = 0.01;
constexpr size_t kTokens = 128;

constexpr char kText[] =
    "The moon hung low above the harbour when the old king came down to the water. "
    "\"Who goes there?\" said the watchman, and lifted his lamp. \"A man that has lost his way,\" "
    "the king answered, \"and would be glad of a fire.\" So they sat together, and the watchman "
    "told him of the sea, and of the ships that never came home again. \"My lord,\" he said at "
    "last, \"I know thee; but thou art welcome here as any other that is cold.\"";

std::vector<double> LogProbabilities(absl::Span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  std::vector<double> log_probabilities;
  log_probabilities.reserve(logits.size());
  for (const float logit : logits) log_probabilities.push_back(logit - most - std::log(sum));
  return log_probabilities;
}

// Mean over the positions of KL(a || b). [tokens, vocab] both.
double MeanDivergence(absl::Span<const float> a, absl::Span<const float> b, size_t vocab) {
  double sum = 0;
  for (size_t row = 0; row < a.size(); row += vocab) {
    const std::vector<double> p = LogProbabilities(a.subspan(row, vocab));
    const std::vector<double> q = LogProbabilities(b.subspan(row, vocab));
    for (size_t i = 0; i < vocab; ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
  }
  return sum * static_cast<double>(vocab) / static_cast<double>(a.size());
}

void ExpectLittleLost(const std::string& path, double most_of_q4) {
  const auto source = OpenModel(path);
  ASSERT_TRUE(source.ok()) << source.status();
  const auto tokenizer = (*source)->MakeTokenizer();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto tokens = (*tokenizer)->Encode(kText, {});
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  tokens->resize(std::min(tokens->size(), kTokens));
  std::vector<std::vector<float>> logits;
  for (const WeightDtype weights : {WeightDtype::kF32, WeightDtype::kInt8, WeightDtype::kQ4}) {
    ModelOptions options;
    options.weights = weights;
    options.max_step_tokens = static_cast<int>(kTokens);
    options.max_logit_rows = options.max_step_tokens;
    const auto model = Model::Load(**source, options);
    ASSERT_TRUE(model.ok()) << model.status();
    if (IsWhole(weights)) {
      EXPECT_EQ((*model)->same_bits_exception(), "");
    }
    auto run = RunSequence(**model, *tokens, {static_cast<int>(kTokens)});
    ASSERT_TRUE(run.ok()) << run.status();
    logits.push_back(*std::move(run));
  }
  const auto vocab = static_cast<size_t>((*source)->config().vocab);
  const double of_int8 = MeanDivergence(logits[0], logits[1], vocab);
  EXPECT_GT(of_int8, 1e-7) << "int8 rounds";
  EXPECT_LE(of_int8, kMostOfInt8);
  const double of_q4 = MeanDivergence(logits[0], logits[2], vocab);
  EXPECT_GT(of_q4, of_int8) << "4 bits round more";
  EXPECT_LE(of_q4, most_of_q4);
}

TEST(Int8QualityTest, OfTheModelThatTheProjectShips) {
  ExpectLittleLost(std::string(PLUMBLINE_SOURCE_DIR) + "/tools/toy/toy-shakespeare.gguf", 0.01);
}

TEST(Int8QualityTest, OfStories260K) {
  const std::string path = std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/models/stories260K.gguf";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "shared/models/stories260K.gguf is not beside this tree";
  }
  ExpectLittleLost(path, 0.25);
}

// Files of blocks with scales of their own are chosen anew at load, from what the file holds.
TEST(Int8QualityTest, OfFilesThatAreQuantised) {
  for (const char* type : {"q8_0", "q4_0"}) {
    SCOPED_TRACE(type);
    const std::string path = testing::TempDir() + "int8_quality_test_" + type + ".gguf";
    const absl::Status written =
        RunSynth({.model = "synthetic:llama-160m,layers=2,width=64,heads=4,ffn=96,vocab=300",
                  .output = path,
                  .type = type,
                  .progress = {}});
    ASSERT_TRUE(written.ok()) << written;
    ExpectLittleLost(path, 0.1);
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace plumbline::int8_quality_test
