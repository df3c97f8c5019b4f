// Bad tensor directories of GGUF files: each gives one sentence with the field, what it needed,
// what it had and the fix.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/gguf_bytes.h"

namespace plumbline::gguf_bad_tensors_test {
namespace {

constexpr uint64_t kHuge = ~uint64_t{0};
constexpr uint32_t kU32 = 4;
constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;
constexpr uint32_t kQ4 = 2;
constexpr uint32_t kQ8 = 8;

class BadTensorsTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadTensorsTest, IsRefusedInOneSentence) { ExpectRefused(GetParam()); }

GgufBytes Tensors(uint64_t count = 1) { return GgufBytes().Header(count, 0); }

// A file whose only tensor 't' has these dims and this type, with 64 bytes of data.
std::string OneTensor(std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset = 0) {
  return Tensors().Tensor("t", dims, type, offset).PadTo(32).Fill(64);
}

// Tensors 'a' and 'b' of 32 bytes at these offsets, with 96 bytes of data.
std::string TwoTensors(uint64_t a, uint64_t b) {
  return Tensors(2).Tensor("a", {8}, kF32, a).Tensor("b", {8}, kF32, b).PadTo(32).Fill(96);
}

INSTANTIATE_TEST_SUITE_P(
    Tensors, BadTensorsTest,
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
    BadFileName);

// Without a fault, such builders give good files: the faults are what is refused.
TEST(GgufGoodInputTest, TensorsWithoutFaultsParse) {
  for (const std::string& bytes :
       {OneTensor({16}, kF32), OneTensor({32}, kQ8), OneTensor({32, 2}, kQ4),
        OneTensor({16}, kF16, 32), TwoTensors(0, 32), TwoTensors(64, 0)}) {
    const ParsedGguf parsed = ParseGguf(bytes);
    EXPECT_TRUE(parsed.file.ok()) << parsed.file.status();
  }
}

}  // namespace
}  // namespace plumbline::gguf_bad_tensors_test
