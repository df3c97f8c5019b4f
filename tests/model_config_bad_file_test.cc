// Files whose keys or tensors make no model that runs here: the error names what is wrong.
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/model_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tiny_gguf.h"

namespace plumbline::model_config_bad_file_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The message of the error that reading must give.
std::string ErrorOf(const TinyGguf& tiny) {
  const absl::StatusOr<ModelConfig> config = ReadConfig(tiny);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
  return std::string(config.status().message());
}

TEST(ConfigFromGgufTest, UnknownArchitecturesListTheKnownOnes) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["general.architecture"] = std::string("rwkv");
  EXPECT_THAT(ErrorOf(tiny), AllOf(HasSubstr("rwkv"), HasSubstr("llama, qwen2 and gpt2")));
  tiny.keys["general.architecture"] = 7U;
  EXPECT_THAT(ErrorOf(tiny), HasSubstr("general.architecture"));
  tiny.keys.erase("general.architecture");
  EXPECT_THAT(ErrorOf(tiny), HasSubstr("general.architecture is missing"));
}

TEST(ConfigFromGgufTest, MissingKeysAreNamed) {
  for (const char* architecture : {"llama", "gpt2"}) {
    const TinyGguf whole = MakeTinyGguf(architecture);
    int removed = 0;
    for (const auto& entry : whole.keys) {
      const std::string& key = entry.first;
      if (key.rfind("general.", 0) == 0 || key == "llama.attention.head_count_kv") continue;
      TinyGguf tiny = whole;
      tiny.keys.erase(key);
      EXPECT_THAT(ErrorOf(tiny), HasSubstr(absl::StrCat("key ", key, " is missing")));
      ++removed;
    }
    EXPECT_EQ(removed, 6);
  }
}

struct BadKey {
  const char* key;
  TinyValue value;
  const char* text;  // in the message, beside the key
};

void PrintTo(const BadKey& bad, std::ostream* out) { *out << bad.key << ", " << bad.text; }

class BadKeyTest : public ::testing::TestWithParam<BadKey> {};

TEST_P(BadKeyTest, IsNamed) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys[GetParam().key] = GetParam().value;
  EXPECT_THAT(ErrorOf(tiny), AllOf(HasSubstr(GetParam().key), HasSubstr(GetParam().text)));
}

INSTANTIATE_TEST_SUITE_P(
    ConfigFromGguf, BadKeyTest,
    ::testing::Values(
        BadKey{"llama.block_count", 0U, "is 0"}, BadKey{"llama.block_count", 2.0F, "float32"},
        BadKey{"llama.block_count", std::string("2"), "string"},
        BadKey{"llama.embedding_length", 4294967295U, "4294967295"},
        BadKey{"llama.embedding_length", 66U, "multiple of the 4 heads"},
        BadKey{"llama.attention.head_count", std::vector<int32_t>{4}, "lists 1 layers"},
        BadKey{"llama.attention.head_count", std::vector<int32_t>{4, 2}, "differs between layers"},
        BadKey{"llama.attention.head_count_kv", std::vector<int32_t>{0, 0}, "is 0"},
        BadKey{"llama.attention.head_count_kv", std::vector<int32_t>{-1, -1}, "is -1"},
        BadKey{"llama.attention.head_count_kv", std::vector<int32_t>{}, "lists 0 layers"},
        BadKey{"llama.feed_forward_length", true, "bool"},
        BadKey{"llama.attention.key_length", 8U, "must equal"},
        BadKey{"llama.attention.value_length", 8U, "must equal"},
        BadKey{"llama.attention.layer_norm_rms_epsilon", 1U, "uint32"},
        BadKey{"llama.rope.scaling.type", std::string("yarn"), "yarn"},
        BadKey{"llama.rope.scaling.type", 3U, "uint32"},
        BadKey{"llama.rope.scaling.factor", -2.0F, "-2"},
        BadKey{"tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"}, "lists 2 tokens"},
        BadKey{"tokenizer.ggml.tokens", 5U, "uint32"}));

INSTANTIATE_TEST_SUITE_P(
    UnsupportedArithmetic, BadKeyTest,
    ::testing::Values(BadKey{"llama.expert_count", 8U, "not supported"},
                      BadKey{"llama.nextn_predict_layers", 1U, "not supported"},
                      BadKey{"llama.attention.max_alibi_bias", 8.0F, "not supported"},
                      BadKey{"llama.attention.clamp_kqv", 8.0F, "not supported"},
                      BadKey{"llama.attention.chunk_size", 64U, "not supported"},
                      BadKey{"llama.attention.temperature_scale", 0.1F, "not supported"},
                      BadKey{"llama.attn_logit_softcapping", 50.0F, "not supported"},
                      BadKey{"llama.final_logit_softcapping", 30.0F, "not supported"},
                      BadKey{"llama.logit_scale", 0.5F, "not supported"},
                      BadKey{"llama.logit_scale", std::string("1"), "not supported"},
                      BadKey{"llama.residual_scale", 0.22F, "not supported"},
                      BadKey{"llama.embedding_scale", 12.0F, "not supported"},
                      BadKey{"llama.use_parallel_residual", true, "not supported"},
                      BadKey{"llama.attention.causal", false, "not supported"},
                      BadKey{"llama.attention.sliding_window", 64U, "not supported"},
                      BadKey{"llama.attention.scale", 0.5F, "not supported"},
                      BadKey{"llama.rope.dimension_sections", std::vector<int32_t>{1, 1, 1, 1},
                             "not supported"},
                      BadKey{"llama.rope.scaling.attn_factor", 1.5F, "not supported"}));

// Values that are well-formed keys, but make no model: the message names the field of the config.
TEST(ConfigFromGgufTest, SizesThatDoNotFitAreNamed) {
  struct Case {
    const char* key;
    TinyValue value;
    const char* text;
  };
  const Case cases[] = {
      {"llama.attention.head_count_kv", 3U, "kv_heads is 3"},
      {"llama.block_count", 100000U, "layers is 100000"},
      {"llama.rope.dimension_count", 5U, "rope_dims is 5"},
      {"llama.rope.dimension_count", 18U, "rope_dims is 18"},
      {"llama.rope.freq_base", 0.0F, "rope_base is 0"},
      {"llama.attention.layer_norm_rms_epsilon", -1e-5F, "norm_epsilon"},
  };
  for (const Case& bad : cases) {
    TinyGguf tiny = MakeTinyGguf("llama");
    tiny.keys[bad.key] = bad.value;
    EXPECT_THAT(ErrorOf(tiny), HasSubstr(bad.text));
  }
}

TEST(ConfigFromGgufTest, TensorsThatDecideAreChecked) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.tensors["rope_freqs.weight"] = {{4}};
  EXPECT_THAT(ErrorOf(tiny),
              AllOf(HasSubstr("rope_freqs.weight"), HasSubstr("[8]"), HasSubstr("[4, 1]")));
  tiny.tensors["rope_freqs.weight"] = {{8}, TensorType::kF32, 0.0F};
  EXPECT_THAT(ErrorOf(tiny), HasSubstr("rope_factors holds 0"));
  tiny = MakeTinyGguf("llama");
  tiny.tensors.erase("token_embd.weight");
  EXPECT_THAT(ErrorOf(tiny), HasSubstr("token_embd.weight is missing"));
}

}  // namespace
}  // namespace plumbline::model_config_bad_file_test
