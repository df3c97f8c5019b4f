// Bad GGUF files: each gives one sentence with the field, what it needed, what it had and the fix.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/gguf_bytes.h"

namespace plumbline {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kHuge = ~uint64_t{0};
constexpr uint32_t kU32 = 4;
constexpr uint32_t kI32 = 5;
constexpr uint32_t kBool = 7;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;
constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;
constexpr uint32_t kQ4 = 2;
constexpr uint32_t kQ8 = 8;

// "FILE: FIELD needs X but has Y; FIX", on one line.
void ExpectSentence(const absl::Status& status, const std::string& file) {
  const std::string message(status.message());
  EXPECT_THAT(message, StartsWith(file + ": "));
  const size_t needs = message.find(" needs ");
  const size_t has = message.find(" but has ");
  const size_t fix = message.find("; ");
  ASSERT_NE(fix, std::string::npos) << message;
  EXPECT_LT(needs, has) << message;
  EXPECT_LT(has, fix) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

struct BadFile {
  std::string name;
  std::function<std::string()> bytes;
  std::string expected;
};

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

class BadFileTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsRefusedInOneSentence) {
  const ParsedGguf parsed = ParseGguf(GetParam().bytes());
  ASSERT_EQ(parsed.file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.file.status().message()), HasSubstr(GetParam().expected));
  ExpectSentence(parsed.file.status(), "test.gguf");
}

std::string NameOf(const ::testing::TestParamInfo<BadFile>& info) { return info.param.name; }

// One key or one tensor, and nothing else.
GgufBytes Keys(uint64_t count = 1) { return GgufBytes().Header(0, count); }
GgufBytes Tensors(uint64_t count = 1) { return GgufBytes().Header(count, 0); }

