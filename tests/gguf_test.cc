// What the parser gives back of good files, and the typed look-ups.
#include "engine/gguf.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/gguf_bytes.h"

namespace plumbline::gguf_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A key of every value type, and arrays of them; type numbers as in the format.
std::string AllValues(uint32_t version) {
  GgufBytes bytes = GgufBytes().Header(0, 20, version);
  bytes.Key("u8", 0).U8(255).Key("i8", 1).Number(int8_t{-128});
  bytes.Key("u16", 2).Number(uint16_t{65535}).Key("i16", 3).Number(int16_t{-32768});
  bytes.Key("u32", 4).U32(4294967295).Key("i32", 5).Number(int32_t{-2147483647});
  bytes.Key("f32", 6).Number(0.1F).Key("yes", 7).U8(1).Key("no", 7).U8(0);
  bytes.Key("text", 8).String(absl::string_view("a\0b\xC3\xA9", 5)).Key("empty", 8).String("");
  bytes.Key("u64", 10).U64((uint64_t{1} << 63) - 1).Key("i64", 11).Number(int64_t{-1} << 63);
  bytes.Key("f64", 12).Number(0.1);
  bytes.ArrayKey("texts", 8, 3).String("x").String("").String("zz");
  bytes.ArrayKey("u8s", 0, 3).U8(0).U8(127).U8(255);
  bytes.ArrayKey("i16s", 3, 2).Number(int16_t{-1}).Number(int16_t{7});
  bytes.ArrayKey("u64s", 10, 2).U64(1).U64((uint64_t{1} << 63) - 1);
  bytes.ArrayKey("f64s", 12, 2).Number(0.5).Number(-1e30);
  bytes.ArrayKey("none", 5, 0);
  return bytes;
}

class AllValuesTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(AllValuesTest, ComeBack) {
  const ParsedGguf parsed = ParseGguf(AllValues(GetParam()), "values.gguf");
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const GgufFile& file = **parsed.file;
  EXPECT_EQ(file.version(), GetParam());
  EXPECT_EQ(file.name(), "values.gguf");
  EXPECT_EQ(file.file_bytes(), static_cast<int64_t>(AllValues(GetParam()).size()));
  EXPECT_EQ(*file.GetInt("u8"), 255);
  EXPECT_EQ(*file.GetInt("i8"), -128);
  EXPECT_EQ(*file.GetInt("u16"), 65535);
  EXPECT_EQ(*file.GetInt("i16"), -32768);
  EXPECT_EQ(*file.GetInt("u32"), 4294967295);
  EXPECT_EQ(*file.GetInt("i32"), -2147483647);
  EXPECT_EQ(*file.GetInt("u64"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(*file.GetInt("i64"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*file.GetFloat("f32"), static_cast<double>(0.1F));
  EXPECT_EQ(*file.GetFloat("f64"), 0.1);
  EXPECT_TRUE(*file.GetBool("yes"));
  EXPECT_FALSE(*file.GetBool("no"));
  EXPECT_EQ(*file.GetString("text"), absl::string_view("a\0b\xC3\xA9", 5));
  EXPECT_EQ(*file.GetString("empty"), "");
  EXPECT_THAT(*file.GetStrings("texts"), ElementsAre("x", "", "zz"));
  EXPECT_THAT(*file.GetInts("u8s"), ElementsAre(0, 127, 255));
  EXPECT_THAT(*file.GetInts("i16s"), ElementsAre(-1, 7));
  EXPECT_THAT(*file.GetInts("u64s"), ElementsAre(1, std::numeric_limits<int64_t>::max()));
  EXPECT_THAT(*file.GetFloats("f64s"), ElementsAre(0.5F, -1e30F));
  EXPECT_THAT(*file.GetInts("none"), IsEmpty());
  EXPECT_TRUE(file.Has("none"));
  EXPECT_FALSE(file.Has("nothing"));
  EXPECT_THAT(file.tensors(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Versions, AllValuesTest, ::testing::Values(2, 3));

// Every getter on every key of AllValues: OK exactly where the type suits, else a sentence.
TEST(GgufLookUpTest, WrongTypesAreSentences) {
  const ParsedGguf parsed = ParseGguf(AllValues(3));
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const GgufFile& file = **parsed.file;
  struct Case {
    const char* keys;  // between blanks
    std::function<absl::Status(const std::string&)> get;
    const char* wanted;
  };
  const Case cases[] = {
      {" u8 i8 u16 i16 u32 i32 u64 i64 ", [&](const auto& k) { return file.GetInt(k).status(); },
       "needs an integer but has"},
      {" f32 f64 ", [&](const auto& k) { return file.GetFloat(k).status(); },
       "needs a float32 or float64 but has"},
      {" yes no ", [&](const auto& k) { return file.GetBool(k).status(); }, "needs a bool but has"},
      {" text empty ", [&](const auto& k) { return file.GetString(k).status(); },
       "needs a string but has"},
      {" texts ", [&](const auto& k) { return file.GetStrings(k).status(); },
       "needs an array of strings but has"},
      {" u8s i16s u64s none ", [&](const auto& k) { return file.GetInts(k).status(); },
       "needs an array of integers but has"},
      {" f64s ", [&](const auto& k) { return file.GetFloats(k).status(); },
       "needs an array of float32 or float64 but has"},
  };
  const char* keys[] = {"u8",    "i8",  "u16",  "i16",   "u32",  "i32", "f32",
                        "yes",   "no",  "text", "empty", "u64",  "i64", "f64",
                        "texts", "u8s", "i16s", "u64s",  "f64s", "none"};
  for (const Case& c : cases) {
    for (const std::string key : keys) {
      const absl::Status status = c.get(key);
      if (absl::StrCat(c.keys).find(" " + key + " ") != std::string::npos) {
        EXPECT_TRUE(status.ok()) << status;
        continue;
      }
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << key;
      EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("'", key, "' ", c.wanted)));
      EXPECT_TRUE(IsOneSentence(status, "test.gguf"));
    }
    const absl::Status missing = c.get("nothing");
    EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE(IsOneSentence(missing, "test.gguf"));
  }
}

TEST(GgufLookUpTest, WrongTypesAreNamed) {
  const ParsedGguf parsed = ParseGguf(AllValues(3));
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  EXPECT_THAT(std::string((*parsed.file)->GetInt("f64").status().message()),
              HasSubstr("but has a value of type float64;"));
  EXPECT_THAT(std::string((*parsed.file)->GetString("u8s").status().message()),
              HasSubstr("but has an array of uint8;"));
  EXPECT_THAT(std::string((*parsed.file)->GetInts("u8").status().message()),
              HasSubstr("but has a value of type uint8;"));
}

TEST(GgufLookUpTest, ValuesOutOfRangeAreSentences) {
  const float inf = std::numeric_limits<float>::infinity();
  const ParsedGguf parsed = ParseGguf(GgufBytes()
                                          .Header(0, 7)
                                          .Key("u64", 10)
                                          .U64(uint64_t{1} << 63)
                                          .ArrayKey("u64s", 10, 2)
                                          .U64(1)
                                          .U64(~uint64_t{0})
                                          .Key("inf", 6)
                                          .Number(inf)
                                          .Key("nan", 12)
                                          .Number(std::nan(""))
                                          .ArrayKey("infs", 6, 3)
                                          .Number(0.0F)
                                          .Number(0.0F)
                                          .Number(-inf)
                                          .ArrayKey("nans", 6, 1)
                                          .Number(std::nanf(""))
                                          .ArrayKey("wide", 12, 1)
                                          .Number(1e39));
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const GgufFile& file = **parsed.file;
  const std::pair<absl::Status, const char*> cases[] = {
      {file.GetInt("u64").status(), "but has 9223372036854775808"},
      {file.GetInts("u64s").status(), "value number 1, needs an integer up to"},
      {file.GetFloat("inf").status(), "needs a finite number but has inf"},
      {file.GetFloat("nan").status(), "needs a finite number but has nan"},
      {file.GetFloats("infs").status(), "'infs', value number 2, needs a finite number"},
      {file.GetFloats("nans").status(), "but has nan"},
      {file.GetFloats("wide").status(), "that fits a float32 but has 1e+39"},
  };
  for (const auto& [status, expected] : cases) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected));
    EXPECT_TRUE(IsOneSentence(status, "test.gguf"));
  }
}

// Tensors 'b' and 'a', F32 [4, 3, 2] and Q8_0 [32], data against file order with a gap between.
std::string TwoTensors(uint32_t version, uint32_t alignment) {
  constexpr uint64_t kFirst = 34;
  const uint64_t second = (kFirst + alignment - 1) / alignment * alignment + alignment;
  GgufBytes bytes = GgufBytes().Header(2, 1, version).Key("general.alignment", 4).U32(alignment);
  bytes.Tensor("b", {4, 3, 2}, 0, second).Tensor("a", {32}, 8, 0).PadTo(alignment);
  bytes.Fill(kFirst, 0x22).Fill(second - kFirst, 0x33);
  for (int i = 0; i < 24; ++i) bytes.Number(static_cast<float>(i));
  return bytes;
}

