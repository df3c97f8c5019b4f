#include "tools/byte_size.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

struct ByteUnit {
  absl::string_view name;
  double bytes;
};

constexpr double kKib = 1024;
constexpr ByteUnit kUnits[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
    {"KiB", kKib},
    {"MiB", kKib* kKib},
    {"GiB", kKib* kKib* kKib},
    {"TiB", kKib* kKib* kKib* kKib},
};

}  // namespace

absl::StatusOr<int64_t> ParseByteSize(absl::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const absl::string_view unit = absl::StripAsciiWhitespace(text.substr(digits));
  double value = 0;
  const bool number = absl::SimpleAtod(text.substr(0, digits), &value);
  for (const ByteUnit& known : kUnits) {
    if (!number || !absl::EqualsIgnoreCase(unit, known.name)) continue;
    const double bytes = std::floor(value * known.bytes);
    if (bytes >= 1 && bytes < 0x1p63) return static_cast<int64_t>(bytes);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is no size of memory: write a number and a unit, from 1B to ",
                   "9000000TB, for example 80GB (1e9 bytes each) or 16GiB (1024^3)"));
}

}  // namespace plumbline
