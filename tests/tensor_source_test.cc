#include "engine/tensor_source.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tiny_gguf.h"
#include "tools/synth.h"

namespace plumbline {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTinyLlama[] =
    "synthetic:llama-160m,layers=2,width=64,heads=4,kv_heads=2,ffn=96,vocab=300,context=64";
constexpr char kTinyGpt2[] =
    "synthetic:gpt2-small,layers=2,width=64,heads=4,ffn=96,vocab=300,context=64,seed=7";

std::unique_ptr<TensorSource> Open(const std::string& model) {
  auto source = OpenModel(model);
  EXPECT_TRUE(source.ok()) << source.status();
  return source.ok() ? *std::move(source) : nullptr;
}

std::vector<float> ReadAll(const TensorSource& source, const TensorShape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.rows * shape.row_elements));
  const absl::Status status = source.ReadRows(shape, 0, shape.rows, values.data());
  EXPECT_TRUE(status.ok()) << status;
  return values;
}

// The process is part of the name: the runner starts several tests of this file at once.
std::string WriteTemp(const std::string& name, const TinyGguf& tiny) {
  std::string path = absl::StrCat(::testing::TempDir(), getpid(), "_", name);
  std::ofstream(path, std::ios::binary) << tiny.Serialize();
  return path;
}

// What opening a file like this says.
std::string OpenError(const TinyGguf& tiny) {
  const std::string path = WriteTemp("tensor_source_error.gguf", tiny);
  const auto source = OpenModel(path);
  std::filesystem::remove(path);
  EXPECT_EQ(source.status().code(), absl::StatusCode::kInvalidArgument) << source.status();
  return std::string(source.status().message());
}

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
      {"tinyllama-1.1b", "llama", 2048, 32, 4, 22, 5632, 32000},
      {"llama-160m", "llama", 768, 12, 12, 12, 3072, 32000},
  };
  for (const Preset& preset : presets) {
    const auto source = Open(absl::StrCat("synthetic:", preset.name));
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
  const auto source = Open(
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
  const auto source = Open("synthetic:gpt2-small,width=64,heads=4");
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

TEST(OpenModelTest, OtherNamesAreFiles) {
  EXPECT_TRUE(IsSyntheticName("synthetic:x"));
  EXPECT_FALSE(IsSyntheticName("synthetic"));
  EXPECT_FALSE(IsSyntheticName("model.gguf"));
  EXPECT_EQ(OpenModel("no-such-file.gguf").status().code(), absl::StatusCode::kNotFound);
}

class TinyFileTest : public ::testing::TestWithParam<const char*> {};

// The list is the one spelled out in the helper, in another order.
TEST_P(TinyFileTest, ExpectedTensorsAreThoseOfTheFormat) {
  const TinyGguf tiny = MakeTinyGguf(GetParam());
  const std::string path = WriteTemp(absl::StrCat("tensor_source_", GetParam(), ".gguf"), tiny);
  const auto source = Open(path);
  std::filesystem::remove(path);
  ASSERT_NE(source, nullptr);
  std::map<std::string, std::vector<int64_t>> expected;
  for (const TensorShape& shape : ExpectedTensors(source->config())) {
    std::vector<int64_t> dims = {shape.row_elements};
    if (shape.rows != 1) dims.push_back(shape.rows);
    EXPECT_TRUE(expected.emplace(shape.name, dims).second) << shape.name << " is listed twice";
    EXPECT_TRUE(source->Has(shape.name));
    EXPECT_EQ(source->StoredType(shape.name), "f32");
  }
  std::map<std::string, std::vector<int64_t>> written;
  for (const auto& [name, tensor] : tiny.tensors) written.emplace(name, tensor.dims);
  EXPECT_EQ(expected, written);
}

TEST_P(TinyFileTest, EachMissingOrMisshapenTensorIsNamed) {
  const TinyGguf whole = MakeTinyGguf(GetParam());
  for (const auto& [name, tensor] : whole.tensors) {
    // Without these the model is another one, not a broken one.
    const bool optional = name == "output.weight" || name == "blk.0.attn_q.bias";
    TinyGguf tiny = whole;
    tiny.tensors.erase(name);
    if (!optional) {
      EXPECT_THAT(OpenError(tiny), HasSubstr(absl::StrCat(name, " is missing")));
    }
    tiny = whole;
    tiny.tensors[name].dims[0] += 1;
    const std::string message = OpenError(tiny);
    EXPECT_THAT(message, AllOf(HasSubstr(absl::StrCat("tensor ", name, " must have the shape [",
                                                      absl::StrJoin(tensor.dims, ", "), "]")),
                               HasSubstr(absl::StrCat("has [", tensor.dims[0] + 1))));
    tiny = whole;
    tiny.tensors[name].dims.resize(2, 1);
    tiny.tensors[name].dims.push_back(2);
    EXPECT_THAT(OpenError(tiny), HasSubstr(name));
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, TinyFileTest, ::testing::Values("llama", "qwen2", "gpt2"));

TEST(GgufSourceTest, TensorsThatWouldChangeTheOutputAreAnError) {
  for (const char* name : {"blk.0.ffn_gate_inp.weight", "blk.1.attn_output.bias",
                           "blk.2.attn_norm.weight", "output.bias", "rope_factors_long.weight"}) {
    TinyGguf tiny = MakeTinyGguf("llama");
    tiny.tensors[name] = {{64}};
    EXPECT_THAT(OpenError(tiny), HasSubstr(name));
  }
  TinyGguf tiny = MakeTinyGguf("llama");
  tiny.tensors["cls.weight"] = {{64}};
  tiny.tensors["rope_freqs.weight"] = {{8}, TensorType::kF32, 1.0F};
  const std::string path = WriteTemp("tensor_source_extra.gguf", tiny);
  const auto source = Open(path);
  std::filesystem::remove(path);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->config().rope_factors.size(), 8U);
}

TEST(GgufSourceTest, ReadsAnyRows) {
  const std::string path = WriteTemp("tensor_source_rows.gguf", MakeTinyGguf("llama"));
  const auto source = Open(path);
  std::filesystem::remove(path);
  ASSERT_NE(source, nullptr);
  std::vector<float> rows(2 * 96);
  ASSERT_TRUE(source->ReadRows({"blk.1.ffn_down.weight", 64, 96}, 3, 2, rows.data()).ok());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i], 0.5F + static_cast<float>((3 * 96 + i) % 7));
  }
  source->Release("blk.1.ffn_down.weight");
  source->Release("none");
  EXPECT_FALSE(source->ReadRows({"blk.1.ffn_down.weight", 96, 64}, 0, 1, rows.data()).ok());
  EXPECT_FALSE(source->ReadRows({"none", 1, 64}, 0, 1, rows.data()).ok());
  EXPECT_FALSE(source->Has("none"));
  EXPECT_EQ(source->StoredType("none"), "");
}

