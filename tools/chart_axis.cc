#include "tools/chart_axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace plumbline {
namespace {

constexpr double kLargest = 1e60;  // differences and ratios of drawable values stay finite
constexpr double kSmallestPositive = 1e-60;
constexpr int kWantedTicks = 6;
constexpr int kMostLogTicks = 9;
constexpr double kSlack = 1e-9;  // for ticks that rounding puts just outside of the range
constexpr std::array<const char*, 11> kPrefixes = {"p", "n", "µ", "m", "", "k",
                                                   "M", "G", "T", "P", "E"};
constexpr int kNoPrefix = 4;  // index of ""
constexpr absl::string_view kTokens = "tokens";
constexpr double kMostPlainTokens = 1e6;

bool IsLog(AxisScale scale) { return scale != AxisScale::kLinear; }

// Seconds and bytes stand on the ticks; longer units would crowd them.
bool TicksCarryUnit(const std::string& unit) { return unit.size() <= 2 && unit != "%"; }

// Index into kPrefixes; out of it where SI has none.
int PrefixOf(double value) {
  if (value == 0) return kNoPrefix;
  return kNoPrefix + static_cast<int>(std::floor(std::log10(std::abs(value)) / 3 + kSlack));
}

bool HasPrefix(int prefix) { return prefix >= 0 && prefix < static_cast<int>(kPrefixes.size()); }

double PrefixFactor(int prefix) { return std::pow(1000.0, prefix - kNoPrefix); }

// 1, 2 or 5 times a power of ten, at least `least`.
double NiceStep(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least * (1 - kSlack)) return factor * power;
  }
  return 10 * power;
}

double StepOf(double low, double high, const std::string& unit) {
  const double least = (high - low) / kWantedTicks;
  // Lengths are powers of two, so ticks are too.
  if (unit == kTokens && least > 8) return std::exp2(std::ceil(std::log2(least) - kSlack));
  return NiceStep(least);
}

void WidenLinear(double& low, double& high) {
  if (low >= 0 && low < 0.5 * high) low = 0;
  if (high <= 0 && high > 0.5 * low) high = 0;
  // Apart by far more than rounding, so that every tick is another number.
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-6 * size || size == 0) {
    low = size == 0 ? 0 : low - 0.5 * size;
    high = size == 0 ? 1 : high + 0.5 * size;
  }
}

void WidenLog(double& low, double& high) {
  constexpr double kLeastRatio = 4;
  constexpr double kPad = 0.04;  // of the range, at either end
  const double middle = (std::log(low) + std::log(high)) / 2;
  const double half = std::max(std::log(high) - std::log(low), std::log(kLeastRatio)) / 2;
  low = std::exp(middle - half * (1 + 2 * kPad));
  high = std::exp(middle + half * (1 + 2 * kPad));
}

