// Vocabularies of real models against the ids that other engines give. The small fixtures of our
// own are in tokenizer_test.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "engine/gguf.h"
#include "engine/tokenizer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace plumbline::tokenizer_golden_test {
namespace {

std::string Shared(const std::string& path) {
  return std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/" + path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::unique_ptr<Tokenizer> Load(const std::string& path) {
  const absl::StatusOr<std::unique_ptr<GgufFile>> file = GgufFile::Open(path);
  EXPECT_TRUE(file.ok()) << file.status();
  if (!file.ok()) return nullptr;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(**file);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<int32_t> ParseIds(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<int32_t>(in), std::istream_iterator<int32_t>()};
}

class VocabularyGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(VocabularyGoldenTest, EveryText) {
  const std::string path = Shared(std::string("tokenizers/ggml-vocab-") + GetParam() + ".gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " does not exist";
  const std::unique_ptr<Tokenizer> tokenizer = Load(path);
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<std::string> texts =
      absl::StrSplit(ReadFile(path + ".inp"), "\n__ggml_vocab_test__\n");
  const std::vector<std::string> lines = absl::StrSplit(ReadFile(path + ".out"), '\n');
  ASSERT_EQ(texts.size(), lines.size());  // both end with an empty one
  ASSERT_GT(texts.size(), 1U);
  for (size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE(texts[i]);
    const absl::StatusOr<std::vector<int32_t>> ids =
        tokenizer->Encode(texts[i], {.add_bos = false});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, ParseIds(lines[i]));
    EXPECT_EQ(tokenizer->Decode(*ids), texts[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, VocabularyGoldenTest,
                         ::testing::Values("gpt-2", "llama-bpe", "llama-spm"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

class ModelGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ModelGoldenTest, EveryPrompt) {
  const std::string path = Shared(std::string("models/") + GetParam());
  if (!std::filesystem::exists(path + ".gguf")) GTEST_SKIP() << path << " does not exist";
  const std::unique_ptr<Tokenizer> tokenizer = Load(path + ".gguf");
  ASSERT_NE(tokenizer, nullptr);
  const auto golden = nlohmann::json::parse(ReadFile(path + ".golden.json"), nullptr, false);
  ASSERT_FALSE(golden.is_discarded());
  ASSERT_FALSE(golden["cases"].empty());
  for (const auto& one : golden["cases"]) {
    const std::string prompt = one["prompt"];
    SCOPED_TRACE(prompt);
    const absl::StatusOr<std::vector<int32_t>> ids = tokenizer->Encode(prompt, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, one["prompt_token_ids"].get<std::vector<int32_t>>());
  }
}

INSTANTIATE_TEST_SUITE_P(All, ModelGoldenTest,
                         ::testing::Values("stories260K", "toy/toy-shakespeare"),
                         [](const auto& param) {
                           return param.index == 0 ? std::string("stories") : std::string("toy");
                         });

}  // namespace
}  // namespace plumbline::tokenizer_golden_test
