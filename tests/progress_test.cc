// The line that tells how far a long piece of work is.
#include "tools/progress.h"

#include "gtest/gtest.h"
#include "tools/table.h"

namespace plumbline::progress_test {
namespace {

TEST(ProgressTest, TellsTheTimeLeftOnceItCanBeGuessed) {
  EXPECT_EQ(ProgressLine("toy", 0, 100, 3), "toy: 0% after 3 s");
  EXPECT_EQ(ProgressLine("toy", 4, 100, 3), "toy: 4% after 3 s");
  EXPECT_EQ(ProgressLine("toy", 25, 100, 10), "toy: 25% after 10 s, 30 s left");
  EXPECT_EQ(ProgressLine("toy", 100, 100, 10), "toy: 100% after 10 s, 0 s left");
  EXPECT_EQ(ProgressLine("toy", 120, 100, 10), "toy: 100% after 10 s, 0 s left");
  EXPECT_EQ(ProgressLine("toy", -3, 100, 10), "toy: 0% after 10 s");
}

TEST(ProgressTest, FitsATerminal) {
  const std::string line = ProgressLine(std::string(500, 'x') + "\n", 99, 100, 123456);
  EXPECT_LE(DisplayWidth(line), kTerminalColumns);
}

}  // namespace
}  // namespace plumbline::progress_test
