// What the tables make of measured rates.
#include "engine/rate_tables.h"

#include "engine/machine_profile.h"
#include "gtest/gtest.h"
#include "tests/support/made_profile.h"

namespace plumbline::rate_tables_test {
namespace {

// Seconds of a product, of an output and of an input element.
struct Parts {
  double mac, output, input;
};

Rate Of(const Parts& parts, const MatrixSize& size) {
  return {1 / (parts.mac + parts.output / static_cast<double>(size.inputs) +
               parts.input / static_cast<double>(size.outputs)),
          0};
}

MachineProfile WithParts(const Parts& parts) {
  MachineProfile profile = MadeProfile(1e9, 1e9, 1e6);
  for (MatmulRates& m : profile.matmuls) {
    m.narrow_macs = Of(parts, kNarrowMatrix);
    m.square_macs = Of(parts, kSquareMatrix);
    m.wide_macs = Of(parts, kWideMatrix);
  }
  return profile;
}

TEST(RateTablesTest, TellsProductsFromOutputsAndInputs) {
  for (const Parts& parts :
       {Parts{1e-9, 0, 0}, Parts{1e-9, 3e-8, 0}, Parts{1e-9, 0, 2e-7}, Parts{2e-10, 5e-8, 7e-8}}) {
    const MachineProfile profile = WithParts(parts);
    const MatmulCost cost = RateTables(profile).Matmul(WeightDtype::kF32, 512);
    EXPECT_NEAR(cost.mac_seconds, parts.mac, 1e-15);
    EXPECT_NEAR(cost.output_seconds, parts.output, 1e-13);
    EXPECT_NEAR(cost.input_seconds, parts.input, 1e-13);
  }
}

// Noise must not make anything cost less than nothing.
TEST(RateTablesTest, NothingCostsLessThanNothing) {
  for (const Parts& parts :
       {Parts{1e-9, -3e-8, 4e-8}, Parts{1e-9, 4e-8, -3e-8}, Parts{1e-9, -2e-8, -2e-8}}) {
    const MachineProfile profile = WithParts(parts);
    const MatmulCost cost = RateTables(profile).Matmul(WeightDtype::kF32, 512);
    EXPECT_GE(cost.mac_seconds, 0);
    EXPECT_GE(cost.output_seconds, 0);
    EXPECT_GE(cost.input_seconds, 0);
    // The matrix in the middle takes what it was measured to take.
    EXPECT_NEAR(cost.mac_seconds + cost.output_seconds / static_cast<double>(kSquareMatrix.inputs) +
                    cost.input_seconds / static_cast<double>(kSquareMatrix.outputs),
                1 / Of(parts, kSquareMatrix).per_second, 1e-15);
  }
}

}  // namespace
}  // namespace plumbline::rate_tables_test
