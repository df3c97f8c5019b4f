// The pictures of a scaling study.
#ifndef PLUMBLINE_TOOLS_SCALE_CHARTS_H_
#define PLUMBLINE_TOOLS_SCALE_CHARTS_H_

#include "tools/chart.h"
#include "tools/scale_report_data.h"

namespace plumbline {

inline constexpr double kAgreementTolerance = 0.1;  // the band around what was predicted

Chart PrefillTimeChart(const ScaleCurves& curves);  // logarithmic both ways: a power is a slope
Chart DecodeTimeChart(const ScaleCurves& curves);   // linear: what grows with context is a slope
Chart MemoryChart(const ScaleCurves& curves);       // logarithmic both ways
Chart ClassSharesChart(const ScaleShares& shares);
Chart ScaleRooflineChart(const ScaleRoofline& roofline);
Chart PredictedMeasuredChart(const ScalePredictions& predictions);
Chart PredictedRatioChart(const ScalePredictions& predictions);

// Predictions that miss by more than the tolerance; those that cannot be compared (not positive,
// not finite) count as missed.
int64_t MissedPredictions(const ScalePredictions& predictions);

// Sum of the terms at `tokens`.
double FitAt(const std::vector<ScaleFitTerm>& fit, double tokens);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_CHARTS_H_
