// A model's file: what Read gives, also of a file that was shortened, and what Release has the
// system forget.
#include "engine/model_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::model_file_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

// No time goes by.
double StandingClock() { return 0; }
// A second between any two looks.
double SlowClock() {
  static std::atomic<int> seconds = 0;
  return ++seconds;
}

// Of so many zeros, which take no room on the disk; no name is left behind.
class ModelFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // CTest runs the tests of this file at the same time, each in a process of its own.
    path_ = absl::StrCat(::testing::TempDir(), "/model_file_test_", getpid());
    std::ofstream file(path_, std::ios::binary);
    ASSERT_TRUE(file);
  }
  void TearDown() override { unlink(path_.c_str()); }

  void SetSize(int64_t bytes) const { ASSERT_EQ(truncate(path_.c_str(), bytes), 0); }
  std::unique_ptr<ModelFile> Open(ModelFile::Now now = &StandingClock) const {
    auto file = ModelFile::Open(path_, now);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *std::move(file) : nullptr;
  }
  // False where the folder's files are memory: their zeros are not cached, and what is stays.
  bool IsOnADisk() const {
    const auto file = Open();
    std::vector<std::byte> out(kMiB);
    if (!file->Read(file->bytes().first(kMiB), out.data()).ok()) return false;
    if (file->CachedBytes() < kMiB) return false;
    const int descriptor = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    close(descriptor);
    return file->CachedBytes() == 0;
  }

  std::string path_;
};

// Reads these bytes, a MiB at a time.
void ReadAll(const ModelFile& file, absl::Span<const std::byte> part) {
  std::vector<std::byte> out(kMiB);
  for (size_t at = 0; at < part.size(); at += kMiB) {
    ASSERT_TRUE(file.Read(part.subspan(at, kMiB), out.data()).ok());
  }
}

TEST(ReadPaceTest, IsOfAllThreadsThatReadAtOnce) {
  ReadPace pace;
  pace.Begin();
  pace.End(100, 2);
  EXPECT_EQ(pace.BytesPerSecond(), 50);
  pace.Begin();
  pace.Begin();
  pace.End(100, 2);
  pace.End(100, 2);
  EXPECT_EQ(pace.BytesPerSecond(), 100);  // 300 bytes in 6 seconds of 2 threads
}

TEST_F(ModelFileTest, AShortenedFileIsAnErrorThatSaysWhatIsMissing) {
  SetSize(3 * kMiB);
  const auto file = Open();
  ASSERT_NE(file, nullptr);
  SetSize(2 * kMiB + 5);
  std::vector<std::byte> out(kMiB);
  EXPECT_TRUE(file->Read(file->bytes().subspan(kMiB, kMiB), out.data()).ok());
  const absl::Status status = file->Read(file->bytes().subspan(2 * kMiB, kMiB), out.data());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(path_), HasSubstr("1048571 bytes from byte 2097157 on"),
                    HasSubstr("ends before them")));
}

TEST_F(ModelFileTest, ForgetsWhatIsReleasedOfALargeFileThatComesQuickly) {
  SetSize(ModelFile::kLargeBytes);
  if (!IsOnADisk()) GTEST_SKIP() << "the folder for temporary files is not on a disk";
  const auto file = Open();
  ASSERT_NE(file, nullptr);
  ReadAll(*file, file->bytes().first(32 * kMiB));
  EXPECT_GE(file->CachedBytes(), 32 * kMiB);
  const int64_t ahead = file->CachedBytes() - 32 * kMiB;  // read by the system of its own accord
  file->Release(file->bytes().first(16 * kMiB));
  EXPECT_LE(file->CachedBytes(), ahead + 18 * kMiB);
  // What ends where it likes is forgotten with what follows.
  file->Release(file->bytes().subspan(16 * kMiB, 16 * kMiB));
  EXPECT_LE(file->CachedBytes(), ahead + 2 * kMiB);
  // It can be read again, and what is no part of it is nobody's loss.
  ReadAll(*file, file->bytes().first(16 * kMiB));
  const std::vector<std::byte> foreign(kMiB);
  file->Release(foreign);
  file->Release({});
  EXPECT_GE(file->CachedBytes(), 16 * kMiB);
}

TEST_F(ModelFileTest, KeepsWhatComesSlowly) {
  SetSize(ModelFile::kLargeBytes);
  if (!IsOnADisk()) GTEST_SKIP() << "the folder for temporary files is not on a disk";
  const auto file = Open(&SlowClock);
  ASSERT_NE(file, nullptr);
  ReadAll(*file, file->bytes().first(32 * kMiB));
  file->Release(file->bytes().first(32 * kMiB));
  EXPECT_GE(file->CachedBytes(), 32 * kMiB);
}

TEST_F(ModelFileTest, KeepsSmallFiles) {
  SetSize(ModelFile::kLargeBytes - kMiB);
  if (!IsOnADisk()) GTEST_SKIP() << "the folder for temporary files is not on a disk";
  const auto file = Open();
  ASSERT_NE(file, nullptr);
  ReadAll(*file, file->bytes().first(32 * kMiB));
  file->Release(file->bytes().first(32 * kMiB));
  EXPECT_GE(file->CachedBytes(), 32 * kMiB);
}

TEST_F(ModelFileTest, KeepsWhatOthersHadReadBefore) {
  SetSize(ModelFile::kLargeBytes);
  if (!IsOnADisk()) GTEST_SKIP() << "the folder for temporary files is not on a disk";
  const auto before = Open();
  ASSERT_NE(before, nullptr);
  ReadAll(*before, before->bytes());
  if (before->CachedBytes() < ModelFile::kLargeBytes) GTEST_SKIP() << "no memory to cache a file";
  const auto file = Open();
  ReadAll(*file, file->bytes().first(32 * kMiB));
  file->Release(file->bytes().first(32 * kMiB));
  EXPECT_GE(file->CachedBytes(), ModelFile::kLargeBytes);
}

}  // namespace
}  // namespace plumbline::model_file_test
