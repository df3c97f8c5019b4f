// How the outputs of a matrix are cut for the library.
#include "engine/matmul_sizes.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace plumbline::matmul_sizes_test {
namespace {

TEST(CutOutputsTest, SlicesHaveAllOutputsInWholeBlocks) {
  for (const int64_t most : {int64_t{512}, kQ4SliceOutputs}) {
    for (const int threads : {1, 2, 3, 8}) {
      for (int64_t outputs = 1; outputs <= 2100; ++outputs) {
        SCOPED_TRACE(testing::Message() << outputs << " by " << most << ", " << threads);
        const SliceCut cut = CutOutputs(outputs, threads, most);
        ASSERT_EQ((cut.slices - 1) * cut.each + cut.last, outputs);
        ASSERT_EQ(cut.each % kResultOutputs, 0);
        ASSERT_LE(cut.each, most);
        ASSERT_LT(cut.last, cut.each + kResultOutputs);
        ASSERT_TRUE(cut.slices == 1 || cut.last >= kResultOutputs) << cut.last;
      }
    }
  }
}

TEST(CutOutputsTest, ThreadsGetSlicesAlike) {
  const auto expect = [](const SliceCut& cut, int64_t slices, int64_t each, int64_t last) {
    EXPECT_EQ(cut.slices, slices);
    EXPECT_EQ(cut.each, each);
    EXPECT_EQ(cut.last, last);
  };
  expect(CutOutputs(4096, 2, 512), 8, 512, 512);
  expect(CutOutputs(5632, 2, 512), 18, 320, 192);  // 11 of 512 are one more for one of them
  expect(CutOutputs(2304, 2, 256), 12, 192, 192);
  expect(CutOutputs(768, 2, 128), 6, 128, 128);
  expect(CutOutputs(4096, 3, 512), 8, 512, 512);  // none of them alike
  // 32 outputs are too few for a slice.
  expect(CutOutputs(160, 2, 128), 2, 64, 96);
  expect(CutOutputs(96, 2, 128), 1, 64, 96);
}

}  // namespace
}  // namespace plumbline::matmul_sizes_test
