// A study's classes of work below the limits that were measured beside them.
#ifndef PLUMBLINE_TOOLS_SCALE_ROOFLINE_H_
#define PLUMBLINE_TOOLS_SCALE_ROOFLINE_H_

#include <vector>

#include "tools/scale_files.h"
#include "tools/scale_report_data.h"

namespace plumbline {

// The longest prefill and the longest decode step of the model whose prefill has most products:
// medians over repetitions of each class that has products and bytes, and of the anchors. A ceiling
// for each numeric type that they ran in: the weights' own (of q4: int8, in which it multiplies),
// and attention's, bf16 in tiles and f32 in vectors; f32's where the study has no other's rate.
// Empty where no prefill or decode sweep has samples. Pure.
ScaleRoofline StudyRoofline(const ScaleStudy& study);

// Those types, f32 aside, over all points. Pure.
std::vector<WeightDtype> DtypesBesideF32(const ScaleData& data);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_ROOFLINE_H_
