// Weights from GGUF files, and that exported files hold the values drawn in memory.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tensor_sources.h"
#include "tests/support/tiny_gguf.h"
#include "tools/synth.h"

namespace plumbline::gguf_source_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kTinyGpt2[] =
    "synthetic:gpt2-small,layers=2,width=64,heads=4,ffn=96,vocab=300,context=64,seed=7";

// CTest runs the tests of this file at the same time, each in a process of its own.
std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/gguf_source_test_", getpid(), "_", name);
}

std::string WriteTemp(const std::string& name, const TinyGguf& tiny) {
  std::string path = TempPath(name);
  std::ofstream(path, std::ios::binary) << tiny.Serialize();
  return path;
}

// What opening a file like this says.
std::string OpenError(const TinyGguf& tiny) {
  const std::string path = WriteTemp("error.gguf", tiny);
  const auto source = OpenModel(path);
  std::filesystem::remove(path);
  EXPECT_EQ(source.status().code(), absl::StatusCode::kInvalidArgument) << source.status();
  return std::string(source.status().message());
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
  const std::string path = WriteTemp(absl::StrCat("tiny_", GetParam(), ".gguf"), tiny);
  const auto source = OpenSource(path);
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
  const std::string path = WriteTemp("extra.gguf", tiny);
  const auto source = OpenSource(path);
  std::filesystem::remove(path);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->config().rope_factors.size(), 8U);
}

TEST(GgufSourceTest, ReadsAnyRows) {
  const std::string path = WriteTemp("rows.gguf", MakeTinyGguf("llama"));
  const auto source = OpenSource(path);
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
  const std::string path = TempPath(absl::StrCat(
      "export_", std::string(model) == kTinyGpt2 ? "gpt2" : "llama", "_", type, ".gguf"));
  const absl::Status written =
      RunSynth({.model = model, .output = path, .type = type, .progress = {}});
  ASSERT_TRUE(written.ok()) << written;
  const auto memory = OpenSource(model);
  const auto file = OpenSource(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(memory != nullptr && file != nullptr);
  int64_t moved = 0;
  for (const TensorShape& shape : ExpectedTensors(memory->config())) {
    const bool vector = shape.rows == 1;
    EXPECT_EQ(file->StoredType(shape.name), vector ? "f32" : type) << shape.name;
    const std::vector<float> wanted = ReadTensor(*memory, shape);
    const std::vector<float> had = ReadTensor(*file, shape);
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
    const auto source = OpenSource(path);
    ASSERT_NE(source, nullptr);
    for (const TensorShape& shape : ExpectedTensors(source->config())) {
      for (const float value : ReadTensor(*source, shape)) {
        ASSERT_TRUE(std::isfinite(value)) << shape.name;
      }
    }
    const auto tokenizer = source->MakeTokenizer();
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ((*tokenizer)->vocab_size(), source->config().vocab);
  }
}

}  // namespace
}  // namespace plumbline::gguf_source_test
