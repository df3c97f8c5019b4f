// The reference against an independent engine's greedy continuations of real weights, and against
// itself through a GGUF file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/gguf_writer.h"
#include "engine/tensor_source.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/reference/reference_model.h"
#include "tests/support/map_source.h"

namespace plumbline::reference_golden_test {
namespace {

// What the golden files promise: their log-probabilities come from an f32 engine of another order
// of summation, printed with five decimals.
constexpr double kGoldenTolerance = 1e-3;

double LogSumExp(const std::vector<double>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

struct GoldenFiles {
  const char* label;
  const char* model;  // under shared/models
  const char* golden;
};

class ReferenceGoldenTest : public testing::TestWithParam<GoldenFiles> {};

TEST_P(ReferenceGoldenTest, AgreesTokenByToken) {
  const std::string models = std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/models/";
  const std::string golden_path = models + GetParam().golden;
  if (!std::filesystem::exists(golden_path)) {
    GTEST_SKIP() << "shared/models/" << GetParam().golden << " is not beside this tree";
  }
  const absl::StatusOr<std::unique_ptr<TensorSource>> source =
      OpenGgufSource(models + GetParam().model);
  ASSERT_TRUE(source.ok()) << source.status();
  const absl::StatusOr<ReferenceModel> model = ReferenceModel::Load(**source);
  ASSERT_TRUE(model.ok()) << model.status();
  const nlohmann::json cases = nlohmann::json::parse(std::ifstream(golden_path)).at("cases");
  ASSERT_FALSE(cases.empty());
  for (const nlohmann::json& golden : cases) {
    std::vector<int32_t> tokens = golden.at("prompt_token_ids").get<std::vector<int32_t>>();
    const auto outputs = golden.at("output_token_ids").get<std::vector<int32_t>>();
    const auto top =
        golden.at("top5_logprobs").get<std::vector<std::vector<std::pair<int, double>>>>();
    ASSERT_FALSE(outputs.empty());
    ASSERT_EQ(outputs.size(), top.size());
    const size_t first = tokens.size() - 1;  // the row that chooses output 0
    tokens.insert(tokens.end(), outputs.begin(), outputs.end());
    const std::vector<std::vector<double>> logits = model->Logits(tokens);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::vector<double>& row = logits[first + i];
      EXPECT_EQ(std::max_element(row.begin(), row.end()) - row.begin(), outputs[i]) << i;
      const double normaliser = LogSumExp(row);
      ASSERT_EQ(top[i].size(), 5U);
      for (const auto& [token, log_probability] : top[i]) {
        EXPECT_NEAR(row.at(static_cast<size_t>(token)) - normaliser, log_probability,
                    kGoldenTolerance)
            << "output " << i << ", token " << token;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, ReferenceGoldenTest,
    testing::Values(GoldenFiles{"Stories260K", "stories260K.gguf", "stories260K.golden.json"},
                    GoldenFiles{"Toy", "toy/toy-shakespeare.gguf",
                                "toy/toy-shakespeare.golden.json"}),
    [](const testing::TestParamInfo<GoldenFiles>& files) { return files.param.label; });

// A source's tensors as a GGUF file in memory, seen through the parser alone.
TEST(ReferenceGgufTest, TensorsReadBackFromAFileGiveTheSameLogits) {
  for (const ModelConfig& config : {SmallLlama(4, 2), SmallGpt2(2, 2)}) {
    MapSource source = MapSource::Random(config, 1);
    GgufWriter writer;
    for (const TensorShape& shape : source.Shapes()) {
      writer.AddTensor(shape.name, {shape.row_elements, shape.rows}, TensorType::kBf16,
                       [&source, shape](int64_t row, int64_t num_rows, float* out) {
                         return source.ReadRows(shape, row, num_rows, out);
                       });
    }
    const absl::StatusOr<std::string> bytes = writer.Serialize();
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const auto file = GgufFile::Parse(
        {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, "in memory");
    ASSERT_TRUE(file.ok()) << file.status();
    MapSource copy(config);
    for (const TensorShape& shape : copy.Shapes()) {
      const GgufTensor* tensor = (*file)->FindTensor(shape.name);
      ASSERT_NE(tensor, nullptr) << shape.name;
      ASSERT_EQ(tensor->rows(), shape.rows) << shape.name;
      ASSERT_EQ(tensor->row_elements(), shape.row_elements) << shape.name;
      DequantizeRow(tensor->type, tensor->data.data(), shape.rows * shape.row_elements,
                    copy.Find(shape.name)->data());
    }
    const absl::StatusOr<ReferenceModel> direct = ReferenceModel::Load(source);
    const absl::StatusOr<ReferenceModel> read_back = ReferenceModel::Load(copy);
    ASSERT_TRUE(direct.ok() && read_back.ok());
    EXPECT_EQ(direct->Logits({1, 2, 3}), read_back->Logits({1, 2, 3}));
  }
}

// The engine's list of tensors and the one of the tests were written apart.
TEST(ReferenceGgufTest, TheEngineExpectsTheSameTensors) {
  ModelConfig biased = SmallLlama(4, 2);
  biased.architecture = "qwen2";
  biased.qkv_bias = true;
  biased.tied_head = true;
  for (const ModelConfig& config : {SmallLlama(4, 1), biased, SmallGpt2(4, 4)}) {
    std::vector<std::string> expected;
    for (const TensorShape& shape : ExpectedTensors(config)) {
      expected.push_back(shape.name + " " + std::to_string(shape.rows) + " " +
                         std::to_string(shape.row_elements));
    }
    std::sort(expected.begin(), expected.end());
    std::vector<std::string> actual;
    for (const TensorShape& shape : MapSource(config).Shapes()) {
      actual.push_back(shape.name + " " + std::to_string(shape.rows) + " " +
                       std::to_string(shape.row_elements));
    }
    std::sort(actual.begin(), actual.end());
    EXPECT_EQ(actual, expected) << config.name;
    EXPECT_TRUE(config.Validate().ok()) << config.Validate();
  }
}

}  // namespace
}  // namespace plumbline::reference_golden_test
