// One sequence on a synthetic model, for benchmarks of single steps.
#ifndef PLUMBLINE_BENCH_STEP_RIG_H_
#define PLUMBLINE_BENCH_STEP_RIG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/kv_store.h"
#include "engine/cost_model.h"
#include "engine/model.h"

namespace plumbline {

class StepRig {
 public:
  // Loads the model with a cache for `tokens` tokens. Ends the program with a message where that
  // fails: there is nothing to measure then.
  StepRig(const std::string& model, WeightDtype weights, KvDtype kv, int threads, int tokens);

  // Runs `count` tokens from `position` (what was there before is overwritten) with logits for the
  // last, and returns the seconds it took.
  double Run(int position, int count);
  const StepWork& work() const { return work_; }

 private:
  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> store_;
  std::vector<BlockId> table_;
  std::vector<int32_t> tokens_;
  StepBatch batch_;
  StepWork work_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_BENCH_STEP_RIG_H_
