#include "engine/model_config.h"

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tiny_gguf.h"

namespace plumbline::model_config_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
  const absl::StatusOr<ModelConfig> config = ReadConfig(MakeTinyGguf("llama"));
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
  const absl::StatusOr<ModelConfig> config = ReadConfig(MakeTinyGguf("qwen2"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->position, PositionKind::kRopeHalves);
  EXPECT_EQ(config->norm, NormKind::kRms);
  EXPECT_TRUE(config->qkv_bias);
  EXPECT_FALSE(config->linear_bias);
  EXPECT_TRUE(config->tied_head);
  EXPECT_FALSE(config->fused_qkv());
}

TEST(ConfigFromGgufTest, ReadsGpt2) {
  const absl::StatusOr<ModelConfig> config = ReadConfig(MakeTinyGguf("gpt2"));
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
  const absl::StatusOr<ModelConfig> config = ReadConfig(tiny);
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
  const absl::StatusOr<ModelConfig> config = ReadConfig(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_dims, 8);
  EXPECT_EQ(config->rope_base, 500000.0);
  EXPECT_EQ(config->rope_scale, 0.25);
  EXPECT_THAT(config->rope_factors, ElementsAre(1, 2, 3, 4));
}

TEST(ConfigFromGgufTest, ReadsTheOlderKeyOfLinearScaling) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.rope.scale_linear"] = 2.0F;
  absl::StatusOr<ModelConfig> config = ReadConfig(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_scale, 0.5);
  tiny.keys["llama.rope.scaling.type"] = std::string("none");
  config = ReadConfig(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_scale, 1.0);
}

TEST(ConfigFromGgufTest, HeadsMayBeWiderThanTheModel) {
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.keys["llama.attention.key_length"] = 32U;
  tiny.keys["llama.attention.value_length"] = 32U;
  const absl::StatusOr<ModelConfig> config = ReadConfig(tiny);
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
  const absl::StatusOr<ModelConfig> config = ReadConfig(tiny);
  EXPECT_TRUE(config.ok()) << config.status();
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
}  // namespace plumbline::model_config_test
