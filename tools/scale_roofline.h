// A study's classes of work below the limits that were measured beside them.
#ifndef PLUMBLINE_TOOLS_SCALE_ROOFLINE_H_
#define PLUMBLINE_TOOLS_SCALE_ROOFLINE_H_

#include "tools/scale_report_data.h"
#include "tools/scale_samples.h"

namespace plumbline {

// The longest prefill and the longest decode step of the model whose prefill has most products:
// medians over repetitions of each class that has products and bytes, and of the anchors. Empty
// where no prefill or decode sweep has samples. Pure.
ScaleRoofline StudyRoofline(const ScaleData& data);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_ROOFLINE_H_
