#include "tools/interrupt.h"

#include <unistd.h>

#include <csignal>

#include "gtest/gtest.h"

namespace plumbline::interrupt_test {
namespace {

class InterruptTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(sigaction(SIGINT, nullptr, &before_), 0);
    ExitOnInterrupt();
  }
  void TearDown() override { EXPECT_EQ(sigaction(SIGINT, &before_, nullptr), 0); }

 private:
  struct sigaction before_ = {};
};

TEST_F(InterruptTest, TheFirstIsTakenDown) {
  const InterruptScope scope;
  EXPECT_FALSE(scope.interrupted());
  ASSERT_EQ(raise(SIGINT), 0);
  EXPECT_TRUE(scope.interrupted());
}

// What runs may keep data below the top of its own stack.
TEST_F(InterruptTest, HandlesOnAStackOfItsOwn) {
  struct sigaction action = {};
  ASSERT_EQ(sigaction(SIGINT, nullptr, &action), 0);
  EXPECT_NE(action.sa_flags & SA_ONSTACK, 0);
  stack_t stack = {};
  ASSERT_EQ(sigaltstack(nullptr, &stack), 0);
  EXPECT_EQ(stack.ss_flags & SS_DISABLE, 0);
  EXPECT_GE(static_cast<long>(stack.ss_size), sysconf(_SC_MINSIGSTKSZ));
}

}  // namespace
}  // namespace plumbline::interrupt_test
