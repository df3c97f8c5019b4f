// Synthetic models: the shapes that their names give, and the values that are drawn.
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tensor_sources.h"

namespace plumbline::synthetic_source_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SyntheticNameTest, PresetsHaveTheShapesPromised) {
  struct Preset {
    const char* name;
    const char* architecture;
    int width, heads, kv_heads, layers, ffn, vocab;
  };
  const Preset presets[] = {
      {"gpt2-small", "gpt2", 768, 12, 12, 12, 3072, 50257},
      {"gpt2-medium", "gpt2", 1024, 16, 16, 24, 4096, 50257},
      {"gpt2-large", "gpt2", 1280, 20, 20, 36, 5120, 50257},
      {"13b", "gpt2", 5120, 40, 40, 40, 20480, 50257},
      {"llama-7b", "llama", 4096, 32, 32, 32, 11008, 32000},
      {"tinyllama-1.1b", "llama", 2048, 32, 4, 22, 5632, 32000},
      {"llama-160m", "llama", 768, 12, 12, 12, 3072, 32000},
  };
  for (const Preset& preset : presets) {
    const auto source = OpenSource(absl::StrCat("synthetic:", preset.name));
    ASSERT_NE(source, nullptr);
    const ModelConfig& config = source->config();
    EXPECT_EQ(config.architecture, preset.architecture);
    EXPECT_EQ(config.width, preset.width);
    EXPECT_EQ(config.heads, preset.heads);
    EXPECT_EQ(config.kv_heads, preset.kv_heads);
    EXPECT_EQ(config.layers, preset.layers);
    EXPECT_EQ(config.ffn, preset.ffn);
    EXPECT_EQ(config.vocab, preset.vocab);
    EXPECT_EQ(config.context, 32768);
    const bool gpt2 = config.architecture == "gpt2";
    EXPECT_EQ(config.tied_head, gpt2);
    EXPECT_EQ(config.linear_bias, gpt2);
    EXPECT_EQ(config.qkv_bias, gpt2);
    EXPECT_EQ(config.rope_dims, gpt2 ? 0 : config.head_dim);
    EXPECT_TRUE(config.Validate().ok());
  }
}

TEST(SyntheticNameTest, KeysChangeTheShape) {
  const auto source = OpenSource(
      "synthetic:tinyllama-1.1b,layers=3,heads=8,kv_heads=1,ffn=100,vocab=256,context=9,width=128,"
      "seed=18446744073709551615");
  ASSERT_NE(source, nullptr);
  const ModelConfig& config = source->config();
  EXPECT_EQ(config.layers, 3);
  EXPECT_EQ(config.heads, 8);
  EXPECT_EQ(config.kv_heads, 1);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.ffn, 100);
  EXPECT_EQ(config.vocab, 256);
  EXPECT_EQ(config.context, 9);
  EXPECT_EQ(config.width, 128);
}

TEST(SyntheticNameTest, WhatIsNotGivenFollows) {
  const auto source = OpenSource("synthetic:gpt2-small,width=64,heads=4");
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->config().ffn, 256) << "four times the width";
  EXPECT_EQ(source->config().kv_heads, 4) << "one for each head, as before";
}

