#include "engine/model_config.h"

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tiny_gguf.h"

namespace plumbline {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ModelConfig> Read(const TinyGguf& tiny) {
  const std::string bytes = tiny.Serialize();
  const auto file = GgufFile::Parse(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()), "tiny");
  if (!file.ok()) return file.status();
  return ConfigFromGguf(**file);
}

// The message of the error that reading must give.
std::string ErrorOf(const TinyGguf& tiny) {
  const absl::StatusOr<ModelConfig> config = Read(tiny);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
  return std::string(config.status().message());
}

ModelConfig ValidConfig() {
  ModelConfig config;
  config.architecture = "llama";
  config.layers = 2;
  config.width = 64;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.ffn = 96;
  config.vocab = 300;
  config.context = 128;
  config.rope_dims = 16;
  return config;
}

TEST(ValidateTest, AcceptsAWholeConfig) {
  EXPECT_TRUE(ValidConfig().Validate().ok()) << ValidConfig().Validate();
  ModelConfig config = ValidConfig();
  config.rope_dims = 8;
  config.rope_factors = {1, 2, 4, 8};
  EXPECT_TRUE(config.Validate().ok()) << config.Validate();
  config = ValidConfig();
  config.position = PositionKind::kLearned;
  config.rope_dims = 0;
  EXPECT_TRUE(config.Validate().ok()) << config.Validate();
}

TEST(ValidateTest, NamesTheSizeThatIsOutOfRange) {
  struct Size {
    const char* name;
    int ModelConfig::*field;
  };
  const Size sizes[] = {
      {"layers", &ModelConfig::layers},     {"width", &ModelConfig::width},
      {"heads", &ModelConfig::heads},       {"kv_heads", &ModelConfig::kv_heads},
      {"head_dim", &ModelConfig::head_dim}, {"ffn", &ModelConfig::ffn},
      {"vocab", &ModelConfig::vocab},       {"context", &ModelConfig::context},
  };
  for (const Size& size : sizes) {
    for (const int bad :
         {0, -1, std::numeric_limits<int>::min(), 1 << 29, std::numeric_limits<int>::max()}) {
      ModelConfig config = ValidConfig();
      config.*size.field = bad;
      const absl::Status status = config.Validate();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << size.name << " " << bad;
      EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(size.name, " is ", bad)));
    }
  }
}

TEST(ValidateTest, NamesWhatDoesNotFit) {
  struct Case {
    const char* text;
    std::function<void(ModelConfig&)> change;
  };
  const Case cases[] = {
      {"kv_heads is 3 but must divide heads (4)", [](ModelConfig& c) { c.kv_heads = 3; }},
      {"heads times head_dim is 4194304",
       [](ModelConfig& c) { c.heads = c.head_dim = 2048, c.rope_dims = 2; }},
      {"norm_epsilon", [](ModelConfig& c) { c.norm_epsilon = 0; }},
      {"norm_epsilon", [](ModelConfig& c) { c.norm_epsilon = std::nanf(""); }},
      {"rope_dims is 0", [](ModelConfig& c) { c.rope_dims = 0; }},
      {"rope_dims is 7", [](ModelConfig& c) { c.rope_dims = 7; }},
      {"rope_dims is 18", [](ModelConfig& c) { c.rope_dims = 18; }},
      {"rope_dims is 16", [](ModelConfig& c) { c.position = PositionKind::kLearned; }},
      {"rope_base", [](ModelConfig& c) { c.rope_base = -1; }},
      {"rope_scale", [](ModelConfig& c) { c.rope_scale = HUGE_VAL; }},
      {"rope_factors has 3",
       [](ModelConfig& c) {
         c.rope_factors = {1, 1, 1};
       }},
      {"rope_factors holds 0", [](ModelConfig& c) { c.rope_factors.resize(8); }},
  };
  for (const Case& bad : cases) {
    ModelConfig config = ValidConfig();
    bad.change(config);
    const absl::Status status = config.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.text));
  }
}

TEST(CacheGeometryTest, HoldsOneKeyAndValueForEachKvHead) {
  const KvGeometry geometry = ValidConfig().CacheGeometry(KvDtype::kBf16, 100);
  EXPECT_EQ(geometry.block_tokens, 100);
  ASSERT_EQ(geometry.groups.size(), 1U);
  EXPECT_EQ(geometry.groups[0].layers, 2);
  EXPECT_EQ(geometry.groups[0].kv_heads, 2);
  EXPECT_EQ(geometry.groups[0].key_width, 16);
  EXPECT_EQ(geometry.groups[0].value_width, 16);
  EXPECT_EQ(geometry.groups[0].dtype, KvDtype::kBf16);
}

TEST(ConfigFromGgufTest, ReadsLlama) {
  const absl::StatusOr<ModelConfig> config = Read(MakeTinyGguf("llama"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->name, "tiny");
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->width, 64);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->ffn, 96);
  EXPECT_EQ(config->vocab, 300);
  EXPECT_EQ(config->context, 128);
  EXPECT_EQ(config->norm, NormKind::kRms);
  EXPECT_EQ(config->norm_epsilon, 1e-6F);
  EXPECT_EQ(config->position, PositionKind::kRopeNeighbours);
  EXPECT_EQ(config->rope_dims, 16);
  EXPECT_EQ(config->rope_base, 10000.0);
  EXPECT_EQ(config->rope_scale, 1.0);
  EXPECT_THAT(config->rope_factors, IsEmpty());
  EXPECT_EQ(config->feed_forward, FeedForwardKind::kSwiGlu);
  EXPECT_FALSE(config->qkv_bias);
  EXPECT_FALSE(config->linear_bias);
  EXPECT_FALSE(config->tied_head);
}

