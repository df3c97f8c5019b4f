// What the 4 bits of a row stand for, in double.
#ifndef PLUMBLINE_TESTS_SUPPORT_Q4_WEIGHTS_H_
#define PLUMBLINE_TESTS_SUPPORT_Q4_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/q4_rows.h"

namespace plumbline {

// s x q of one input.
inline int Q4Weight(const Q4Row& row, int64_t input) {
  return row.values[static_cast<size_t>(input)] *
         row.scales[static_cast<size_t>(input / kQ4BlockInputs)];
}

// Of what `row` holds for w.
inline double SquareError(const std::vector<float>& w, const Q4Row& row) {
  double error = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const double lost =
        w[i] - static_cast<double>(row.scale) * Q4Weight(row, static_cast<int64_t>(i));
    error += lost * lost;
  }
  return error;
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_Q4_WEIGHTS_H_
