// Random numbers of load tests. Streams are named by numbers, so that what one request draws never
// depends on how many others there are. The distributions are those of the C++ library in use:
// another library gives other workloads for the same seed.
#ifndef PLUMBLINE_TOOLS_LOAD_RANDOM_H_
#define PLUMBLINE_TOOLS_LOAD_RANDOM_H_

#include <cstdint>
#include <limits>

namespace plumbline {

// A number that depends on both in every bit (the finaliser of SplitMix64, Steele et al. 2014).
inline uint64_t MixSeeds(uint64_t a, uint64_t b) {
  uint64_t z = a + 0x9E3779B97F4A7C15U * (b + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

// A generator as <random> wants one: cheap to begin, so that each request can have its own.
class LoadRandom {
 public:
  using result_type = uint64_t;
  explicit LoadRandom(uint64_t seed) : seed_(seed) {}
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return std::numeric_limits<uint64_t>::max(); }
  uint64_t operator()() { return MixSeeds(seed_, drawn_++); }

 private:
  uint64_t seed_;
  uint64_t drawn_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_RANDOM_H_
