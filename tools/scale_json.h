// How points of a scale study look in its JSON file; for scale_json.cc and scale_resume.cc.
#ifndef PLUMBLINE_TOOLS_SCALE_JSON_H_
#define PLUMBLINE_TOOLS_SCALE_JSON_H_

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tools/scale_samples.h"

namespace plumbline {

inline constexpr absl::string_view kScaleFormat = "plumbline-scale-1";

nlohmann::ordered_json ScalePointJson(const ScalePoint& point);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_JSON_H_
