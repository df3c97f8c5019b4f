#include "engine/machine_measure.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/support/made_profile.h"

namespace plumbline::machine_measure_test {
namespace {

// Samples that followed the machine up and down are all alike at one speed.
TEST(SetRatesTest, EachSampleIsScaledByTheAnchorsAroundIt) {
  MachineProfile profile = MadeProfile(1e9, 1e8, 1e6);
  profile.anchors = {100, 40};
  // The computing anchors around samples: 50 and 150, then 150 and 250; of memory 20 and 60, 60 and
  // 100.
  const std::vector<Anchors> anchors = {{50, 20}, {150, 60}, {250, 100}};
  Rate& hot = profile.matmuls[0].wide_macs;
  Rate& read = profile.reads.back().read_bytes;
  Measurement both = {{&hot, &read}, nullptr};
  both.samples = {{7, 14}, {18, 36}};
  both.anchors = {0, 1};
  SetRates({both}, anchors, &profile);
  EXPECT_DOUBLE_EQ(hot.per_second, 7);
  EXPECT_DOUBLE_EQ(hot.spread, 0);
  EXPECT_DOUBLE_EQ(read.per_second, 18);
  EXPECT_DOUBLE_EQ(read.spread, 0);
}

TEST(SetRatesTest, NoStreamIsFasterThanThePlainRead) {
  MachineProfile profile = MadeProfile(1e9, 1e8, 1e6);
  profile.anchors = {100, 10};
  MatmulRates& rates = profile.matmuls[0];
  Measurement streamed = {{&rates.wide_macs, &rates.streamed_bytes}, nullptr};
  streamed.samples = {{30}, {14}};
  streamed.anchors = {0};
  SetRates({streamed}, {{100, 10}, {100, 10}}, &profile);
  EXPECT_DOUBLE_EQ(rates.wide_macs.per_second, 30);
  EXPECT_DOUBLE_EQ(rates.streamed_bytes.per_second, 10);
}

TEST(SetRatesTest, TheMedianStandsAndTheSpreadBesideIt) {
  MachineProfile profile = MadeProfile(1e9, 1e8, 1e6);
  profile.anchors = {200, 10};
  Measurement calls = {{&profile.matmul_calls}, nullptr};
  calls.samples = {{1, 2, 3}};
  calls.anchors = {0, 0, 0};
  SetRates({calls}, {{100, 10}, {100, 10}}, &profile);
  EXPECT_DOUBLE_EQ(profile.matmul_calls.per_second, 4);  // the machine is twice as fast here
  EXPECT_DOUBLE_EQ(profile.matmul_calls.spread, 0.5);
}

TEST(RateOfTest, NoSamplesAreNoRate) { EXPECT_EQ(RateOf({}), Rate{}); }

}  // namespace
}  // namespace plumbline::machine_measure_test
