// What everything is held against: that it is measured at any size, and how often pages are asked
// for. How fast it is, bench/ says.
#include "engine/limit_probe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "engine/page_ahead.h"

namespace plumbline {
namespace {

TEST(PageAhead, IsAskedForOnceAPageWhereverALoopBegins) {
  for (const int64_t step : {1, 16, 64, 256, 4096}) {
    for (const uintptr_t start : {uintptr_t{0}, uintptr_t{8}, uintptr_t{64}, uintptr_t{4095}}) {
      constexpr int64_t kPages = 5;
      int64_t asked = 0;
      for (int64_t at = 0; at < kPages * kPageBytes; at += step) {
        asked += BeginsPage(start + static_cast<uintptr_t>(at), step) ? 1 : 0;
      }
      EXPECT_EQ(asked, kPages) << "steps of " << step << " from " << start;
    }
  }
}

// Under AddressSanitizer also: that neither way reads beyond the end.
TEST(ReadProbe, MeasuresEitherWayOverPartsOfPages) {
  for (const ReadWay way : {ReadWay::kPlain, ReadWay::kPagesAhead}) {
    for (const int64_t bytes : {int64_t{8}, kPageBytes - 8, kPageBytes, kPageBytes + 8,
                                3 * kPageBytes + 24, int64_t{1} << 20}) {
      for (const int threads : {1, 2, 3}) {
        const auto probe = ReadProbe::Create(threads, bytes, way);
        ASSERT_TRUE(probe.ok()) << probe.status();
        const double rate = (*probe)->Rate();
        EXPECT_TRUE(rate > 0 && std::isfinite(rate))
            << bytes << " bytes, " << threads << " threads";
        EXPECT_GT((*probe)->Rate(1, 8), 0);
      }
    }
  }
}

TEST(AnchorProbe, MeasuresAMatmulAndARead) {
  for (const ReadWay way : {ReadWay::kPlain, ReadWay::kPagesAhead}) {
    AnchorSizes sizes = {WeightDtype::kF32, 32, 64, 64, int64_t{1} << 16, 2};
    sizes.way = way;
    const auto probe = AnchorProbe::Create(2, sizes);
    ASSERT_TRUE(probe.ok()) << probe.status();
    const Anchors anchors = (*probe)->Measure();
    EXPECT_GT(anchors.matmul_flops_per_second, 0);
    EXPECT_GT(anchors.read_bytes_per_second, 0);
    EXPECT_GT((*probe)->MeasureRead(), 0);
  }
}

// Rows of bench/ mean the same on every machine; `plumbline bench` says what could be attained.
TEST(Limits, OfRowsAreTheLibrarysAndPlain) {
  EXPECT_EQ(LibraryLimits(WeightDtype::kBf16).way, ReadWay::kPlain);
  EXPECT_EQ(LibraryLimits(WeightDtype::kBf16).path, MatmulPath::kLibrary);
  EXPECT_EQ(BenchLimits(WeightDtype::kBf16).way, ReadWay::kPagesAhead);
  EXPECT_EQ(BenchLimits(WeightDtype::kQ4).dtype, WeightDtype::kInt8);
}

}  // namespace
}  // namespace plumbline
