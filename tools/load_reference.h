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
#include "tools/load_anchors.h"
#include "tools/load_record.h"
#include "tools/step_rig.h"

namespace plumbline {

// Steps of 2, 8 and 32 streams that decode, and of 16 beside a prompt of 240 tokens, as a load's
// steps are; cut to what the options and the context allow, and without those for which a cache of
// `blocks` blocks is too small. Each has more rows than the one before. REQUIRES: context > 0.
std::vector<ReferenceStep> ChooseReferenceSteps(const ModelOptions& options, int64_t context,
                                                int64_t blocks);

// Runs them on a cache of its own. One thread at a time; not while the model runs other steps.
class ReferenceRunner {
 public:
  // `model` is not owned. Errors of KvStore::Create.
  static absl::StatusOr<std::unique_ptr<ReferenceRunner>> Create(
      Model& model, const std::vector<ReferenceStep>& steps);
  // Each step once: what it took. Errors of Model::Forward.
  absl::StatusOr<std::vector<double>> Run();

 private:
  ReferenceRunner() = default;

  std::vector<std::vector<SpanShape>> steps_;
  std::unique_ptr<StepRig> rig_;
};

// How many times their prediction reference steps took in a run, by their rows. Immutable.
class StepScale {
 public:
  // Predictions are at the rates that the machine had at each mark. Marks that lack a time for a
  // step count for nothing. REQUIRES: `steps` ascend in rows.
  StepScale(const AnchoredProfile& profile, const CostShape& shape,
            absl::Span<const ReferenceStep> steps, absl::Span<const AnchorMark> marks);

  // Between two steps straight over the logarithm of rows, outside of them as the nearer; 1 where
  // there are none. REQUIRES: rows > 0.
  double At(int64_t rows) const;
  // "0.98 at 8 rows, 1.04 at 128"; empty where there are none.
  std::string ToString() const;

 private:
  struct Point {
    int64_t rows;
    double times;
  };
  std::vector<Point> points_;  // by rows
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_REFERENCE_H_
