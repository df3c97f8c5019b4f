// Measures tests between two limits: limit, test, limit, test, ..., limit. Machines are shared and
// their speed drifts, so that only such ratios mean anything. For `plumbline bench` and bench/.
#ifndef PLUMBLINE_TOOLS_BENCH_MEASURE_H_
#define PLUMBLINE_TOOLS_BENCH_MEASURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/limit_probe.h"
#include "engine/tensor_source.h"
#include "tools/bench_samples.h"
#include "tools/step_rig.h"

namespace plumbline {

struct BenchHow {
  int chunk_tokens = 512;  // prompt tokens of a step
  int block_tokens = 16;
  int repetitions = 5;
  uint64_t seed = 1;            // of the cache's values and the tokens
  bool shuffle_blocks = false;  // else a sequence's blocks follow one another in memory
};

// Asked between steps and while weights are read; true ends the work with Cancelled. May be empty.
using BenchCancelled = std::function<bool()>;

// One model, loaded for some tests. One thread at a time.
class BenchRig {
 public:
  // Errors of StepRig::Create; Cancelled. REQUIRES: `room` holds every test that will run.
  static absl::StatusOr<std::unique_ptr<BenchRig>> Load(const TensorSource& source,
                                                        const BenchSetup& setup,
                                                        const BenchHow& how, const BenchRoom& room,
                                                        BenchCancelled cancelled);

  // The first and the last step of the test: touches pages and compiles what they need.
  absl::Status WarmUp(const BenchTest& test);
  // One repetition. Without limits; `*counts` gets what it counted, and the formulas. Errors of
  // StepRig::Run; Cancelled.
  absl::StatusOr<BenchSample> Run(const BenchTest& test, BenchCounts* counts);

  const Model& model() const { return rig_->model(); }
  const KvStore& store() const { return rig_->store(); }
  const CostShape& shape() const { return rig_->shape(); }
  std::vector<std::vector<SpanShape>> Steps(const BenchTest& test) const {
    return BenchSteps(test, how_.chunk_tokens);
  }

 private:
  BenchRig(std::unique_ptr<StepRig> rig, const BenchHow& how, BenchCancelled cancelled)
      : rig_(std::move(rig)), how_(how), cancelled_(std::move(cancelled)) {}
  absl::Status Stopped() const;

  const std::unique_ptr<StepRig> rig_;
  const BenchHow how_;
  const BenchCancelled cancelled_;
};

Anchors MeanLimits(const Anchors& a, const Anchors& b);

// Warms up, then repeats: what is whole goes into `result.samples`. `after` is called after each
// repetition and may be empty. FailedPrecondition where counts differ between repetitions; errors
// of BenchRig::Run.
absl::Status MeasureBenchTest(BenchRig& rig, AnchorProbe& limits, int repetitions,
                              const std::function<void()>& after, BenchResult& result);

// The tests of a setup that fit its model and the free memory (0: not known), and the room that
// they need; the others go to `left_out`. REQUIRES: `config` is valid.
std::vector<BenchTest> ChooseBenchTests(const ModelConfig& config, const BenchSetup& setup,
                                        const BenchHow& how, int64_t free_bytes, BenchRoom* room,
                                        std::vector<BenchLeftOut>& left_out);

// A source whose reads end with Cancelled where `cancelled` says so. `source` is not owned.
std::unique_ptr<TensorSource> Cancellable(const TensorSource& source, BenchCancelled cancelled);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_BENCH_MEASURE_H_
