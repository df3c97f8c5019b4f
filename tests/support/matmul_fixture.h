// Tests of packed matrices, by the number of threads that multiply them.
#ifndef PLUMBLINE_TESTS_SUPPORT_MATMUL_FIXTURE_H_
#define PLUMBLINE_TESTS_SUPPORT_MATMUL_FIXTURE_H_

#include <memory>
#include <utility>

#include "engine/matmul.h"
#include "gtest/gtest.h"

namespace plumbline {

// The parameter: threads of the context.
class MatmulThreadsTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    auto context = MatmulContext::Create(GetParam());
    ASSERT_TRUE(context.ok()) << context.status();
    context_ = *std::move(context);
  }
  std::unique_ptr<MatmulContext> context_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_MATMUL_FIXTURE_H_
