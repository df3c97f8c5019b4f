// Rows of numbers for tests of row-wise kernels.
#ifndef PLUMBLINE_TESTS_SUPPORT_ROW_VALUES_H_
#define PLUMBLINE_TESTS_SUPPORT_ROW_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/weight_dtype.h"

namespace plumbline {

// Seeded, normal with mean 0.
std::vector<float> NormalValues(int count, uint64_t seed, float deviation);

// A row that a kernel writes in either dtype: NaN at first, with a guard of bytes behind it.
class OutputRow {
 public:
  OutputRow(int count, WeightDtype dtype);
  std::byte* data() { return bytes_.data(); }
  double Value(size_t index) const;
  bool GuardIsIntact() const;

 private:
  size_t size_;
  WeightDtype dtype_;
  std::vector<std::byte> bytes_;
};

// A bound for an f32 result, widened by the rounding to `dtype` where it is written.
double WithRounding(WeightDtype dtype, double exact, double bound);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_ROW_VALUES_H_
