// The parts of the analysis of one model, each in a file by its theme. Internal to scale_analysis;
// each fills its own fields of the findings and reads none that a later one fills.
#ifndef PLUMBLINE_TOOLS_SCALE_PARTS_H_
#define PLUMBLINE_TOOLS_SCALE_PARTS_H_

#include <cstdint>

#include "tools/scale_findings.h"
#include "tools/scale_view.h"

namespace plumbline {

// How far a measured factor may lie from one that is claimed, by the latter's size.
inline constexpr double kFactorReach = 0.125;

// Anchors, memory: `host`. First: lengths stand beside its rate.
void FindHost(const ScaleView& view, int64_t free_memory_bytes, ScaleModelFindings* findings);
// Fits, exponents, lengths, doublings, thresholds.
void FindGrowth(const ScaleView& view, ScaleModelFindings* findings);
// Crossings, for which fits are extrapolated.
void FindCrossings(const ScaleView& view, ScaleModelFindings* findings);
void FindShares(const ScaleView& view, ScaleModelFindings* findings);
void FindVariants(const ScaleView& view, ScaleModelFindings* findings);
void FindContrasts(const ScaleView& view, ScaleModelFindings* findings);
// Exactness, predictions and steadiness.
void FindChecks(const ScaleView& view, ScaleModelFindings* findings);
// The articles' claims, from all of the above: on lengths, and on other sweeps and memory. A claim
// about a factor holds where the measured factor lies within an eighth of it: 3.5 to 4.5 for four.
void JudgeLengthClaims(const ScaleView& view, ScaleModelFindings* findings);
void JudgeSweepClaims(const ScaleView& view, ScaleModelFindings* findings);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_PARTS_H_
