// GGUF files cut short, changed at random, or that are no GGUF files.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/bad_gguf.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/unprivileged.h"

namespace plumbline::gguf_damage_test {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kU32 = 4;
constexpr uint32_t kI32 = 5;
constexpr uint32_t kBool = 7;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;
constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ8 = 8;

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
      if (status.code() == absl::StatusCode::kInvalidArgument) {
        EXPECT_TRUE(IsOneSentence(status, file.name()));
      }
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
    const ParsedGguf parsed = ParseGguf(whole.substr(0, length));
    ASSERT_EQ(parsed.file.status().code(), absl::StatusCode::kInvalidArgument) << length;
    EXPECT_TRUE(IsOneSentence(parsed.file.status(), "test.gguf"));
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
      EXPECT_TRUE(IsOneSentence(parsed.file.status(), "test.gguf"));
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
  EXPECT_TRUE(IsOneSentence(status, Path("missing")));
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
  EXPECT_TRUE(IsOneSentence(status, path));
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
  EXPECT_TRUE(IsOneSentence(status, path));
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
  const std::string path = Path("unreadable");
  std::ofstream(path) << "x";
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  {
    const Unprivileged someone;
    if (!someone.ok()) GTEST_SKIP() << "root may read every file and become nobody else";
    const absl::Status status = GgufFile::Open(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_TRUE(IsOneSentence(status, path));
  }
  unlink(path.c_str());
}

}  // namespace
}  // namespace plumbline::gguf_damage_test