TEST(ConfigFromGgufTest, ReadsQwen2) {
  const absl::StatusOr<ModelConfig> config = Read(MakeTinyGguf("qwen2"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->position, PositionKind::kRopeHalves);
  EXPECT_EQ(config->norm, NormKind::kRms);
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_FALSE(config->linear_bias);
  EXPECT_TRUE(config->tied_head);
  EXPECT_FALSE(config->fused_qkv());
}

TEST(ConfigFromGgufTest, ReadsGpt2) {
  const absl::StatusOr<ModelConfig> config = Read(MakeTinyGguf("gpt2"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kv_heads, 4) << "the number of heads where it is not given";
  EXPECT_EQ(config->position, PositionKind::kLearned);
  EXPECT_EQ(config->rope_dims, 0);
  EXPECT_EQ(config->norm, NormKind::kLayer);
  EXPECT_EQ(config->norm_epsilon, 1e-6F);
  EXPECT_EQ(config->feed_forward, FeedForwardKind::kGelu);
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_TRUE(config->linear_bias);
  EXPECT_TRUE(config->tied_head);
  EXPECT_TRUE(config->fused_qkv());
}

TEST(ConfigFromGgufTest, TakesEqualListsForNumbersPerLayer) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.attention.head_count"] = std::vector<int32_t>{4, 4};
  tiny.keys["llama.attention.head_count_kv"] = std::vector<int32_t>{1, 1};
  tiny.keys["llama.feed_forward_length"] = std::vector<int32_t>{96, 96};
  const absl::StatusOr<ModelConfig> config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kv_heads, 1);
  EXPECT_EQ(config->ffn, 96);
}

TEST(ConfigFromGgufTest, ReadsRopeKeys) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.rope.dimension_count"] = 8U;
  tiny.keys["llama.rope.freq_base"] = 500000.0F;
  tiny.keys["llama.rope.scaling.type"] = std::string("linear");
  tiny.keys["llama.rope.scaling.factor"] = 4.0F;
  tiny.tensors["rope_freqs.weight"] = {{4}, TensorType::kF32, 1.0F};
  const absl::StatusOr<ModelConfig> config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_dims, 8);
  EXPECT_EQ(config->rope_base, 500000.0);
  EXPECT_EQ(config->rope_scale, 0.25);
  EXPECT_THAT(config->rope_factors, ElementsAre(1, 2, 3, 4));
}

TEST(ConfigFromGgufTest, ReadsTheOlderKeyOfLinearScaling) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.rope.scale_linear"] = 2.0F;
  absl::StatusOr<ModelConfig> config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_scale, 0.5);
  tiny.keys["llama.rope.scaling.type"] = std::string("none");
  config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_scale, 1.0);
}

TEST(ConfigFromGgufTest, HeadsMayBeWiderThanTheModel) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.attention.key_length"] = 32U;
  tiny.keys["llama.attention.value_length"] = 32U;
  const absl::StatusOr<ModelConfig> config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head_dim, 32);
  EXPECT_EQ(config->query_width(), 128);
  EXPECT_EQ(config->rope_dims, 32);
}

TEST(ConfigFromGgufTest, KeysThatChangeNothingAreFine) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.expert_count"] = 0U;
  tiny.keys["llama.logit_scale"] = 1.0F;
  tiny.keys["llama.attention.scale"] = 0.25F;          // 1 / sqrt(16)
  tiny.keys["llama.attention.sliding_window"] = 128U;  // as wide as the context
  tiny.keys["llama.attention.causal"] = true;
  tiny.keys["llama.rope.scaling.original_context_length"] = 64U;
  const absl::StatusOr<ModelConfig> config = Read(tiny);
  EXPECT_TRUE(config.ok()) << config.status();
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

TEST(ConfigFromGgufTest, ReadsRealFiles) {
  struct Known {
    const char* path;
    int layers, width, heads, kv_heads, ffn, vocab, context;
    bool tied;
  };
  // Shapes as the models' own descriptions give them (the first is cut to a context of 128).
  const Known files[] = {
      {"stories260K.gguf", 5, 64, 8, 4, 172, 512, 128, false},
      {"toy/toy-shakespeare.gguf", 5, 256, 4, 2, 640, 1024, 512, true},
  };
  for (const Known& known : files) {
    const std::string path = std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/models/" + known.path;
    if (!std::ifstream(path)) GTEST_SKIP() << known.path << " is not here";
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    const absl::StatusOr<ModelConfig> config = ConfigFromGguf(**file);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->layers, known.layers);
    EXPECT_EQ(config->width, known.width);
    EXPECT_EQ(config->heads, known.heads);
    EXPECT_EQ(config->kv_heads, known.kv_heads);
    EXPECT_EQ(config->ffn, known.ffn);
    EXPECT_EQ(config->vocab, known.vocab);
    EXPECT_EQ(config->context, known.context);
    EXPECT_EQ(config->tied_head, known.tied);
    EXPECT_EQ(config->position, PositionKind::kRopeNeighbours);
  }
}

}  // namespace
}  // namespace plumbline