TEST(SyntheticNameTest, BadNamesAreNamed) {
  struct Case {
    const char* model;
    const char* text;
  };
  const Case cases[] = {
      {"synthetic:", "use one of gpt2-small, gpt2-medium"},
      {"synthetic:gpt3", "\"gpt3\" is no synthetic model"},
      {"synthetic:gpt2-small,", "\"\" is no key"},
      {"synthetic:gpt2-small,depth=3", "\"depth=3\" is no key"},
      {"synthetic:gpt2-small,depth=3", "layers, heads, kv_heads, ffn, vocab, context, width, seed"},
      {"synthetic:gpt2-small,layers", "key layers of the synthetic model is \"\""},
      {"synthetic:gpt2-small,layers=0", "\"0\""},
      {"synthetic:gpt2-small,layers=-1", "\"-1\""},
      {"synthetic:gpt2-small,layers=2.5", "\"2.5\""},
      {"synthetic:gpt2-small,layers=99999999999999999999", "\"99999999999999999999\""},
      {"synthetic:gpt2-small,layers=2147483647", "layers is 2147483647"},
      {"synthetic:gpt2-small,width=2147483640", "width is 2147483640"},
      {"synthetic:gpt2-small,layers=1,layers=1", "given twice"},
      {"synthetic:gpt2-small,seed=1,seed=1", "given twice"},
      {"synthetic:gpt2-small,seed=-1", "key seed"},
      {"synthetic:gpt2-small,heads=7", "must divide the width (768)"},
      {"synthetic:gpt2-small,kv_heads=5", "kv_heads is 5 but must divide heads (12)"},
      {"synthetic:tinyllama-1.1b,heads=2", "kv_heads is 4 but must divide heads (2)"},
      {"synthetic:gpt2-small,vocab=255", "at least 256"},
      {"synthetic:llama-160m,width=60,heads=4", "rope_dims is 15"},
  };
  for (const Case& bad : cases) {
    const auto source = OpenModel(bad.model);
    EXPECT_EQ(source.status().code(), absl::StatusCode::kInvalidArgument) << bad.model;
    EXPECT_THAT(std::string(source.status().message()), HasSubstr(bad.text));
  }
}

