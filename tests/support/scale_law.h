// Scaling studies made from known laws, for tests of their analysis.
#ifndef PLUMBLINE_TESTS_SUPPORT_SCALE_LAW_H_
#define PLUMBLINE_TESTS_SUPPORT_SCALE_LAW_H_

#include <cstdint>
#include <functional>
#include <string>

#include "tools/scale_samples.h"

namespace plumbline {

// A machine whose classes take exactly these times for each product, and then noise.
struct ScaleLaw {
  double seconds_per_mac = 1e-11;       // projections, feed-forward, head
  double seconds_per_core_mac = 1e-11;  // scores and weighted values
  double seconds_per_softmax_pair = 5e-10;
  double other_seconds_per_token = 1e-6;
  double spread = 0.02;     // of the logarithm: of each sample, and of each class in it
  double drift = 0;         // relative, from the first repetition to the last
  double outlier_rate = 0;  // of samples that take three times as long
  int repetitions = 9;
  uint64_t seed = 1;
};

// GPT-2 Small without a vocabulary, so that a pass is layers alone: 12 layers of 768, 12 heads.
CostShape SmallShape();

// A study whose times follow the law and whose counts are those of the cost model.
class LawStudy {
 public:
  explicit LawStudy(const ScaleLaw& law) : law_(law) {}

  // A point with all its repetitions, `factor` times as slow as the law. Returns it for changes.
  ScalePoint& Add(ScaleSweep sweep, const CostShape& shape, int64_t tokens, bool decode,
                  double factor = 1, int64_t streams = 1);
  // Prefills and decode steps of 128 to `longest` tokens, doubling.
  void AddMainSweeps(const CostShape& shape, int64_t longest);

  std::string model = "synthetic:gpt2-small";
  ScaleData data;

 private:
  ScaleLaw law_;
};

// A study of everything: main sweeps up to `longest` tokens, variants, counter-examples.
LawStudy WholeStudy(int64_t longest);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SCALE_LAW_H_
