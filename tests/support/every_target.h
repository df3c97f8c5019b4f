// Tests of kernels, once on every instruction set that was compiled in and runs here: a native
// build has the best one alone, a portable build several.
#ifndef PLUMBLINE_TESTS_SUPPORT_EVERY_TARGET_H_
#define PLUMBLINE_TESTS_SUPPORT_EVERY_TARGET_H_

#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "hwy/targets.h"

namespace plumbline {

// While such a test runs, kernels are those of its parameter.
class EveryTargetTest : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

inline std::string TargetNameOf(const testing::TestParamInfo<int64_t>& test) {
  return hwy::TargetName(test.param);
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_EVERY_TARGET_H_
