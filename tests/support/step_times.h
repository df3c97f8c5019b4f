// What tests of predicted step times share.
#ifndef PLUMBLINE_TESTS_SUPPORT_STEP_TIMES_H_
#define PLUMBLINE_TESTS_SUPPORT_STEP_TIMES_H_

#include <cstddef>

#include "engine/step_time.h"
#include "gtest/gtest.h"

namespace plumbline {

// A small model, each of whose classes has work.
inline CostShape StepTimeShape() {
  CostShape s;
  s.L = 3;
  s.d = 256;
  s.h = s.g = 4;
  s.e = 64;
  s.F = 512;
  s.m = 3;
  s.V = 1000;
  s.embedding_elements = s.d;
  return s;
}

inline const ClassTime& Of(const StepTime& time, WorkClass c) {
  return time.classes[static_cast<size_t>(c)];
}

// But for rounding: of sums of some hundred terms in double precision.
inline void ExpectClose(double actual, double expected) {
  EXPECT_NEAR(actual, expected, 1e-9 * expected);
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_STEP_TIMES_H_