INSTANTIATE_TEST_SUITE_P(
    Header, BadFileTest,
    ::testing::Values(
        BadFile{"Empty", [] { return std::string(); }, "the magic number needs 4 bytes"},
        BadFile{"WrongMagic", [] { return GgufBytes().Raw("GGML").U32(3).U64(0).U64(0); },
                "the magic number needs to be 'GGUF' but has 'GGML'"},
        BadFile{"MagicWithControlBytes",
                [] { return GgufBytes().Raw("\n\r\x01\xFF").U32(3).U64(0).U64(0); },
                "'\\n\\r\\x01\\xff'"},
        BadFile{"Version0", [] { return GgufBytes().Header(0, 0, 0); },
                "the version needs to be 2 or 3 but has 0"},
        BadFile{"Version1", [] { return GgufBytes().Raw("GGUF").U32(1).U32(0).U32(0); },
                "the version needs to be 2 or 3 but has 1"},
        BadFile{"Version4", [] { return GgufBytes().Header(0, 0, 4); },
                "the version needs to be 2 or 3 but has 4"},
        BadFile{"BigEndian", [] { return GgufBytes().Header(0, 0, 0x03000000); },
                "little-endian fields but has big-endian ones"},
        BadFile{"NoTensorCount", [] { return GgufBytes().Raw("GGUF").U32(3); },
                "the count of tensors needs 8 bytes at byte 8 but has 0"},
        BadFile{"NoKeyCount", [] { return GgufBytes().Raw("GGUF").U32(3).U64(0); },
                "the count of keys needs 8 bytes at byte 16 but has 0"},
        BadFile{"HugeKeyCount", [] { return Keys(kHuge); },
                "the count of keys needs to be at most 0"},
        BadFile{
            "KeyCountBeyondFile", [] { return Keys(3).Key("a", kBool).U8(1).Fill(20); },
            "the count of keys needs to be at most 2 (34 bytes are left after byte 24) but has 3"},
        BadFile{"HugeTensorCount", [] { return Tensors(kHuge); },
                "the count of tensors needs to be at most 0"},
        BadFile{"TensorCountBeyondFile",
                [] { return Tensors(3).Tensor("a", {1}, kF32, 0).Fill(40); },
                "the count of tensors needs to be at most 2"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Keys, BadFileTest,
    ::testing::Values(
        BadFile{"HugeKeyLength", [] { return Keys().U64(kHuge).Fill(20); },
                "the name of key number 0 needs 18446744073709551615 bytes at byte 32 but has 20"},
        BadFile{"KeyLengthJustTooLong", [] { return Keys().U64(21).Fill(20); },
                "needs 21 bytes at byte 32 but has 20"},
        BadFile{"ValueTypeUnknown", [] { return Keys().Key("a", 13).U64(0); },
                "the value type of key 'a' needs a number from 0 to 12 but has 13"},
        BadFile{"ValueTypeHuge", [] { return Keys().Key("a", 0xFFFFFFFF).U64(0); },
                "from 0 to 12 but has 4294967295"},
        BadFile{"ValueCutShort", [] { return Keys().Key("abc", 10).U32(0); },
                "the count of key 'abc' needs to be at most 0 (4 bytes are left after byte 39)"},
        BadFile{"BoolOf2", [] { return Keys().Key("a", kBool).U8(2); },
                "key 'a' needs bools of 0 or 1 but has 2"},
        BadFile{"BoolInArrayOf255",
                [] { return Keys().ArrayKey("a", kBool, 3).U8(0).U8(1).U8(255); },
                "key 'a' needs bools of 0 or 1 but has 255"},
        BadFile{"HugeString", [] { return Keys().Key("a", kString).U64(kHuge).Fill(9); },
                "key 'a' needs 18446744073709551615 bytes at byte 45 but has 9"},
        BadFile{"StringOfHalfTheRange",
                [] { return Keys().Key("a", kString).U64(uint64_t{1} << 63).Fill(9); },
                "key 'a' needs 9223372036854775808 bytes"},
        BadFile{"HugeArray", [] { return Keys().ArrayKey("a", kI32, kHuge).Fill(9); },
                "the count of key 'a' needs to be at most 2"},
        BadFile{"ArrayBytesOverflow",
                [] { return Keys().ArrayKey("a", kI32, uint64_t{1} << 62).Fill(9); },
                "but has 4611686018427387904"},
        BadFile{"ArrayJustTooLong", [] { return Keys().ArrayKey("a", kI32, 3).Fill(11); },
                "the count of key 'a' needs to be at most 2 (11 bytes"},
        BadFile{"ArrayOfUnknownType", [] { return Keys().ArrayKey("a", 99, 1).Fill(9); },
                "the value type of key 'a' needs a number from 0 to 12 but has 99"},
        BadFile{"HugeStringArray", [] { return Keys().ArrayKey("a", kString, kHuge).Fill(9); },
                "the count of key 'a' needs to be at most 1"},
        BadFile{"HugeStringInArray",
                [] { return Keys().ArrayKey("a", kString, 2).String("x").U64(kHuge).Fill(9); },
                "key 'a' needs 18446744073709551615 bytes"},
        BadFile{"HugeNestedArray",
                [] { return Keys().ArrayKey("a", kArray, kHuge).U32(kI32).U64(0); },
                "the count of key 'a' needs to be at most 1"},
        BadFile{"NestedTooDeep",
                [] {
                  GgufBytes bytes = Keys().ArrayKey("a", kArray, 1);
                  for (int i = 0; i < 3; ++i) bytes.U32(kArray).U64(1);
                  return bytes.U32(kI32).U64(0);
                },
                "key 'a' needs arrays nested at most 4 deep but has deeper ones"},
        BadFile{"NestedAHundredThousandDeep",
                [] {
                  GgufBytes bytes = Keys().ArrayKey("a", kArray, 1);
                  for (int i = 0; i < 100000; ++i) bytes.U32(kArray).U64(1);
                  return bytes;
                },
                "nested at most 4 deep"},
        BadFile{"DuplicateKey", [] { return Keys(2).Key("a", kU32).U32(1).Key("a", kU32).U32(1); },
                "key 'a' needs to be there once but has a second value"},
        BadFile{"DuplicateKeyOfOtherType",
                [] { return Keys(2).Key("a", kU32).U32(1).Key("a", kString).String("x"); },
                "key 'a' needs to be there once"},
        BadFile{"LongKeyIsShortenedInMessage",
                [] { return Keys().Key(std::string(1000, 'k'), 77).U64(0); },
                std::string(80, 'k') + "...'"}),
    NameOf);

GgufBytes Alignment(uint32_t type) { return Keys().Key("general.alignment", type); }

INSTANTIATE_TEST_SUITE_P(
    Alignment, BadFileTest,
    ::testing::Values(
        BadFile{"Zero", [] { return Alignment(kU32).U32(0); },
                "key 'general.alignment' needs a power of two from 1 to 2147483648 but has 0"},
        BadFile{"NoPowerOfTwo", [] { return Alignment(kU32).U32(48); }, "but has 48"},
        BadFile{"Negative", [] { return Alignment(kI32).U32(0xFFFFFFE0); }, "but has -32"},
        BadFile{"TooLarge", [] { return Alignment(10).U64(uint64_t{1} << 32); },
                "but has 4294967296"},
        BadFile{"BeyondInt64", [] { return Alignment(10).U64(uint64_t{1} << 63); },
                "but has 9223372036854775808"},
        BadFile{"WrongType", [] { return Alignment(kString).String("32"); },
                "key 'general.alignment' needs an integer but has a value of type string"}),
    NameOf);

// A file whose only tensor 't' has these dims and this type, with 64 bytes of data.
std::string OneTensor(std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset = 0) {
  return Tensors().Tensor("t", dims, type, offset).PadTo(32).Fill(64);
}

// Tensors 'a' and 'b' of 32 bytes at these offsets, with 96 bytes of data.
std::string TwoTensors(uint64_t a, uint64_t b) {
  return Tensors(2).Tensor("a", {8}, kF32, a).Tensor("b", {8}, kF32, b).PadTo(32).Fill(96);
}

INSTANTIATE_TEST_SUITE_P(
    Tensors, BadFileTest,
    ::testing::Values(
        BadFile{"HugeName", [] { return Tensors().U64(kHuge).Fill(40); },
                "the name of tensor number 0 needs 18446744073709551615 bytes"},
        BadFile{"NoDims", [] { return Tensors().Tensor("t", {}, kF32, 0).Fill(40); },
                "tensor 't' needs 1 to 4 dims but has 0"},
        BadFile{"FiveDims",
                [] {
                  return OneTensor({1, 1, 1, 1, 1}, kF32);
                },
                "tensor 't' needs 1 to 4 dims but has 5"},
        BadFile{"DimCountHuge", [] { return Tensors().String("t").U32(0xFFFFFFFF).Fill(40); },
                "needs 1 to 4 dims but has 4294967295"},
        BadFile{"DimOfZero",
                [] {
                  return OneTensor({4, 0}, kF32);
                },
                "tensor 't' needs 1 to 4 dims of at least 1 each but has [4, 0]"},
        BadFile{"DimBeyondInt64",
                [] {
                  return OneTensor({4, kHuge}, kF32);
                },
                "dim 1 of tensor 't' needs to be at most 9223372036854775807 but has "
                "18446744073709551615"},
        BadFile{"ElementsOverflow",
                [] {
                  return OneTensor({1U << 31, 1U << 31, 4}, kF16);
                },
                "tensor 't' needs fewer than 2^63 elements and bytes"},
        BadFile{"ElementsOverflowToZero",
                [] {
                  return OneTensor({1U << 16, 1U << 16, 1U << 16, 1U << 16}, kF32);
                },
                "fewer than 2^63 elements and bytes"},
        BadFile{"BytesOverflow", [] { return OneTensor({uint64_t{1} << 61}, kF32); },
                "fewer than 2^63 elements and bytes"},
        BadFile{"ElementsOverflowInBlocks",
                [] {
                  return OneTensor({uint64_t{1} << 62, 2}, kQ4);
                },
                "fewer than 2^63 elements and bytes"},
        BadFile{"UnknownElementType", [] { return OneTensor({4}, 12); },
                "the element type of tensor 't' needs to be one of 0 (F32), 1 (F16), 2 (Q4_0), 8 "
                "(Q8_0), 30 (BF16) but has number 12"},
        BadFile{"ElementTypeHuge", [] { return OneTensor({4}, 0xFFFFFFFF); },
                "but has number 4294967295"},
        BadFile{"RowNotWholeBlocksQ8", [] { return OneTensor({33}, kQ8); },
                "dim 0 of tensor 't' needs to be a multiple of 32 (Q8_0) but has 33"},
        BadFile{"RowNotWholeBlocksQ4",
                [] {
                  return OneTensor({16, 2}, kQ4);
                },
                "dim 0 of tensor 't' needs to be a multiple of 32 (Q4_0) but has 16"},
        BadFile{"MisalignedOffset", [] { return OneTensor({4}, kF32, 16); },
                "the offset of tensor 't' needs to be a multiple of 32 (general.alignment) but has "
                "16"},
        BadFile{"MisalignedForLargerAlignment",
                [] {
                  return GgufBytes()
                      .Header(1, 1)
                      .Key("general.alignment", kU32)
                      .U32(64)
                      .Tensor("t", {4}, kF32, 32)
                      .PadTo(64)
                      .Fill(128);
                },
                "needs to be a multiple of 64 (general.alignment) but has 32"},
        BadFile{"DataBeyondFile", [] { return OneTensor({17}, kF32); },
                "tensor 't' needs 68 bytes at offset 0 but has only 64 bytes of data"},
        BadFile{"OffsetBeyondFile", [] { return OneTensor({4}, kF32, 96); },
                "tensor 't' needs 16 bytes at offset 96 but has only 64"},
        BadFile{"OffsetPlusBytesOverflows", [] { return OneTensor({16}, kF32, kHuge - 31); },
                "needs 64 bytes at offset 18446744073709551584"},
        BadFile{"NoDataAtAll", [] { return Tensors().Tensor("tt", {4}, kF32, 0); },
                "tensor 'tt' needs 16 bytes at offset 0 but has only 0 bytes of data"},
        BadFile{"AlignmentPastTheEnd",
                [] {
                  return GgufBytes()
                      .Header(1, 1)
                      .Key("general.alignment", kU32)
                      .U32(1U << 31)
                      .Tensor("t", {4}, kF32, 0)
                      .PadTo(32)
                      .Fill(64);
                },
                "but has only 0 bytes of data"},
        BadFile{"DuplicateName",
                [] {
                  return Tensors(2)
                      .Tensor("a", {8}, kF32, 0)
                      .Tensor("a", {8}, kF32, 32)
                      .PadTo(32)
                      .Fill(64);
                },
                "tensor 'a' needs to be there once but has a second description"},
        BadFile{"SamePlace", [] { return TwoTensors(0, 0); }, "data without overlap"},
        BadFile{"Overlap",
                [] {
                  return Tensors(2)
                      .Tensor("a", {9}, kF32, 0)
                      .Tensor("b", {8}, kF32, 32)
                      .PadTo(32)
                      .Fill(96);
                },
                "tensor 'b' needs data without overlap, from offset 36 on (the end of 'a') but has "
                "offset 32"},
        BadFile{"OverlapAgainstFileOrder",
                [] {
                  return Tensors(2)
                      .Tensor("a", {8}, kF32, 32)
                      .Tensor("b", {16}, kF32, 0)
                      .PadTo(32)
                      .Fill(96);
                },
                "tensor 'a' needs data without overlap, from offset 64 on (the end of 'b')"}),
    NameOf);

// Without a fault, the builders above give good files: the faults are what is refused.
TEST(GgufGoodInputTest, BuildersWithoutFaultsParse) {
  for (const std::string& bytes :
       {OneTensor({16}, kF32), OneTensor({32}, kQ8), OneTensor({16}, kF16, 32), TwoTensors(0, 32),
        TwoTensors(64, 0), std::string(Alignment(kU32).U32(1)), std::string(Keys(0)),
        std::string(Alignment(kU32).U32(1U << 31))}) {
    const ParsedGguf parsed = ParseGguf(bytes);
    EXPECT_TRUE(parsed.file.ok()) << parsed.file.status();
  }
}

// Keys of every kind and two tensors; ends with the last byte of data.
std::string SmallFile() {
  return GgufBytes()
      .Header(2, 6)
      .Key("general.architecture", kString)
      .String("llama")
      .Key("n", kU32)
      .U32(7)
      .Key("flag", kBool)
      .U8(1)
      .ArrayKey("tokens", kString, 3)
      .String("a")
      .String("")
      .String("ccc")
      .ArrayKey("types", kI32, 2)
      .U32(1)
      .U32(2)
      .ArrayKey("nested", kArray, 1)
      .U32(kI32)
      .U64(1)
      .U32(5)
      .Tensor("a", {4, 2}, kF32, 0)
      .Tensor("b", {32}, kQ8, 32)
      .PadTo(32)
      .Fill(32 + 34);
}

// Calls everything that reads the file's bytes.
void ReadEverything(const GgufFile& file) {
  for (const char* key : {"general.architecture", "n", "flag", "tokens", "types", "nested"}) {
    const std::vector<absl::Status> statuses = {
        file.GetInt(key).status(),     file.GetFloat(key).status(), file.GetBool(key).status(),
        file.GetString(key).status(),  file.GetInts(key).status(),  file.GetFloats(key).status(),
        file.GetStrings(key).status(),
    };
    for (const absl::Status& status : statuses) {
      if (status.code() == absl::StatusCode::kInvalidArgument) ExpectSentence(status, file.name());
    }
  }
  for (const GgufTensor& tensor : file.tensors()) {
    const int64_t elements = tensor.rows() * tensor.row_elements();
    std::vector<float> values(static_cast<size_t>(elements));
    DequantizeRow(tensor.type, tensor.data.data(), elements, values.data());
  }
}

TEST(GgufTruncationTest, EveryProperPrefixIsRefused) {
  const std::string whole = SmallFile();
  const ParsedGguf good = ParseGguf(whole);
  ASSERT_TRUE(good.file.ok()) << good.file.status();
  ReadEverything(**good.file);
  for (size_t length = 0; length < whole.size(); ++length) {
    const ParsedGguf parsed = ParseGguf(absl::string_view(whole).substr(0, length));
    ASSERT_EQ(parsed.file.status().code(), absl::StatusCode::kInvalidArgument) << length;
    ExpectSentence(parsed.file.status(), "test.gguf");
  }
}

TEST(GgufMutationTest, ChangedBytesGiveAFileOrASentence) {
  constexpr uint32_t kSeed = 20240607;
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  std::mt19937 random(kSeed);
  const std::string whole = SmallFile();
  int good = 0;
  int bad = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole;
    for (uint32_t change = random() % 3 + 1; change > 0; --change) {
      constexpr uint8_t kExtremes[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
      const size_t at = random() % bytes.size();
      bytes[at] = static_cast<char>(random() % 2 == 0 ? random() : kExtremes[random() % 5]);
    }
    const ParsedGguf parsed = ParseGguf(bytes);
    if (parsed.file.ok()) {
      ++good;
      ReadEverything(**parsed.file);
    } else {
      ++bad;
      ASSERT_EQ(parsed.file.status().code(), absl::StatusCode::kInvalidArgument);
      ExpectSentence(parsed.file.status(), "test.gguf");
    }
  }
  EXPECT_GT(good, 0);
  EXPECT_GT(bad, 0);
}

class GgufOpenTest : public ::testing::Test {
 protected:
  static std::string Path(const std::string& name) {
    return absl::StrCat(::testing::TempDir(), "/gguf_bad_input_test_", getpid(), "_", name);
  }
};

TEST_F(GgufOpenTest, MissingFileIsNotFound) {
  const absl::Status status = GgufFile::Open(Path("missing")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("missing")));
}

TEST_F(GgufOpenTest, DirectoryIsRefused) {
  const absl::Status status = GgufFile::Open(::testing::TempDir()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a regular file but has a directory"));
}

TEST_F(GgufOpenTest, EmptyFileIsRefused) {
  const std::string path = Path("empty");
  std::ofstream(path).close();
  const absl::Status status = GgufFile::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("but has an empty file"));
  ExpectSentence(status, path);
  unlink(path.c_str());
}

TEST_F(GgufOpenTest, PathThroughAFileIsNotFound) {
  const std::string path = Path("file");
  std::ofstream(path) << "x";
  EXPECT_EQ(GgufFile::Open(path + "/model.gguf").status().code(), absl::StatusCode::kNotFound);
  unlink(path.c_str());
}

TEST_F(GgufOpenTest, TextFileIsRefused) {
  const std::string path = Path("text");
  std::ofstream(path) << "hello, I am no model";
  const absl::Status status = GgufFile::Open(path).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("'GGUF' but has 'hell'"));
  ExpectSentence(status, path);
  unlink(path.c_str());
}

TEST_F(GgufOpenTest, PipeIsRefusedWithoutWaiting) {
  const std::string path = Path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), S_IRUSR | S_IWUSR), 0);
  const absl::Status status = GgufFile::Open(path).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("but has a device, pipe or socket"));
  unlink(path.c_str());
}

TEST_F(GgufOpenTest, UnreadableFileIsPermissionDenied) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const std::string path = Path("unreadable");
  std::ofstream(path) << "x";
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_EQ(GgufFile::Open(path).status().code(), absl::StatusCode::kPermissionDenied);
  unlink(path.c_str());
}

}  // namespace
}  // namespace plumbline
