// Seeded synthetic measurements for tests of statistics, and the exact binomial bound that says
// whether a rate over many data sets can be what it claims to be.
#ifndef PLUMBLINE_TESTS_SUPPORT_NOISY_CURVES_H_
#define PLUMBLINE_TESTS_SUPPORT_NOISY_CURVES_H_

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace plumbline {

// Noise as timings have it: factors around 1, log-normal, now and then an outlier far above.
// The same on every machine: no library distribution.
class Noise {
 public:
  explicit Noise(uint64_t seed) : random_(seed) {}

  double Uniform() { return (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53; }
  double Normal() {  // Box and Muller
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(2 * M_PI * Uniform());
  }
  // Median 1; `spread` is the standard deviation of its logarithm.
  double Factor(double spread) { return std::exp(spread * Normal()); }

 private:
  std::mt19937_64 random_;
};

// P(X <= hits) of a binomial with `trials` trials of chance `rate`.
inline double BinomialAtMost(int64_t hits, int64_t trials, double rate) {
  double sum = 0;
  const auto n = static_cast<double>(trials);
  for (int64_t k = 0; k <= hits; ++k) {
    const auto x = static_cast<double>(k);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) +
                    x * std::log(rate) + (n - x) * std::log1p(-rate));
  }
  return sum;
}

// Below this chance a count is held to contradict the rate it should have.
inline constexpr double kImplausible = 1e-3;

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_NOISY_CURVES_H_