TEST(SyntheticSourceTest, RefusesOtherShapes) {
  const auto source = Open(kTinyLlama);
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
  const auto source = Open(kTinyLlama);
  ASSERT_NE(source, nullptr);
  std::vector<float> row(64);
  ASSERT_TRUE(source->ReadRows({"blk.1.attn_q.weight", 64, 64}, 5, 1, row.data()).ok());
  std::vector<uint32_t> bits(4);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = std::bit_cast<uint32_t>(row[i]);
  EXPECT_THAT(bits, ElementsAre(0x3D850000U, 0xBB710000U, 0xBE560000U, 0x3DED0000U));
}

TEST(SyntheticSourceTest, ValuesDependOnSeedNameAndPlaceAlone) {
  const auto source = Open(kTinyLlama);
  const auto again = Open(absl::StrCat(kTinyLlama, ",seed=0"));
  const auto other = Open(absl::StrCat(kTinyLlama, ",seed=1"));
  ASSERT_TRUE(source != nullptr && again != nullptr && other != nullptr);
  std::set<std::vector<float>> firsts;
  for (const TensorShape& shape : ExpectedTensors(source->config())) {
    const std::vector<float> whole = ReadAll(*source, shape);
    EXPECT_EQ(whole, ReadAll(*again, shape)) << shape.name;
    EXPECT_NE(whole, ReadAll(*other, shape)) << shape.name;
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
  const auto source = Open("synthetic:llama-160m,layers=1,vocab=512");
  ASSERT_NE(source, nullptr);
  ExpectMoments(ReadAll(*source, {"token_embd.weight", 512, 768}), 0, 1);
  ExpectMoments(ReadAll(*source, {"blk.0.attn_q.weight", 768, 768}), 0, 1 / std::sqrt(768.0));
  ExpectMoments(ReadAll(*source, {"blk.0.ffn_down.weight", 768, 3072}), 0, 1 / std::sqrt(3072.0));
  ExpectMoments(ReadAll(*source, {"blk.0.ffn_norm.weight", 1, 768}), 1, 1.0 / 16);
  const auto gpt2 = Open("synthetic:gpt2-small,layers=1,vocab=512,context=512");
  ASSERT_NE(gpt2, nullptr);
  // A tied embedding is drawn as the head that it is, too.
  ExpectMoments(ReadAll(*gpt2, {"token_embd.weight", 512, 768}), 0, 1 / std::sqrt(768.0));
  ExpectMoments(ReadAll(*gpt2, {"blk.0.ffn_up.bias", 1, 3072}), 0, 1.0 / 16);
}

TEST(SyntheticSourceTest, RowsDifferAndValuesAreBfloat16) {
  const auto source = Open("synthetic:gpt2-small,layers=1,vocab=4096");
  ASSERT_NE(source, nullptr);
  const TensorShape shape = {"token_embd.weight", 4096, 768};
  const std::vector<float> values = ReadAll(*source, shape);
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

// How far a stored type may move the values of one block of 32.
struct Bound {
  std::string type;
  bool vector = false;

  double Of(double value, double extreme) const {
    if (vector || type == "f32" || type == "bf16") return 0;
    // Half a unit of a half's eleven bits, or of its subnormals; a bfloat16 has eight bits, so
    // from 2^-17 up nothing is lost.
    if (type == "f16") return std::abs(value) >= 0x1p-17 ? 0 : 0x1p-25;
    const double scale_error = 0x1p-11;  // the block's scale is itself a half
    const double float_error = 0x1p-18;  // of a step: quantising computes in float
    if (type == "q8_0") {
      const double step = std::abs(extreme) / 127;
      return step * (0.5 + 127 * scale_error + float_error);
    }
    // Q4_0 has 8 steps on the side of the extreme value and 7 on the other, where it is cut.
    const double step = std::abs(extreme) / 8;
    const double steps = extreme == 0 ? 0 : -value / (extreme / 8);
    return step * (std::max(0.5, steps - 7) + 8 * scale_error + float_error);
  }
};

class ExportTest : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(ExportTest, FileHasTheValuesInMemory) {
  const auto [model, type] = GetParam();
  const std::string path =
      absl::StrCat(::testing::TempDir(), "tensor_source_export_",
                   std::string(model) == kTinyGpt2 ? "gpt2" : "llama", "_", type, ".gguf");
  const absl::Status written =
      RunSynth({.model = model, .output = path, .type = type, .progress = {}});
  ASSERT_TRUE(written.ok()) << written;
  const auto memory = Open(model);
  const auto file = Open(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(memory != nullptr && file != nullptr);
  int64_t moved = 0;
  for (const TensorShape& shape : ExpectedTensors(memory->config())) {
    const bool vector = shape.rows == 1;
    EXPECT_EQ(file->StoredType(shape.name), vector ? "f32" : type) << shape.name;
    const std::vector<float> wanted = ReadAll(*memory, shape);
    const std::vector<float> had = ReadAll(*file, shape);
    for (size_t begin = 0; begin < wanted.size(); begin += 32) {
      double extreme = 0;
      for (size_t i = begin; i < begin + 32; ++i) {
        if (std::abs(wanted[i]) > std::abs(extreme)) extreme = wanted[i];
      }
      for (size_t i = begin; i < begin + 32; ++i) {
        const double error = std::abs(static_cast<double>(had[i]) - wanted[i]);
        ASSERT_LE(error, (Bound{type, vector}.Of(wanted[i], extreme))) << shape.name << " " << i;
        if (error != 0) ++moved;
      }
    }
  }
  const bool rounds = std::string(type) == "q8_0" || std::string(type) == "q4_0";
  EXPECT_EQ(moved > 0, rounds || std::string(type) == "f16") << "the type must have been used";
}

INSTANTIATE_TEST_SUITE_P(Types, ExportTest,
                         ::testing::Combine(::testing::Values(kTinyLlama, kTinyGpt2),
                                            ::testing::Values("bf16", "f32", "f16", "q8_0",
                                                              "q4_0")));

TEST(GgufSourceTest, OpensRealFiles) {
  for (const char* name : {"stories260K.gguf", "toy/toy-shakespeare.gguf"}) {
    const std::string path = std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/models/" + name;
    if (!std::ifstream(path)) GTEST_SKIP() << name << " is not here";
    const auto source = Open(path);
    ASSERT_NE(source, nullptr);
    for (const TensorShape& shape : ExpectedTensors(source->config())) {
      for (const float value : ReadAll(*source, shape)) {
        ASSERT_TRUE(std::isfinite(value)) << shape.name;
      }
    }
    const auto tokenizer = source->MakeTokenizer();
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ((*tokenizer)->vocab_size(), source->config().vocab);
  }
}

}  // namespace
}  // namespace plumbline
