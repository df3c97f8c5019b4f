#include "tools/synth.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::synth_test {
namespace {

using ::testing::HasSubstr;

constexpr char kTinyLlama[] =
    "synthetic:llama-160m,layers=2,width=64,heads=4,kv_heads=2,ffn=96,vocab=300,context=64";
constexpr char kTinyGpt2[] =
    "synthetic:gpt2-small,layers=1,width=64,heads=4,ffn=96,vocab=257,context=64";

class SynthTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    path_ = ::testing::TempDir() + "synth_" + absl::StrCat(name.substr(0, name.find('/'))) +
            (absl::StrContains(name, "/1") ? "_1" : "_0") + ".gguf";
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::string path_;
};

TEST_P(SynthTest, TheFileDescribesTheSameModel) {
  ASSERT_TRUE(RunSynth({.model = GetParam(), .output = path_, .progress = {}}).ok());
  const auto memory = OpenModel(GetParam());
  const auto file = OpenModel(path_);
  ASSERT_TRUE(memory.ok()) << memory.status();
  ASSERT_TRUE(file.ok()) << file.status();
  const ModelConfig& wanted = (*memory)->config();
  const ModelConfig& had = (*file)->config();
  EXPECT_EQ(had.architecture, wanted.architecture);
  EXPECT_EQ(had.name, GetParam());
  EXPECT_EQ(had.layers, wanted.layers);
  EXPECT_EQ(had.width, wanted.width);
  EXPECT_EQ(had.heads, wanted.heads);
  EXPECT_EQ(had.kv_heads, wanted.kv_heads);
  EXPECT_EQ(had.head_dim, wanted.head_dim);
  EXPECT_EQ(had.ffn, wanted.ffn);
  EXPECT_EQ(had.vocab, wanted.vocab);
  EXPECT_EQ(had.context, wanted.context);
  EXPECT_EQ(had.norm, wanted.norm);
  EXPECT_EQ(had.norm_epsilon, wanted.norm_epsilon);
  EXPECT_EQ(had.position, wanted.position);
  EXPECT_EQ(had.rope_dims, wanted.rope_dims);
  EXPECT_EQ(had.rope_base, wanted.rope_base);
  EXPECT_EQ(had.rope_scale, wanted.rope_scale);
  EXPECT_EQ(had.rope_factors, wanted.rope_factors);
  EXPECT_EQ(had.feed_forward, wanted.feed_forward);
  EXPECT_EQ(had.qkv_bias, wanted.qkv_bias);
  EXPECT_EQ(had.linear_bias, wanted.linear_bias);
  EXPECT_EQ(had.tied_head, wanted.tied_head);
}

