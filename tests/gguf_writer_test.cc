// What the writer writes, read back by the parser.
#include "engine/gguf_writer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/pattern_rows.h"

namespace plumbline::gguf_writer_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TensorType kAllTypes[] = {TensorType::kF32, TensorType::kF16, TensorType::kQ4_0,
                                    TensorType::kQ8_0, TensorType::kBf16};

TEST(GgufWriterTest, KeysComeBack) {
  GgufWriter writer;
  writer.AddString("s", "text");
  writer.AddUint32("u", 4294967295);
  writer.AddFloat("f", 0.1F);
  writer.AddBool("b", true);
  writer.AddStrings("ss", {"a", "", "c"});
  writer.AddInts("is", {-1, 2147483647});
  writer.AddFloats("fs", {0.5F, -0.1F});
  const auto bytes = writer.Serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const ParsedGguf parsed = ParseGguf(*bytes);
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const GgufFile& file = **parsed.file;
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(*file.GetString("s"), "text");
  EXPECT_EQ(*file.GetInt("u"), 4294967295);
  EXPECT_EQ(*file.GetFloat("f"), static_cast<double>(0.1F));
  EXPECT_TRUE(*file.GetBool("b"));
  EXPECT_THAT(*file.GetStrings("ss"), ElementsAre("a", "", "c"));
  EXPECT_THAT(*file.GetInts("is"), ElementsAre(-1, 2147483647));
  EXPECT_THAT(*file.GetFloats("fs"), ElementsAre(0.5F, -0.1F));
}

// Byte for byte what the format says, built by hand.
TEST(GgufWriterTest, BytesFollowTheFormat) {
  GgufWriter writer;
  writer.AddString("general.architecture", "llama");
  writer.AddTensor("t", {3, 2}, TensorType::kF32, PatternRows(3));
  GgufBytes expected = GgufBytes().Header(1, 1).Key("general.architecture", 8).String("llama");
  expected.Tensor("t", {3, 2}, 0, 0).PadTo(32);
  for (int i = 0; i < 6; ++i) expected.Number(PatternElement(i / 3, i % 3));
  expected.PadTo(32);
  const auto bytes = writer.Serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, std::string(expected));
}

class WriterAlignmentTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(WriterAlignmentTest, EveryTypeAndRankComesBack) {
  const uint32_t alignment = GetParam();
  GgufWriter writer;
  if (alignment != 0) writer.AddUint32("general.alignment", alignment);
  for (const TensorType type : kAllTypes) {
    const std::string name(TensorTypeName(type));
    writer.AddTensor(name + ".1", {32}, type, PatternRows(32));
    writer.AddTensor(name + ".2", {96, 3}, type, PatternRows(96));
    writer.AddTensor(name + ".4", {32, 2, 3, 5}, type, PatternRows(32));
  }
  writer.AddTensor("odd", {7, 5}, TensorType::kF16, PatternRows(7));
  // Rows come a few at a time: these take several calls, the last one of them shorter.
  writer.AddTensor("long", {1024, 150}, TensorType::kBf16, PatternRows(1024));
  const auto bytes = writer.Serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const ParsedGguf parsed = ParseGguf(*bytes);
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const GgufFile& file = **parsed.file;
  ASSERT_EQ(file.tensors().size(), 17U);
  EXPECT_THAT(file.FindTensor("Q4_0.4")->dims, ElementsAre(32, 2, 3, 5));
  for (const GgufTensor& tensor : file.tensors()) {
    const auto at = static_cast<size_t>(tensor.data.data() - parsed.bytes.get());
    EXPECT_EQ(at % (alignment == 0 ? 32 : alignment), 0U) << tensor.name;
    ExpectPattern(tensor);
  }
}

// 0: the key is left out.
INSTANTIATE_TEST_SUITE_P(Alignments, WriterAlignmentTest, ::testing::Values(0, 1, 8, 32, 256));