void SetRange(const ChartAxis& axis, absl::Span<const double> values, bool whole_ticks,
              AxisLayout& layout) {
  double low = kLargest;
  double high = -kLargest;
  for (const double value : values) {
    if (!IsDrawable(axis.scale, value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) {  // nothing to show
    low = IsLog(axis.scale) ? 1 : 0;
    high = IsLog(axis.scale) ? 10 : 1;
  }
  if (IsLog(axis.scale)) {
    WidenLog(low, high);
  } else {
    WidenLinear(low, high);
    if (whole_ticks) {
      const double step = StepOf(low, high, axis.unit);
      low = std::floor(low / step + kSlack) * step;
      high = std::ceil(high / step - kSlack) * step;
    } else {
      constexpr double kPad = 0.025;  // so that the last marker is not on the edge
      const double pad = kPad * (high - low);
      if (low != 0) low -= pad;
      if (high != 0) high += pad;
    }
  }
  layout.low = axis.low.value_or(low);
  layout.high = axis.high.value_or(high);
  const bool sound = IsDrawable(axis.scale, layout.low) && IsDrawable(axis.scale, layout.high) &&
                     layout.low < layout.high;
  if (!sound) {
    layout.low = low;
    layout.high = high;
  }
}

void AddLinearTicks(const ChartAxis& axis, AxisLayout& layout) {
  const double step = StepOf(layout.low, layout.high, axis.unit);
  const double size = std::max(std::abs(layout.low), std::abs(layout.high));
  const bool exact_tokens = axis.unit == kTokens && size < kMostPlainTokens;
  int prefix = axis.unit.empty() || axis.unit == "%" || exact_tokens ? kNoPrefix : PrefixOf(size);
  if (!HasPrefix(prefix)) prefix = kNoPrefix;
  const double factor = PrefixFactor(prefix);
  const int decimals =
      std::clamp(static_cast<int>(std::ceil(-std::log10(step / factor) - kSlack)), 0, 9);
  const bool plain = size / factor < 1e6 && step / factor > 1e-9;
  const bool prefix_on_title = TicksCarryUnit(axis.unit);
  const double first = std::ceil(layout.low / step - kSlack);
  const double last = std::floor(layout.high / step + kSlack);
  // Counted in integers: far from zero adding 1 to a double may change nothing.
  const int count = static_cast<int>(std::clamp(last - first + 1, 0.0, 4.0 * kWantedTicks));
  for (int k = 0; k < count; ++k) {
    const double i = first + k;
    const double value = i * step;
    std::string label = plain ? absl::StrFormat("%.*f", decimals, value / factor)
                              : absl::StrFormat("%.4g", value / factor);
    if (!prefix_on_title && prefix != kNoPrefix) absl::StrAppend(&label, " ", kPrefixes[prefix]);
    layout.ticks.push_back({value, i == 0 ? "0" : label});
  }
  const std::string unit = absl::StrCat(prefix_on_title ? kPrefixes[prefix] : "", axis.unit);
  layout.title = unit.empty() ? axis.label : absl::StrCat(axis.label, " (", unit, ")");
}

// Powers of the base within the range; between decades also 2 and 5 where there would be few.
void AddLogTicks(const ChartAxis& axis, AxisLayout& layout) {
  const double base = axis.scale == AxisScale::kLog2 ? 2 : 10;
  const double log_base = std::log(base);
  const int first = static_cast<int>(std::ceil(std::log(layout.low) / log_base - kSlack));
  const int last = static_cast<int>(std::floor(std::log(layout.high) / log_base + kSlack));
  const int stride = (last - first) / kMostLogTicks + 1;
  const bool few = base == 10 && last - first < 2;
  for (int power = first - 1; power <= last; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor != 1 && !few) continue;
      const double value = factor * std::pow(base, power);
      const bool inside = value >= layout.low * (1 - kSlack) && value <= layout.high * (1 + kSlack);
      if (inside && (few || power % stride == 0)) {
        layout.ticks.push_back({value, TickLabel(value, axis.unit)});
      }
    }
  }
  const bool on_title = !TicksCarryUnit(axis.unit);
  layout.title = on_title ? absl::StrCat(axis.label, " (", axis.unit, ")") : axis.label;
}

}  // namespace

bool IsDrawable(AxisScale scale, double value) {
  if (!std::isfinite(value)) return false;
  if (IsLog(scale)) return value >= kSmallestPositive && value <= kLargest;
  return std::abs(value) <= kLargest;
}

double AxisLayout::Fraction(double value) const {
  if (IsLog(scale)) return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  return (value - low) / (high - low);
}

std::string TickLabel(double value, const std::string& unit) {
  // Lengths in tokens are powers of two: exact figures, no k that could mean 1024.
  const bool carries = TicksCarryUnit(unit);
  if (!carries && value == std::round(value) && std::abs(value) < kMostPlainTokens &&
      unit == kTokens) {
    return absl::StrFormat("%.0f", value);
  }
  const int prefix = PrefixOf(value);
  if (!HasPrefix(prefix)) return absl::StrFormat("%.3g", value);
  const std::string tail = absl::StrCat(kPrefixes[prefix], carries ? unit : "");
  return absl::StrCat(absl::StrFormat("%.4g", value / PrefixFactor(prefix)),
                      tail.empty() ? "" : " ", tail);
}

AxisLayout LayOutAxis(const ChartAxis& axis, absl::Span<const double> values, bool whole_ticks) {
  AxisLayout layout;
  layout.scale = axis.scale;
  SetRange(axis, values, whole_ticks, layout);
  if (IsLog(axis.scale)) {
    AddLogTicks(axis, layout);
  } else {
    AddLinearTicks(axis, layout);
  }
  if (!axis.ticks.empty()) {
    layout.ticks.clear();
    for (const ChartTick& tick : axis.ticks) {
      const bool inside = IsDrawable(axis.scale, tick.value) && tick.value >= layout.low &&
                          tick.value <= layout.high;
      if (inside) layout.ticks.push_back(tick);
    }
    std::stable_sort(layout.ticks.begin(), layout.ticks.end(),
                     [](const ChartTick& a, const ChartTick& b) { return a.value < b.value; });
  }
  return layout;
}

}  // namespace plumbline
