// Steps of the loaded model as anchors: what they take at the moment, beside what is predicted of
// them. Matmul and memory rates carry a profile to another minute; what a profile has wrong, or a
// minute does to long steps alone, only steps show. Near capacity a queue makes several times that
// of it.
#ifndef PLUMBLINE_TOOLS_LOAD_REFERENCE_H_
#define PLUMBLINE_TOOLS_LOAD_REFERENCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/cost_model.h"
#include "engine/model.h"
#include "engine/step_time.h"
#include "engine/work.h"
#include "tools/load_anchors.h"
#include "tools/load_record.h"
#include "tools/step_rig.h"

namespace plumbline {

// Steps of 2, 8 and 32 streams that decode at `position`, and of 16 beside a prompt of 240 tokens;
// cut to what the options, the context and a cache of `blocks` blocks allow, and without those that
// do not fit it at all. Each has more rows than the one before.
// REQUIRES: context > 0, position >= 0, blocks >= 0.
std::vector<ReferenceStep> ChooseReferenceSteps(const ModelOptions& options, int64_t context,
                                                int64_t position, int64_t blocks);

// Runs them on a cache of its own. One thread at a time; not while the model runs other steps.
class ReferenceRunner {
 public:
  // `model` is not owned. Errors of KvStore::Create.
  static absl::StatusOr<std::unique_ptr<ReferenceRunner>> Create(
      Model& model, const std::vector<ReferenceStep>& steps);
  // Each step once: what its classes of work took. Errors of Model::Forward.
  absl::StatusOr<std::vector<ClassSeconds>> Run();

 private:
  ReferenceRunner() = default;

  std::vector<std::vector<SpanShape>> steps_;
  std::unique_ptr<StepRig> rig_;
};

// How many times their prediction the classes of reference steps took in a run, by their rows: all
// their time over all that was predicted, since what a host takes away now and then a run loses,
// too. Classes stand apart because their shares differ between a reference step and another one of
// as many rows. Immutable.
class StepScale {
 public:
  // Predictions are at the rates that the machine had at each mark. Marks that lack a step count
  // for nothing. REQUIRES: `steps` ascend in rows.
  StepScale(const AnchoredProfile& profile, const CostShape& shape,
            absl::Span<const ReferenceStep> steps, absl::Span<const AnchorMark> marks);

  // Of a step of `rows` rows: its predicted seconds, class by class times what that took of its
  // prediction; between two reference steps straight over the logarithm of rows, outside of them as
  // the nearer. As predicted where there are none. REQUIRES: rows > 0.
  double Seconds(const StepTime& predicted, int64_t rows) const;
  // Of whole reference steps: "0.98 at 8 rows, 1.04 at 128"; empty where there are none.
  std::string ToString() const;

 private:
  struct Point {
    int64_t rows = 0;
    double whole = 1;           // times its prediction
    ClassSeconds classes = {};  // the same of each
  };
  std::vector<Point> points_;  // by rows
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_REFERENCE_H_