TEST(GgufWriterTest, VocabularyOf280000TokensComesBack) {
  constexpr int kTokens = 280000;
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (int i = 0; i < kTokens; ++i) {
    tokens.push_back(absl::StrCat("token ", i));
    scores.push_back(static_cast<float>(-i));
    types.push_back(i % 7);
  }
  GgufWriter writer;
  writer.AddStrings("tokens", tokens);
  writer.AddFloats("scores", scores);
  writer.AddInts("types", types);
  const auto bytes = writer.Serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const ParsedGguf parsed = ParseGguf(*bytes);
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status();
  const auto read = (*parsed.file)->GetStrings("tokens");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), read->begin(), read->end()));
  EXPECT_EQ(*(*parsed.file)->GetFloats("scores"), scores);
  const auto integers = (*parsed.file)->GetInts("types");
  EXPECT_TRUE(std::equal(types.begin(), types.end(), integers->begin(), integers->end()));
  // Views into the file's bytes, not copies.
  EXPECT_GE(static_cast<const void*>(read->front().data()), parsed.bytes.get());
  EXPECT_LT(static_cast<const void*>(read->back().data()), parsed.bytes.get() + bytes->size());
}

struct BadTensor {
  std::string name;
  absl::InlinedVector<int64_t, 4> dims;
  TensorType type;
  std::string expected;
};

TEST(GgufWriterTest, BadTensorsAreSentences) {
  constexpr int64_t kLarge = int64_t{1} << 60;
  const BadTensor cases[] = {
      {"t", {}, TensorType::kF32, "needs 1 to 4 dims"},
      {"t", {1, 1, 1, 1, 1}, TensorType::kF32, "needs 1 to 4 dims"},
      {"t", {4, 0}, TensorType::kF32, "but has [4, 0]"},
      {"t", {-4}, TensorType::kF32, "but has [-4]"},
      {"t", {48}, TensorType::kQ8_0, "to be a multiple of 32 (Q8_0) but has 48"},
      {"t", {31}, TensorType::kQ4_0, "to be a multiple of 32 (Q4_0) but has 31"},
      {"t", {kLarge, 8}, TensorType::kF32, "fewer than 2^63"},
      {"first", {1}, TensorType::kF32, "tensor 'first' needs to be added once"},
      {"", {1}, TensorType::kF32, "needs 1 to 63 bytes but has 0"},
      {std::string(64, 'n'), {1}, TensorType::kF32, "needs 1 to 63 bytes but has 64"},
  };
  for (const BadTensor& bad : cases) {
    GgufWriter writer;
    writer.AddTensor("first", {1}, TensorType::kF32, PatternRows(1));
    writer.AddTensor(bad.name, bad.dims, bad.type, PatternRows(1));
    const absl::Status status = writer.Serialize().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.expected));
    EXPECT_TRUE(IsOneSentence(status, "the new GGUF file"));
  }
}

TEST(GgufWriterTest, OtherFaultsAreSentences) {
  GgufWriter twice;
  twice.AddBool("k", true);
  twice.AddUint32("k", 1);
  GgufWriter alignment;
  alignment.AddUint32("general.alignment", 12);
  GgufWriter no_source;
  no_source.AddTensor("t", {1}, TensorType::kF32, nullptr);
  GgufWriter too_much;
  for (const char* name : {"a", "b", "c"}) {
    too_much.AddTensor(name, {int64_t{1} << 60}, TensorType::kF16, PatternRows(1));
  }
  const std::pair<const GgufWriter*, const char*> cases[] = {
      {&twice, "key 'k' needs to be there once"},
      {&alignment, "needs a power of two from 1 to 2147483648 but has 12"},
      {&no_source, "tensor 't' needs a source of rows but has none"},
      {&too_much, "the data of all tensors needs to be at most 4611686018427387904 bytes"},
  };
  for (const auto& [writer, expected] : cases) {
    const absl::Status status = writer->Serialize().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected));
    EXPECT_TRUE(IsOneSentence(status, "the new GGUF file"));
  }
}

}  // namespace
}  // namespace plumbline::gguf_writer_test