TEST_P(SynthTest, TextIsTokenisedByteByByte) {
  ASSERT_TRUE(RunSynth({.model = GetParam(), .output = path_, .progress = {}}).ok());
  const auto file = OpenModel(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto tokenizer = (*file)->MakeTokenizer();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto in_memory = MakeByteTokenizer((*file)->config().vocab);
  std::vector<std::string> texts = {"",
                                    "Hello,  world!\n\n\tIt's 1234 o'clock.",
                                    "Grüße, 世界 \U0001F600",
                                    "<unused256> merges",
                                    "<|endoftext|>",
                                    std::string("\0\xFF\xC3(\xE2\x82", 6)};
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes.push_back(static_cast<char>(byte));
  texts.push_back(all_bytes);
  std::mt19937 random(20);
  for (int i = 0; i < 20; ++i) {
    std::string text(200, '\0');
    for (char& c : text) c = static_cast<char>(random() & 0xFFU);
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    const auto ids = (*tokenizer)->Encode(text, {});
    ASSERT_TRUE(ids.ok()) << ids.status();
    ASSERT_EQ(ids->size(), text.size());
    for (size_t i = 0; i < text.size(); ++i) {
      ASSERT_EQ((*ids)[i], static_cast<unsigned char>(text[i])) << "byte " << i;
    }
    EXPECT_EQ(*ids, in_memory->Encode(text, {}).value());
    EXPECT_EQ((*tokenizer)->Decode(*ids), text);
  }
  const int32_t end = (*tokenizer)->vocab_size() - 1;
  for (int32_t id = 0; id <= end; ++id) {
    EXPECT_EQ((*tokenizer)->is_end(id), id == end) << id;
    EXPECT_EQ((*tokenizer)->is_control(id), id == end) << id;
  }
}

TEST_P(SynthTest, HasTheKeysThatOtherEnginesAskFor) {
  ASSERT_TRUE(
      RunSynth({.model = GetParam(), .output = path_, .type = "q8_0", .progress = {}}).ok());
  const auto file = GgufFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::string architecture((*file)->GetString("general.architecture").value());
  for (const char* suffix :
       {"vocab_size", "context_length", "embedding_length", "block_count", "feed_forward_length",
        "attention.head_count", "attention.head_count_kv", "attention.key_length",
        "attention.value_length"}) {
    EXPECT_TRUE((*file)->GetInt(absl::StrCat(architecture, ".", suffix)).ok()) << suffix;
  }
  EXPECT_EQ((*file)->GetInt("general.file_type").value(), 7);
  EXPECT_EQ((*file)->GetInt("general.quantization_version").value(), 2);
  EXPECT_EQ((*file)->GetString("tokenizer.ggml.model").value(), "gpt2");
  EXPECT_EQ((*file)->GetString("tokenizer.ggml.pre").value(), "gpt-2");
  EXPECT_EQ((*file)->GetStrings("tokenizer.ggml.merges").value().size(), 0U);
  const auto tokens = (*file)->GetStrings("tokenizer.ggml.tokens").value();
  const auto kinds = (*file)->GetInts("tokenizer.ggml.token_type").value();
  ASSERT_EQ(tokens.size(), kinds.size());
  EXPECT_EQ(tokens['A'], "A");
  EXPECT_EQ(tokens[' '], "\u0120");
  EXPECT_EQ(tokens['\n'], "\u010A");
  EXPECT_EQ(tokens[0xFF], "\u00FF");
  EXPECT_EQ(kinds[0], 1);
  EXPECT_EQ(kinds.back(), 3);
  EXPECT_EQ((*file)->GetInt("tokenizer.ggml.eos_token_id").value(),
            static_cast<int64_t>(tokens.size()) - 1);
}

INSTANTIATE_TEST_SUITE_P(Families, SynthTest, ::testing::Values(kTinyLlama, kTinyGpt2));

TEST(RunSynthTest, ReportsProgressToTheEnd) {
  const std::string path = ::testing::TempDir() + "synth_progress.gguf";
  std::vector<double> fractions;
  ASSERT_TRUE(RunSynth({.model = kTinyLlama,
                        .output = path,
                        .progress = [&](double fraction) { fractions.push_back(fraction); }})
                  .ok());
  std::filesystem::remove(path);
  ASSERT_FALSE(fractions.empty());
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_GT(fractions.front(), 0);
  EXPECT_EQ(fractions.back(), 1);
}

TEST(RunSynthTest, ErrorsNameWhatIsWrongAndLeaveNoFile) {
  struct Case {
    const char* model;
    const char* type;
    const char* text;
  };
  const Case cases[] = {
      {"toy.gguf", "bf16", "must be a synthetic one"},
      {"synthetic:gpt9", "bf16", "gpt9"},
      {kTinyLlama, "q5_k", "must be one of bf16, f32, f16, q8_0, q4_0"},
      {kTinyLlama, "", "the type is \"\""},
      {"synthetic:gpt2-small,layers=1,width=60,heads=4", "q8_0",
       "tensor token_embd.weight has rows of 60"},
      {"synthetic:gpt2-small,layers=1,width=64,heads=4,ffn=40", "q4_0",
       "tensor blk.0.ffn_down.weight has rows of 40"},
      {"synthetic:gpt2-small,layers=1,vocab=256", "bf16", "vocab=257"},
  };
  const std::string path = ::testing::TempDir() + "synth_error.gguf";
  for (const Case& bad : cases) {
    const absl::Status status =
        RunSynth({.model = bad.model, .output = path, .type = bad.type, .progress = {}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.model;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.text));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST(RunSynthTest, OutputThatCannotBeWrittenIsAnError) {
  const absl::Status status = RunSynth({.model = kTinyLlama,
                                        .output = ::testing::TempDir() + "no/such/folder/x.gguf",
                                        .progress = {}});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("no/such/folder"));
}

}  // namespace
}  // namespace plumbline::synth_test
