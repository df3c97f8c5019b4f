// Every raw sample of a scale study in files: JSON, from which a study goes on, and CSV.
#ifndef PLUMBLINE_TOOLS_SCALE_FILES_H_
#define PLUMBLINE_TOOLS_SCALE_FILES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/scale_samples.h"

namespace plumbline {

// The rate of one large matmul, over that of the same matmul in f32 measured in turn with it: what
// takes the anchors, which are f32's, to other numeric types.
struct MatmulOverF32 {
  WeightDtype dtype = WeightDtype::kBf16;
  double ratio = 0;

  bool operator==(const MatmulOverF32&) const = default;
};

// A study, as far as it went.
struct ScaleStudy {
  // What was asked for and where, {name, value}, as a user would write them: two studies whose
  // settings are equal measure the same points in the same way.
  std::vector<std::pair<std::string, std::string>> settings;
  double elapsed_seconds = 0;          // measuring and loading, over all sittings
  std::vector<int64_t> finished_runs;  // indices of ScalePlan::runs, ascending
  int64_t settled_points = 0;          // points that were planned, or that a finished run added
  std::vector<std::string> left_out;   // what could not be measured, and why
  std::string same_bits_exception;     // as Model says, of the last model loaded here
  std::vector<MatmulOverF32> matmuls;  // of the types that ran, f32 aside; none: not measured
  ScaleData data;
};

inline constexpr absl::string_view kScaleJsonFile = "samples.json";
inline constexpr absl::string_view kScaleCsvFile = "samples.csv";

// One JSON object: settings, points, and samples that refer to points by index. Numbers are
// written so that they come back bit for bit.
std::string ScaleJson(const ScaleStudy& study);
// One line for each sample, its point beside it; the first line names the columns.
std::string ScaleCsv(const ScaleStudy& study);

// Takes the progress (samples, elapsed seconds, finished runs, what was left out) that `text` holds
// into `study`, whose settings and points are those of the run that wants to go on.
// InvalidArgument, with `name` in it, where the text is no study, or is one of other settings (the
// first that differs is named) or points; `study` is unchanged then.
absl::Status ResumeScale(absl::string_view text, const std::string& name, ScaleStudy& study);

// Both files, in a folder that is made where it is missing; each takes the place of an older one
// only once it is whole. Errors of ReplacingFile, and Unknown where the folder cannot be made.
absl::Status WriteScaleFiles(const std::string& folder, const ScaleStudy& study);
// The JSON file of the folder. NotFound, and ResourceExhausted for more than 1 GiB.
absl::StatusOr<std::string> ReadScaleFile(const std::string& folder);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_FILES_H_
