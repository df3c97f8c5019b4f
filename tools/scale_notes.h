// What stands below a scale study's findings: what was left out, whether counters and formulas
// agree, and where the samples are.
#ifndef PLUMBLINE_TOOLS_SCALE_NOTES_H_
#define PLUMBLINE_TOOLS_SCALE_NOTES_H_

#include <string>

#include "tools/count_agreement.h"
#include "tools/scale_files.h"

namespace plumbline {

// Measured counts beside formulas: of every sample products, executed products and bytes by class,
// and softmax pairs.
CountAgreement CompareWithFormulas(const ScaleData& data);

// Lines of at most 80 columns. `folder`: where files went; empty: nowhere.
std::string ScaleNotes(const ScaleStudy& study, const std::string& folder);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_NOTES_H_
