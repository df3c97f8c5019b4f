#include "engine/replacing_file.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace plumbline::replacing_file_test {
namespace {

// A folder of the test's own, gone when it ends.
class ReplacingFileTest : public testing::Test {
 protected:
  ReplacingFileTest()
      : folder_(testing::TempDir() + "/plumbline-replacing-" +
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ReplacingFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string Contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  int64_t Files() const { return std::distance(std::filesystem::directory_iterator(folder_), {}); }

 private:
  const std::string folder_;
};

TEST_F(ReplacingFileTest, ReplacesOnlyByAWholeFile) {
  EXPECT_TRUE(ReplaceFile(Path("page"), "first").ok());
  EXPECT_TRUE(ReplaceFile(Path("page"), "second").ok());
  EXPECT_EQ(Contents(Path("page")), "second");
  EXPECT_EQ(Files(), 1) << "a temporary file stayed";
}

TEST_F(ReplacingFileTest, LeavesWhatWasThereWithoutACommit) {
  ASSERT_TRUE(ReplaceFile(Path("page"), "first").ok());
  {
    ReplacingFile file(Path("page"));
    ASSERT_TRUE(file.Create().ok());
    ASSERT_TRUE(file.Write("half of").ok());
    EXPECT_EQ(Contents(Path("page")), "first");
    EXPECT_EQ(Files(), 2);
  }
  EXPECT_EQ(Contents(Path("page")), "first");
  EXPECT_EQ(Files(), 1);
}

TEST_F(ReplacingFileTest, WritesNoFileWhereNoneCanBe) {
  std::filesystem::create_directories(Path("taken"));
  EXPECT_EQ(ReplaceFile(Path("taken"), "x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReplaceFile(Path("none/page"), "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Files(), 1);
}

}  // namespace
}  // namespace plumbline::replacing_file_test
