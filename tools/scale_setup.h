// What `plumbline scale` settles before it loads a weight.
#ifndef PLUMBLINE_TOOLS_SCALE_SETUP_H_
#define PLUMBLINE_TOOLS_SCALE_SETUP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/scale.h"
#include "tools/scale_files.h"
#include "tools/scale_measure.h"
#include "tools/scale_sweeps.h"

namespace plumbline {

struct ScaleSetup {
  ScalePlan plan;
  ScaleStudy study;  // settings and planned points, and the progress of an earlier sitting
  ScaleMeasureOptions measure;
  std::string folder;  // where files go; empty: nowhere
};

// The errors of RunScale that come before anything is measured.
absl::StatusOr<ScaleSetup> PrepareScale(const ScaleOptions& options);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_SETUP_H_
