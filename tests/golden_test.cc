// The engine, through scheduler and paged cache, on real trained weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/model.h"
#include "engine/tensor_source.h"
#include "nlohmann/json.hpp"
#include "tests/reference/reference_model.h"
#include "tests/support/session_rig.h"

namespace plumbline::golden_test {
namespace {

constexpr double kTolerance = 1e-3;  // stated with the golden files

std::unique_ptr<Model> LoadF32(const TensorSource& source) {
  ModelOptions options;
  options.threads = 2;
  auto model = Model::Load(source, options);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : nullptr;
}

struct GoldenFiles {
  const char* label;
  const char* model;  // under shared/models
  const char* golden;
};

class GoldenTest : public testing::TestWithParam<GoldenFiles> {};

// All cases at once, with a small step budget: chunks, decode steps and companions mix.
TEST_P(GoldenTest, TokensAndLogprobsAgreeWithAnIndependentEngine) {
  const std::string models = std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/models/";
  const std::string golden_path = models + GetParam().golden;
  if (!std::filesystem::exists(golden_path)) {
    GTEST_SKIP() << "shared/models/" << GetParam().golden << " is not beside this tree";
  }
  const auto source = OpenGgufSource(models + GetParam().model);
  ASSERT_TRUE(source.ok()) << source.status();
  const auto tokenizer = (*source)->MakeTokenizer();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::unique_ptr<Model> model = LoadF32(**source);
  ASSERT_NE(model, nullptr);
  const nlohmann::json cases = nlohmann::json::parse(std::ifstream(golden_path)).at("cases");
  ASSERT_FALSE(cases.empty());
  std::vector<Request> requests;
  for (const nlohmann::json& golden : cases) {
    const auto prompt = (*tokenizer)->Encode(golden.at("prompt").get<std::string>(), {});
    ASSERT_TRUE(prompt.ok()) << prompt.status();
    EXPECT_EQ(*prompt, golden.at("prompt_token_ids").get<std::vector<int32_t>>());
    const auto outputs = golden.at("output_token_ids").size();
    requests.push_back(GreedyRequest(*prompt, static_cast<int>(outputs), model->config().vocab));
  }
  const auto results = RunRequests(*model, {.num_blocks = 64, .step_tokens = 5}, requests);
  for (size_t c = 0; c < cases.size(); ++c) {
    EXPECT_EQ(results[c].output, cases[c].at("output_token_ids").get<std::vector<int32_t>>());
    const auto top =
        cases[c].at("top5_logprobs").get<std::vector<std::vector<std::pair<int, double>>>>();
    ASSERT_EQ(results[c].logprobs.size(), top.size());
    for (size_t i = 0; i < top.size(); ++i) {
      ASSERT_EQ(top[i].size(), 5U);
      for (const auto& [token, logprob] : top[i]) {
        const auto& mine = results[c].logprobs[i];
        const auto found =
            std::find_if(mine.begin(), mine.end(),
                         [t = token](const TokenLogprob& entry) { return entry.token == t; });
        ASSERT_NE(found, mine.end());
        EXPECT_NEAR(found->logprob, logprob, kTolerance) << "case " << c << ", output " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, GoldenTest,
    testing::Values(GoldenFiles{"Stories260K", "stories260K.gguf", "stories260K.golden.json"},
                    GoldenFiles{"Toy", "toy/toy-shakespeare.gguf",
                                "toy/toy-shakespeare.golden.json"}),
    [](const testing::TestParamInfo<GoldenFiles>& files) { return files.param.label; });

// The same on the model that the project ships, held against the double-precision reference.
TEST(ToyModelTest, GreedyTokensAndLogprobsAgreeWithTheReference) {
  const auto source =
      OpenGgufSource(std::string(PLUMBLINE_SOURCE_DIR) + "/tools/toy/toy-shakespeare.gguf");
  ASSERT_TRUE(source.ok()) << source.status();
  const auto reference = ReferenceModel::Load(**source);
  ASSERT_TRUE(reference.ok()) << reference.status();
  const auto tokenizer = (*source)->MakeTokenizer();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::unique_ptr<Model> model = LoadF32(**source);
  ASSERT_NE(model, nullptr);
  std::vector<Request> requests;
  for (const char* text : {"JULIET:\nWhat's", "The king"}) {
    const auto prompt = (*tokenizer)->Encode(text, {});
    ASSERT_TRUE(prompt.ok()) << prompt.status();
    requests.push_back(GreedyRequest(*prompt, 24, 5));
  }
  const auto results = RunRequests(*model, {.num_blocks = 16, .step_tokens = 3}, requests);
  for (const RequestResult& result : results) {
    std::vector<int32_t> tokens = result.prompt;
    tokens.insert(tokens.end(), result.output.begin(), result.output.end());
    const std::vector<std::vector<double>> logits = reference->Logits(tokens);
    ASSERT_EQ(result.output.size(), 24U);
    for (size_t i = 0; i < result.output.size(); ++i) {
      const std::vector<double>& row = logits[result.prompt.size() - 1 + i];
      const double most = *std::max_element(row.begin(), row.end());
      EXPECT_EQ(row[result.output[i]], most) << "output " << i;
      double sum = 0;
      for (const double logit : row) sum += std::exp(logit - most);
      for (const TokenLogprob& entry : result.logprobs[i]) {
        EXPECT_NEAR(entry.logprob, row[entry.token] - most - std::log(sum), kTolerance);
      }
    }
  }
}

}  // namespace
}  // namespace plumbline::golden_test