TEST(SyntheticSourceTest, RefusesOtherShapes) {
  const auto source = OpenSource(kTinyLlama);
  ASSERT_NE(source, nullptr);
  std::vector<float> row(96);
  EXPECT_EQ(source->ReadRows({"blk.0.ffn_down.weight", 96, 64}, 0, 1, row.data()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(source->ReadRows({"blk.0.attn_qkv.weight", 96, 64}, 0, 1, row.data()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(source->Has("blk.1.attn_q.weight"));
  EXPECT_FALSE(source->Has("blk.2.attn_q.weight"));
  EXPECT_FALSE(source->Has("blk.0.attn_q.bias"));
}

// Worked out apart from the engine, in whole numbers: a change here is a change of every synthetic
// model.
TEST(SyntheticSourceTest, ValuesAreFixed) {
  const auto source = OpenSource(kTinyLlama);
  ASSERT_NE(source, nullptr);
  std::vector<float> row(64);
  ASSERT_TRUE(source->ReadRows({"blk.1.attn_q.weight", 64, 64}, 5, 1, row.data()).ok());
  std::vector<uint32_t> bits(4);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = std::bit_cast<uint32_t>(row[i]);
  EXPECT_THAT(bits, ElementsAre(0x3D850000U, 0xBB710000U, 0xBE560000U, 0x3DED0000U));
}

TEST(SyntheticSourceTest, ValuesDependOnSeedNameAndPlaceAlone) {
  const auto source = OpenSource(kTinyLlama);
  const auto again = OpenSource(absl::StrCat(kTinyLlama, ",seed=0"));
  const auto other = OpenSource(absl::StrCat(kTinyLlama, ",seed=1"));
  ASSERT_TRUE(source != nullptr && again != nullptr && other != nullptr);
  std::set<std::vector<float>> firsts;
  for (const TensorShape& shape : ExpectedTensors(source->config())) {
    const std::vector<float> whole = ReadTensor(*source, shape);
    EXPECT_EQ(whole, ReadTensor(*again, shape)) << shape.name;
    EXPECT_NE(whole, ReadTensor(*other, shape)) << shape.name;
    std::vector<float> pieces(whole.size());
    for (int64_t row = shape.rows - 1; row >= 0; --row) {
      float* out = pieces.data() + row * shape.row_elements;
      ASSERT_TRUE(source->ReadRows(shape, row, 1, out).ok());
    }
    EXPECT_EQ(whole, pieces) << shape.name;
    EXPECT_TRUE(firsts.insert({whole.begin(), whole.begin() + 32}).second) << shape.name;
  }
}

struct Moments {
  double mean = 0;
  double variance = 0;
  double neighbours = 0;  // correlation of each value with the next
};

Moments MomentsOf(const std::vector<float>& values) {
  Moments moments;
  const auto count = static_cast<double>(values.size());
  for (const float value : values) moments.mean += value / count;
  for (const float value : values) {
    moments.variance += (value - moments.mean) * (value - moments.mean) / count;
  }
  for (size_t i = 1; i < values.size(); ++i) {
    moments.neighbours +=
        (values[i] - moments.mean) * (values[i - 1] - moments.mean) / (count * moments.variance);
  }
  return moments;
}

// Bounds are five standard errors; the kurtosis of a sum of four uniforms is 3 - 1.2 / 4 = 2.7, so
// a sample variance over n values has the relative deviation sqrt(1.7 / n). Rounding to bfloat16
// (at most 2^-9 of a value, to both sides) adds less than 2^-17 of the variance.
void ExpectMoments(const std::vector<float>& values, double mean, double deviation) {
  const auto count = static_cast<double>(values.size());
  const Moments moments = MomentsOf(values);
  const double rounding = std::ldexp(std::abs(mean) + deviation, -9);
  EXPECT_NEAR(moments.mean, mean, 5 * (deviation + rounding) / std::sqrt(count));
  const double variance = deviation * deviation;
  EXPECT_NEAR(moments.variance, variance,
              variance * (5 * std::sqrt(1.7 / count) + std::ldexp(1, -17)) + rounding * rounding);
  EXPECT_NEAR(moments.neighbours, 0, 5 / std::sqrt(count));
}

TEST(SyntheticSourceTest, ValuesAreSpreadAsPromised) {
  const auto source = OpenSource("synthetic:llama-160m,layers=1,vocab=512");
  ASSERT_NE(source, nullptr);
  ExpectMoments(ReadTensor(*source, {"token_embd.weight", 512, 768}), 0, 1);
  ExpectMoments(ReadTensor(*source, {"blk.0.attn_q.weight", 768, 768}), 0, 1 / std::sqrt(768.0));
  ExpectMoments(ReadTensor(*source, {"blk.0.ffn_down.weight", 768, 3072}), 0,
                1 / std::sqrt(3072.0));
  ExpectMoments(ReadTensor(*source, {"blk.0.ffn_norm.weight", 1, 768}), 1, 1.0 / 16);
  const auto gpt2 = OpenSource("synthetic:gpt2-small,layers=1,vocab=512,context=512");
  ASSERT_NE(gpt2, nullptr);
  // A tied embedding is drawn as the head that it is, too.
  ExpectMoments(ReadTensor(*gpt2, {"token_embd.weight", 512, 768}), 0, 1 / std::sqrt(768.0));
  ExpectMoments(ReadTensor(*gpt2, {"blk.0.ffn_up.bias", 1, 3072}), 0, 1.0 / 16);
}

TEST(SyntheticSourceTest, RowsDifferAndValuesAreBfloat16) {
  const auto source = OpenSource("synthetic:gpt2-small,layers=1,vocab=4096");
  ASSERT_NE(source, nullptr);
  const TensorShape shape = {"token_embd.weight", 4096, 768};
  const std::vector<float> values = ReadTensor(*source, shape);
  std::set<std::vector<float>> starts;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const auto begin = values.begin() + row * shape.row_elements;
    EXPECT_TRUE(starts.insert({begin, begin + 16}).second) << "row " << row;
  }
  for (const float value : values) ASSERT_EQ(std::bit_cast<uint32_t>(value) & 0xFFFFU, 0U);
  // The next row lies one row on: nothing is shared between neighbours above one another either.
  double product = 0;
  double square = 0;
  for (size_t i = 0; i + 768 < values.size(); ++i) {
    product += static_cast<double>(values[i]) * values[i + 768];
    square += static_cast<double>(values[i]) * values[i];
  }
  EXPECT_LT(std::abs(product / square), 5 / std::sqrt(static_cast<double>(values.size())));
}

}  // namespace
}  // namespace plumbline::synthetic_source_test