class TensorTest : public ::testing::TestWithParam<std::tuple<uint32_t, uint32_t>> {};

TEST_P(TensorTest, DescriptionAndBytesComeBack) {
  const auto [version, alignment] = GetParam();
  const ParsedGguf parsed = ParseGguf(TwoTensors(version, alignment));
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const GgufFile& file = **parsed.file;
  ASSERT_EQ(file.tensors().size(), 2U);
  const GgufTensor& b = file.tensors()[0];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.type, TensorType::kF32);
  EXPECT_THAT(b.dims, ElementsAre(4, 3, 2));
  EXPECT_EQ(b.row_elements(), 4);
  EXPECT_EQ(b.rows(), 6);
  ASSERT_EQ(b.data.size(), 96U);
  float values[24];
  DequantizeRow(b.type, b.data.data(), 24, values);
  for (int i = 0; i < 24; ++i) EXPECT_EQ(values[i], static_cast<float>(i));
  const GgufTensor* a = file.FindTensor("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->rows(), 1);
  ASSERT_EQ(a->data.size(), 34U);
  for (const std::byte byte : a->data) EXPECT_EQ(byte, std::byte{0x22});
  EXPECT_EQ(file.FindTensor("b"), &b);
  EXPECT_EQ(file.FindTensor("c"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(VersionsAndAlignments, TensorTest,
                         ::testing::Combine(::testing::Values(2, 3),
                                            ::testing::Values(1, 2, 32, 64, 4096)));

TEST(GgufReadTest, CopiesAnyBytesOfATensor) {
  constexpr size_t kBytes = 1 << 16;
  const std::string bytes =
      GgufBytes().Header(1, 0).Tensor("t", {kBytes / 4}, 0, 0).PadTo(32).Fill(kBytes, 0x44);
  const std::string path =
      absl::StrCat(::testing::TempDir(), "/gguf_test_", getpid(), "_read.gguf");
  std::ofstream(path, std::ios::binary) << bytes;
  const auto opened = GgufFile::Open(path);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const ParsedGguf parsed = ParseGguf(bytes);
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  for (const GgufFile* file : {opened->get(), parsed.file->get()}) {
    const absl::Span<const std::byte> data = file->FindTensor("t")->data;
    for (const auto& part : {data, data.subspan(5000, 20000), data.subspan(7, 1),
                             data.subspan(0, 0), absl::Span<const std::byte>()}) {
      std::vector<std::byte> out(part.size() + 1, std::byte{0x55});
      ASSERT_TRUE(file->Read(part, out.data()).ok());
      EXPECT_EQ(absl::MakeConstSpan(out).first(part.size()), part);
      EXPECT_EQ(out.back(), std::byte{0x55});
      file->Release(part);
    }
    for (const std::byte byte : data) ASSERT_EQ(byte, std::byte{0x44});
  }
  // Bytes of someone else are left alone (dropped anonymous memory would read as zeros).
  (*opened)->Release(absl::MakeConstSpan(parsed.bytes.get(), bytes.size()));
  ASSERT_EQ(parsed.bytes[bytes.size() - 1], std::byte{0x44});
  unlink(path.c_str());
}

std::vector<std::string> SharedFiles() {
  std::vector<std::string> paths;
  std::error_code error;
  const std::filesystem::path root = std::string(PLUMBLINE_SOURCE_DIR) + "/../shared";
  for (auto entry = std::filesystem::recursive_directory_iterator(root, error);
       !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".gguf") paths.push_back(entry->path().string());
  }
  return paths;
}

TEST(GgufSharedFilesTest, VocabulariesAndTensorsRead) {
  const std::vector<std::string> paths = SharedFiles();
  if (paths.empty()) GTEST_SKIP() << "there is no ../shared with GGUF files";
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE((*file)->GetString("general.architecture").ok());
    const auto tokens = (*file)->GetStrings("tokenizer.ggml.tokens");
    ASSERT_TRUE(tokens.ok()) << tokens.status();
    EXPECT_GT(tokens->size(), 0U);
    const auto types = (*file)->GetInts("tokenizer.ggml.token_type");
    ASSERT_TRUE(types.ok()) << types.status();
    EXPECT_EQ(types->size(), tokens->size());
    for (const GgufTensor& tensor : (*file)->tensors()) {
      std::vector<float> values(static_cast<size_t>(tensor.rows() * tensor.row_elements()));
      DequantizeRow(tensor.type, tensor.data.data(), static_cast<int64_t>(values.size()),
                    values.data());
      for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << tensor.name;
    }
  }
}

}  // namespace
}  // namespace plumbline::gguf_test
