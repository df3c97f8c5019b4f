// What the writer writes, read back by the parser.
#include "engine/gguf_writer.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/unprivileged.h"

namespace plumbline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TensorType kAllTypes[] = {TensorType::kF32, TensorType::kF16, TensorType::kQ4_0,
                                    TensorType::kQ8_0, TensorType::kBf16};

// Element `column` of `row`: integers from -8 to 7 with a -8 in every block of 32, which every
// type holds exactly (Q8_0: see Tolerance).
float Element(int64_t row, int64_t column) { return static_cast<float>((row + column) % 16 - 8); }

GgufWriter::RowSource Source(int64_t row_elements) {
  return [row_elements](int64_t row, int64_t num_rows, float* out) {
    for (int64_t r = 0; r < num_rows; ++r) {
      for (int64_t c = 0; c < row_elements; ++c) out[r * row_elements + c] = Element(row + r, c);
    }
    return absl::OkStatus();
  };
}

// Only Q8_0 rounds these values: half a step of 8/127, and its scale's rounding to F16.
float Tolerance(TensorType type) {
  return type == TensorType::kQ8_0 ? 8.0F / 127 / 2 + 8 * 0x1p-11F : 0.0F;
}

void ExpectElements(const GgufTensor& tensor) {
  const int64_t width = tensor.row_elements();
  std::vector<float> values(static_cast<size_t>(tensor.rows() * width));
  DequantizeRow(tensor.type, tensor.data.data(), tensor.rows() * width, values.data());
  for (int64_t i = 0; i < tensor.rows() * width; ++i) {
    ASSERT_NEAR(values[static_cast<size_t>(i)], Element(i / width, i % width),
                Tolerance(tensor.type))
        << tensor.name << " element " << i;
  }
}

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/gguf_writer_test_", getpid(), "_", name);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Files beside `path` whose names begin with its name.
int CountBeside(const std::string& path) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(::testing::TempDir())) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(std::filesystem::path(path).filename().string(), 0) == 0) ++count;
  }
  return count;
}

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
  writer.AddTensor("t", {3, 2}, TensorType::kF32, Source(3));
  GgufBytes expected = GgufBytes().Header(1, 1).Key("general.architecture", 8).String("llama");
  expected.Tensor("t", {3, 2}, 0, 0).PadTo(32);
  for (int i = 0; i < 6; ++i) expected.Number(Element(i / 3, i % 3));
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
    writer.AddTensor(name + ".1", {32}, type, Source(32));
    writer.AddTensor(name + ".2", {96, 3}, type, Source(96));
    writer.AddTensor(name + ".4", {32, 2, 3, 5}, type, Source(32));
  }
  writer.AddTensor("odd", {7, 5}, TensorType::kF16, Source(7));
  // Rows come a few at a time: these take several calls, the last one of them shorter.
  writer.AddTensor("long", {1024, 150}, TensorType::kBf16, Source(1024));
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
    ExpectElements(tensor);
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

TEST(GgufWriterTest, WriteGivesTheBytesOfSerialize) {
  GgufWriter writer;
  writer.AddTensor("t", {64, 9}, TensorType::kQ8_0, Source(64));
  const std::string path = TempPath("same.gguf");
  std::ofstream(path) << "an older file";
  ASSERT_TRUE(writer.Write(path).ok());
  EXPECT_EQ(ReadAll(path), *writer.Serialize());
  EXPECT_EQ(CountBeside(path), 1);
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectElements((*file)->tensors()[0]);
  unlink(path.c_str());
}

TEST(GgufWriterTest, FailingSourceLeavesTheOldFile) {
  GgufWriter writer;
  writer.AddTensor("t", {1 << 16, 3}, TensorType::kF32, [](int64_t row, int64_t, float*) {
    return row < 2 ? absl::OkStatus() : absl::DataLossError("row 2 is gone");
  });
  const std::string path = TempPath("kept.gguf");
  std::ofstream(path) << "an older file";
  const absl::Status status = writer.Write(path);
  EXPECT_EQ(status, absl::DataLossError("row 2 is gone"));
  EXPECT_EQ(ReadAll(path), "an older file");
  EXPECT_EQ(CountBeside(path), 1);
  unlink(path.c_str());
}

TEST(GgufWriterTest, LeftoversOfAKilledProcessAreNoObstacle) {
  const std::string path = TempPath("leftover.gguf");
  const std::string leftover = absl::StrCat(path, ".", getpid(), ".0.partial");
  std::ofstream(leftover) << "half a file";
  ASSERT_TRUE(GgufWriter().Write(path).ok());
  EXPECT_EQ(ReadAll(path), *GgufWriter().Serialize());
  unlink(path.c_str());
  unlink(leftover.c_str());
}

TEST(GgufWriterTest, UnwritablePathsAreSentences) {
  const GgufWriter writer;
  const std::string missing = TempPath("missing") + "/model.gguf";
  const absl::Status no_folder = writer.Write(missing);
  EXPECT_EQ(no_folder.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(IsOneSentence(no_folder, missing));
  const absl::Status folder = writer.Write(::testing::TempDir());
  EXPECT_EQ(folder.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(IsOneSentence(folder, ::testing::TempDir()));
  const std::string pipe = TempPath("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), S_IRUSR | S_IWUSR), 0);
  EXPECT_EQ(writer.Write(pipe).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::filesystem::status(pipe).type(), std::filesystem::file_type::fifo);
  unlink(pipe.c_str());
}

TEST(GgufWriterTest, FolderWithoutWritePermissionIsPermissionDenied) {
  const std::string folder = TempPath("locked");
  ASSERT_EQ(mkdir(folder.c_str(), S_IRUSR | S_IXUSR), 0);
  {
    const Unprivileged someone;
    if (!someone.ok()) GTEST_SKIP() << "root may write everywhere and become nobody else";
    EXPECT_EQ(GgufWriter().Write(folder + "/m.gguf").code(), absl::StatusCode::kPermissionDenied);
  }
  rmdir(folder.c_str());
}

TEST(GgufWriterTest, FileSizeLimitIsResourceExhausted) {
  GgufWriter writer;
  writer.AddTensor("t", {1 << 16}, TensorType::kF32, Source(1 << 16));
  const std::string path = TempPath("limited.gguf");
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4096;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = writer.Write(path);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(IsOneSentence(status, path));
  EXPECT_EQ(CountBeside(path), 0);
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
    writer.AddTensor("first", {1}, TensorType::kF32, Source(1));
    writer.AddTensor(bad.name, bad.dims, bad.type, Source(1));
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
    too_much.AddTensor(name, {int64_t{1} << 60}, TensorType::kF16, Source(1));
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
}  // namespace plumbline
