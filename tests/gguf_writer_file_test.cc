// The files that the writer leaves behind, and those that it must leave alone.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/gguf_writer.h"
#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/pattern_rows.h"
#include "tests/support/unprivileged.h"

namespace plumbline::gguf_writer_file_test {
namespace {

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

TEST(GgufWriterTest, WriteGivesTheBytesOfSerialize) {
  GgufWriter writer;
  writer.AddTensor("t", {64, 9}, TensorType::kQ8_0, PatternRows(64));
  const std::string path = TempPath("same.gguf");
  std::ofstream(path) << "an older file";
  ASSERT_TRUE(writer.Write(path).ok());
  EXPECT_EQ(ReadAll(path), *writer.Serialize());
  EXPECT_EQ(CountBeside(path), 1);
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectPattern((*file)->tensors()[0]);
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
  writer.AddTensor("t", {1 << 16}, TensorType::kF32, PatternRows(1 << 16));
  const std::string path = TempPath("limited.gguf");
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 4096;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = writer.Write(path);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_NE(std::signal(SIGXFSZ, handler), SIG_ERR);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(IsOneSentence(status, path));
  EXPECT_EQ(CountBeside(path), 0);
}

}  // namespace
}  // namespace plumbline::gguf_writer_file_test
