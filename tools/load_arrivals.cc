#include "tools/load_arrivals.h"

#include <array>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace plumbline {
namespace {

constexpr double kLeastRate = 1e-6, kMostRate = 1e6;  // requests per second
constexpr int64_t kMostUsers = 100000;

struct ArrivalName {
  absl::string_view name;
  ArrivalKind kind;
  size_t numbers;
};
constexpr std::array<ArrivalName, 6> kArrivalNames = {{{"all", ArrivalKind::kAll, 0},
                                                       {"constant", ArrivalKind::kConstant, 1},
                                                       {"poisson", ArrivalKind::kPoisson, 1},
                                                       {"gamma", ArrivalKind::kGamma, 2},
                                                       {"ramp", ArrivalKind::kRamp, 2},
                                                       {"closed", ArrivalKind::kClosed, 1}}};

absl::Status BadArrivals(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "arrivals \"", text, "\": ", why,
      "; use all, constant:RATE, poisson:RATE, gamma:RATE,BURSTINESS, ramp:FROM,TO, closed:USERS "
      "or trace:FILE"));
}

bool IsRate(double rate) { return rate >= kLeastRate && rate <= kMostRate; }

absl::StatusOr<std::vector<double>> ArrivalNumbers(absl::string_view text,
                                                   absl::string_view arguments) {
  std::vector<double> numbers;
  if (arguments.empty()) return numbers;
  for (const absl::string_view word : absl::StrSplit(arguments, ',')) {
    double number = 0;
    if (!absl::SimpleAtod(word, &number) || !std::isfinite(number)) {
      return BadArrivals(text, absl::StrCat("\"", word, "\" is no number"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

// Puts the numbers where they belong.
absl::Status FillArrivals(const std::vector<double>& numbers, ArrivalSpec* spec) {
  const std::string range = absl::StrCat("a rate lies from ", kLeastRate, " to ", kMostRate);
  if (spec->kind == ArrivalKind::kAll) return absl::OkStatus();
  if (spec->kind == ArrivalKind::kClosed) {
    if (numbers[0] < 1 || numbers[0] > static_cast<double>(kMostUsers) ||
        numbers[0] != std::floor(numbers[0])) {
      return BadArrivals(spec->text, absl::StrCat("users are 1 to ", kMostUsers));
    }
    spec->users = static_cast<int64_t>(numbers[0]);
    return absl::OkStatus();
  }
  if (!IsRate(numbers[0])) return BadArrivals(spec->text, range);
  spec->rate = numbers[0];
  if (spec->kind == ArrivalKind::kRamp) {
    if (!IsRate(numbers[1])) return BadArrivals(spec->text, range);
    spec->end_rate = numbers[1];
  }
  if (spec->kind == ArrivalKind::kGamma) {
    if (!(numbers[1] >= 0.01 && numbers[1] <= 1000)) {
      return BadArrivals(spec->text, "burstiness lies from 0.01 to 1000");
    }
    spec->burstiness = numbers[1];
  }
  return absl::OkStatus();
}

// The moments of a Poisson process whose rate goes evenly from a to b over d seconds: its expected
// number of events by t, a t + (b - a) t^2 / (2 d), solved for sums of unit exponential draws.
std::vector<double> RampTimes(const ArrivalSpec& spec, int64_t count, double seconds,
                              LoadRandom& random) {
  const double a = spec.rate;
  const double b = spec.end_rate;
  const double d = std::isfinite(seconds) ? seconds : 2 * static_cast<double>(count) / (a + b);
  const double curve = (b - a) / (2 * d);
  std::exponential_distribution<double> gap(1);
  std::vector<double> times;
  double expected = 0;
  while (static_cast<int64_t>(times.size()) < count) {
    expected += gap(random);
    // The root that is right for curve = 0 too; past d the rate stays at b.
    const double inside = a * a + 4 * curve * expected;
    const double whole = (a + b) / 2 * d;
    const double time = expected <= whole ? 2 * expected / (a + std::sqrt(std::max(0.0, inside)))
                                          : d + (expected - whole) / b;
    if (time >= seconds) break;
    times.push_back(time);
  }
  return times;
}

}  // namespace

absl::StatusOr<ArrivalSpec> ParseArrivals(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  ArrivalSpec spec;
  spec.text = std::string(text);
  if (parts.first == "trace") {
    spec.kind = ArrivalKind::kTrace;
    spec.path = std::string(parts.second);
    if (spec.path.empty()) return BadArrivals(text, "a trace needs a file");
    return spec;
  }
  for (const ArrivalName& entry : kArrivalNames) {
    if (entry.name != parts.first) continue;
    spec.kind = entry.kind;
    const absl::StatusOr<std::vector<double>> numbers = ArrivalNumbers(text, parts.second);
    if (!numbers.ok()) return numbers.status();
    if (numbers->size() != entry.numbers) {
      return BadArrivals(text, absl::StrCat(entry.name, " takes ", entry.numbers, " numbers, not ",
                                            numbers->size()));
    }
    if (absl::Status status = FillArrivals(*numbers, &spec); !status.ok()) return status;
    return spec;
  }
  return BadArrivals(text, absl::StrCat("\"", parts.first, "\" is no kind of arrivals"));
}

ArrivalSpec AtRate(const ArrivalSpec& spec, double rate) {
  ArrivalSpec other = spec;
  other.rate = rate;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(spec.text, absl::MaxSplits(':', 1));
  other.text = absl::StrCat(parts.first, ":", rate);
  if (spec.kind == ArrivalKind::kGamma) absl::StrAppend(&other.text, ",", spec.burstiness);
  return other;
}

std::vector<double> ArrivalTimes(const ArrivalSpec& spec, int64_t count, double seconds,
                                 LoadRandom& random) {
  if (spec.kind == ArrivalKind::kAll) {
    return std::vector<double>(static_cast<size_t>(count), 0.0);
  }
  if (spec.kind == ArrivalKind::kRamp) return RampTimes(spec, count, seconds, random);
  // Gamma gaps of shape k and scale 1 / (k rate) have the mean 1 / rate.
  std::exponential_distribution<double> exponential(spec.rate);
  std::gamma_distribution<double> gamma(spec.burstiness, 1 / (spec.burstiness * spec.rate));
  std::vector<double> times;
  double time = 0;
  while (static_cast<int64_t>(times.size()) < count) {
    switch (spec.kind) {
      case ArrivalKind::kPoisson:
        time += exponential(random);
        break;
      case ArrivalKind::kGamma:
        time += gamma(random);
        break;
      default:  // a product, so that no error adds up
        time = static_cast<double>(times.size()) / spec.rate;
    }
    if (time >= seconds) break;
    times.push_back(time);
  }
  return times;
}

}  // namespace plumbline
