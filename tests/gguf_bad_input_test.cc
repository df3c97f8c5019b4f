// Bad GGUF headers and keys: each gives one sentence with the field, what it needed, what it had
// and the fix.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/gguf_bytes.h"

namespace plumbline::gguf_bad_input_test {
namespace {

constexpr uint64_t kHuge = ~uint64_t{0};
constexpr uint32_t kU32 = 4;
constexpr uint32_t kI32 = 5;
constexpr uint32_t kBool = 7;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;
constexpr uint32_t kF32 = 0;

class BadFileTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadFileTest, IsRefusedInOneSentence) { ExpectRefused(GetParam()); }

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
    BadFileName);

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
    BadFileName);

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
    BadFileName);

// Without a fault, such builders give good files: the faults are what is refused.
TEST(GgufGoodInputTest, KeysWithoutFaultsParse) {
  const std::string files[] = {Keys(0), Alignment(kU32).U32(1), Alignment(kU32).U32(1U << 31),
                               Keys().ArrayKey("a", kString, 1).String("x"),
                               Keys().ArrayKey("a", kBool, 2).U8(0).U8(1)};
  for (const std::string& bytes : files) {
    const ParsedGguf parsed = ParseGguf(bytes);
    EXPECT_TRUE(parsed.file.ok()) << parsed.file.status();
  }
}

}  // namespace
}  // namespace plumbline::gguf_bad_input_test
