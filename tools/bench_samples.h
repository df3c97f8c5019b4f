// What `plumbline bench` measured, and the figures that follow from it. Plain data and pure
// functions.
#ifndef PLUMBLINE_TOOLS_BENCH_SAMPLES_H_
#define PLUMBLINE_TOOLS_BENCH_SAMPLES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "cache/kv_geometry.h"
#include "engine/machine_profile.h"
#include "engine/weight_dtype.h"
#include "engine/work.h"
#include "tools/bench_cases.h"

namespace plumbline {

// One repetition of one test.
struct BenchSample {
  double seconds = 0;  // wall clock of all its steps
  ClassSeconds class_seconds = {};
  // The mean of the limits measured before and after it, and what the test would take at them.
  Anchors limits;
  AttainableTime attainable;
};

// What every repetition of a test counted, beside the formulas.
struct BenchCounts {
  MacCounts macs, formula_macs;
  ByteCounts bytes = {}, formula_bytes = {};

  bool agree() const { return macs == formula_macs && bytes == formula_bytes; }
  bool operator==(const BenchCounts&) const = default;
};

struct BenchResult {
  BenchTest test;
  BenchCounts counts;
  std::vector<BenchSample> samples;  // none: interrupted before the first was whole
};

struct BenchLeftOut {
  BenchTest test;
  std::string reason;
};

// One model as it runs, and what is to run on it.
struct BenchSetup {
  std::string model;  // as OpenModel takes it
  WeightDtype weights = WeightDtype::kF32;
  KvDtype kv_dtype = KvDtype::kF32;
  int threads = 1;
  std::vector<BenchTest> tests;
};

// A setup and its results, in the order of its tests.
struct BenchGroup {
  BenchSetup setup;
  std::string name;  // of the model
  std::string architecture;
  int64_t weight_bytes = 0;  // as they lie in memory; 0: it was not loaded
  int64_t parameters = 0;
  std::string matmul;               // implementations in use
  std::string same_bits_exception;  // model.h
  std::vector<BenchResult> results;
  std::vector<BenchLeftOut> left_out;
};

struct BenchRun {
  std::string cpu;
  int chunk_tokens = 0;
  int block_tokens = 0;
  std::vector<BenchGroup> groups;
  bool interrupted = false;
  absl::Status fault;  // the first that is not for want of means; its tests are left out too
};

// Of one figure over the repetitions. Deviation: of a sample (n - 1), 0 for a single one. All NaN
// for none.
struct BenchSpread {
  double mean, deviation, median, first_quartile, third_quartile;
};
BenchSpread SpreadOf(absl::Span<const double> values);
// The same of what `figure` says of each sample.
BenchSpread SpreadOf(const BenchResult& result,
                     const std::function<double(const BenchSample&)>& figure);

BenchSpread TokensPerSecond(const BenchResult& result);
// Attainable time over measured time: 1 is all that the machine could do. Above 1 where weights and
// cache stay in the caches near the cores, which are faster than the memory's limit.
BenchSpread AttainableShare(const BenchResult& result);
BenchSpread AttainableShareByClass(const BenchResult& result);
// "matmul" or "memory": what bounds the attainable time of most samples; "-" for none.
std::string BenchBound(const BenchResult& result);

// Of one token, all streams' counted.
double BytesPerToken(const BenchResult& result);
double MacsPerToken(const BenchResult& result);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_BENCH_SAMPLES_H_
