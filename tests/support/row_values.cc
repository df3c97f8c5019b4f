#include "tests/support/row_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "tests/reference/error_bounds.h"
#include "tests/support/float_format.h"

namespace plumbline {
namespace {

constexpr size_t kGuardBytes = 64;
constexpr std::byte kFill{0xFF};

}  // namespace

std::vector<float> NormalValues(int count, uint64_t seed, float deviation) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

OutputRow::OutputRow(int count, WeightDtype dtype)
    : size_(static_cast<size_t>(count) * static_cast<size_t>(WeightDtypeBytes(dtype))),
      dtype_(dtype),
      bytes_(size_ + kGuardBytes, kFill) {}

double OutputRow::Value(size_t index) const {
  if (dtype_ == WeightDtype::kF32) {
    float value = 0;
    std::memcpy(&value, bytes_.data() + index * sizeof(value), sizeof(value));
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, bytes_.data() + index * sizeof(bits), sizeof(bits));
  return ValueOfBits(kBf16Format, bits);
}

bool OutputRow::GuardIsIntact() const {
  return std::all_of(bytes_.begin() + static_cast<ptrdiff_t>(size_), bytes_.end(),
                     [](std::byte byte) { return byte == kFill; });
}

double WithRounding(WeightDtype dtype, double exact, double bound) {
  return dtype == WeightDtype::kF32 ? bound : bound + kUnitBf16 * (std::abs(exact) + bound);
}

}  // namespace plumbline
