#include "engine/process_memory.h"

#include <sys/mman.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sanitized.h"

namespace plumbline::process_memory_test {
namespace {

using testing::HasSubstr;

TEST(ProcessMemoryTest, GrowsByWhatIsTouched) {
  if (IsSanitized()) GTEST_SKIP() << "a sanitizer's own memory grows with ours";
  const auto first = AnonymousResidentBytes();
  if (!first.ok()) GTEST_SKIP() << first.status();
  constexpr size_t kBytes = size_t{32} << 20;
  void* mapped = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  // The first reading brought in what readings need; nothing else is touched between these.
  const int64_t before = AnonymousResidentBytes().value();
  const int64_t untouched = AnonymousResidentBytes().value();
  for (size_t i = 0; i < kBytes; i += 4096) static_cast<volatile char*>(mapped)[i] = 1;
  const int64_t touched = AnonymousResidentBytes().value();
  munmap(mapped, kBytes);
  const int64_t unmapped = AnonymousResidentBytes().value();
  // Small things may come and go meanwhile; a hundredth is far below what is looked for.
  constexpr int64_t kSlack = int64_t{kBytes} / 100;
  EXPECT_NEAR(untouched - before, 0, kSlack);
  EXPECT_NEAR(touched - before, int64_t{kBytes}, kSlack);
  EXPECT_NEAR(unmapped - before, 0, kSlack);
}

class ProcessMemoryFileTest : public testing::TestWithParam<const char*> {
 protected:
  std::string WithFile(const std::string& text) const {
    const std::string root = testing::TempDir() + "process_memory";
    std::filesystem::create_directories(root + "/proc/self");
    std::ofstream(root + "/proc/self/smaps_rollup") << text;
    return root;
  }
};

TEST_F(ProcessMemoryFileTest, ReadsTheLine) {
  EXPECT_EQ(
      AnonymousResidentBytes(WithFile("Rss:  9 kB\nAnonymous:       12 kB\nSwap: 1 kB\n")).value(),
      12 * 1024);
}

TEST_P(ProcessMemoryFileTest, SaysWhatIsMissing) {
  const auto bytes = AnonymousResidentBytes(WithFile(GetParam()));
  EXPECT_EQ(bytes.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(bytes.status().message()), HasSubstr("4.14"));
}

INSTANTIATE_TEST_SUITE_P(Texts, ProcessMemoryFileTest,
                         testing::Values("", "Rss: 12 kB\n", "Anonymous: many kB\n",
                                         "Anonymous: -1 kB\n", "Anonymous: 12\n",
                                         "Anonymous: 9223372036854775807 kB\n"));

}  // namespace
}  // namespace plumbline::process_memory_test
