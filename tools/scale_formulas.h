// The catalogue's formulas at the shape of a model, for the analysis of a scaling study.
#ifndef PLUMBLINE_TOOLS_SCALE_FORMULAS_H_
#define PLUMBLINE_TOOLS_SCALE_FORMULAS_H_

#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/cost_model.h"

namespace plumbline {

// Values of symbols that the shape does not have, or has otherwise: {"n", 1024}.
using FormulaValues = std::vector<std::pair<absl::string_view, double>>;

// The formula's value where its names mean the shape's L, d, h, g, e, F, m, vocab, b_w, b_c (b is
// b_c), weights (D_WEIGHTS), and `more`, which goes first. NaN where a name is missing or there is
// no such formula.
double FormulaAt(absl::string_view id, const CostShape& shape, const FormulaValues& more = {});

// Products of attention's core, projections and feed-forward in all layers of a causal prefill of n
// tokens (D_CORE_MAC, D_PROJ_MAC, D_FFN_MAC), and three operations for each score (D_SOFTMAX_OPS).
struct LayerWork {
  double core;
  double projections;
  double feed_forward;
  double softmax_operations;

  double products() const { return core + projections + feed_forward; }
};
LayerWork CausalPrefillWork(const CostShape& shape, double n);
// The same of one decode step at context t.
LayerWork DecodeWork(const CostShape& shape, double t);

// The first whole x from 1 to 2^30 with rising(x) >= 0, for a function that changes sign once.
// Infinite where there is none.
double FirstFrom(const std::function<double(double)>& rising);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_FORMULAS_H_
