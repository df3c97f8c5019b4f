// A profile at another minute, what bounds its rates, and which profiles are none.
#include "engine/machine_profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <vector>

#include "tests/support/made_profile.h"

namespace plumbline::machine_profile_test {
namespace {

TEST(AtAnchorsTest, ScalesComputeAndMemoryApart) {
  const MachineProfile then = MadeProfile(1e9, 1e8, 1e6);
  Anchors anchors = then.anchors;
  anchors.matmul_flops_per_second *= 2;
  anchors.read_bytes_per_second /= 4;
  const MachineProfile now = AtAnchors(then, anchors);
  EXPECT_EQ(now.anchors, anchors);
  EXPECT_DOUBLE_EQ(now.matmuls[0].wide_macs.per_second, 2e9);
  // A stream as fast as memory, whose products take a fortieth of the time: 2.5 and 100
  // before, 1.25 and 400 now.
  const double streamed = 1e8 * std::hypot(2.5, 100) / std::hypot(1.25, 400);
  EXPECT_DOUBLE_EQ(now.matmuls[0].streamed_bytes.per_second, streamed);
  EXPECT_DOUBLE_EQ(now.reads.back().read_bytes.per_second, 2.5e7);
  EXPECT_DOUBLE_EQ(now.attention[0].score_macs.per_second, 1e9);
  EXPECT_DOUBLE_EQ(now.streams[0].score_bytes.per_second, streamed);
  EXPECT_DOUBLE_EQ(now.matmul_calls.per_second, 2e6);
  EXPECT_EQ(AtAnchors(then, then.anchors), then);
  EXPECT_EQ(AtAnchors(then, {}), then);  // none were taken
}

// Streams count, too, whatever bounds them: it is not known before they were measured.
TEST(BoundRatesTest, SaysWhatMemoryMayBound) {
  MachineProfile profile = MadeProfile(1e9, 1e8, 1e6);
  std::map<const Rate*, bool> by_memory;
  for (const BoundRate& bound : BoundRates(profile)) by_memory[bound.rate] = bound.by_memory();
  EXPECT_TRUE(by_memory.at(&profile.matmuls[0].streamed_bytes));
  EXPECT_TRUE(by_memory.at(&profile.streams[0].score_bytes));
  EXPECT_TRUE(by_memory.at(&profile.reads.back().read_bytes));
  EXPECT_TRUE(by_memory.at(&profile.caches[0].cold_write_elements));
  EXPECT_FALSE(by_memory.at(&profile.matmuls[0].wide_macs));
  EXPECT_FALSE(by_memory.at(&profile.attention[0].score_macs));
  EXPECT_FALSE(by_memory.at(&profile.caches[0].hot_write_elements));
  EXPECT_FALSE(by_memory.at(&profile.rows.swiglu));
  EXPECT_FALSE(by_memory.at(&profile.matmul_calls));
}

// Of a stream whose bytes are worked on for `own` ns each and come from memory in `memory` ns.
double BytesPerSecond(double own, double memory) { return 1e9 / std::hypot(own, memory); }

// A stream of 7 MB/s beside a plain read of 100: 10 ns of a byte's 1,000 / 7 are memory's share.
TEST(AtAnchorsTest, StreamsFollowBothBoundsAsFarAsEachHoldsThem) {
  MachineProfile then = MadeProfile(1e9, 1e8, 1e6);
  const MatmulRates few = {WeightDtype::kF32, 1, {1e9, 0}, {1e9, 0}, {1e9, 0}, {1e8, 0}};
  MatmulRates many = few;
  many.rows = 512;
  many.streamed_bytes.per_second = 7e6;
  then.matmuls = {few, many};
  const auto streamed = [&](double compute, double memory) {
    Anchors anchors = then.anchors;
    anchors.matmul_flops_per_second *= compute;
    anchors.read_bytes_per_second *= memory;
    return AtAnchors(then, anchors).matmuls[1].streamed_bytes.per_second;
  };
  const double own = std::sqrt(std::pow(1000.0 / 7, 2) - 100);
  EXPECT_NEAR(streamed(1, 0.25), BytesPerSecond(own, 40), 1);
  EXPECT_NEAR(streamed(1, 4), BytesPerSecond(own, 2.5), 1);
  EXPECT_NEAR(streamed(2, 1), BytesPerSecond(own / 2, 10), 1);
  EXPECT_NEAR(streamed(1, 0.05), BytesPerSecond(own, 200), 1);
  EXPECT_NEAR(streamed(20, 1), BytesPerSecond(own / 20, 10), 1);
}

// Products take 512 rows x 1/4 product a byte at 1e9 a second: 128 ns, beside memory's 1,000. A
// sample as fast as memory (by a jump of it) is no stream without products.
TEST(AtAnchorsTest, AStreamsOwnPartIsAtLeastItsProducts) {
  MachineProfile then = MadeProfile(1e9, 1e6, 1e6);
  const MatmulRates rates = {WeightDtype::kF32, 512, {1e9, 0}, {1e9, 0}, {1e9, 0}, {1e6, 0}};
  then.matmuls = {rates};
  Anchors anchors = then.anchors;
  anchors.read_bytes_per_second *= 1e6;
  EXPECT_NEAR(AtAnchors(then, anchors).matmuls[0].streamed_bytes.per_second,
              1e6 * std::hypot(128, 1000) / 128, 1);
}

TEST(MachineProfileTest, EveryRateMustBePositive) {
  const MachineProfile good = MadeProfile(1e9, 1e8, 1e6);
  EXPECT_TRUE(good.Validate().ok());
  const std::vector<void (*)(MachineProfile&)> faults = {
      [](MachineProfile& p) { p.threads = 0; },
      [](MachineProfile& p) { p.anchors.read_bytes_per_second = 0; },
      [](MachineProfile& p) { p.matmuls.clear(); },
      [](MachineProfile& p) { p.matmuls[1].streamed_bytes.per_second = -1; },
      [](MachineProfile& p) { p.reads[0].bytes = 0; },
      [](MachineProfile& p) {
        p.attention[2].softmax_pairs.per_second = std::numeric_limits<double>::infinity();
      },
      [](MachineProfile& p) { p.attention[0].value_macs.per_second = 0; },
      [](MachineProfile& p) { p.attention[1].keys = 0; },
      [](MachineProfile& p) { p.streams[1].softmax_bytes.per_second = 0; },
      [](MachineProfile& p) { p.caches[0].cold_write_elements.spread = -1; },
      [](MachineProfile& p) { p.rows.gelu.per_second = 0; },
      [](MachineProfile& p) { p.parallel_regions.per_second = 0; },
  };
  for (size_t i = 0; i < faults.size(); ++i) {
    MachineProfile bad = good;
    faults[i](bad);
    EXPECT_EQ(bad.Validate().code(), absl::StatusCode::kFailedPrecondition) << i;
  }
}

}  // namespace
}  // namespace plumbline::machine_profile_test
