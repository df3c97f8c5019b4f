// Laps add up to the whole, whatever the clock says.
#include "engine/step_clock.h"

#include <gtest/gtest.h>

#include <cstddef>

namespace plumbline::step_clock_test {
namespace {

// A clock that shows 0, 1, 4, 9, 16, ... seconds: every lap is of another length.
double SquareClock() {
  static int reading = 0;
  const int value = reading++;
  return static_cast<double>(value) * value;
}

double Of(const ClassSeconds& seconds, WorkClass work_class) {
  return seconds[static_cast<size_t>(work_class)];
}

TEST(StepClockTest, LapsGoToTheirClassesAndAddUp) {
  const double start = SquareClock();
  ClassSeconds seconds = {};
  StepClock clock(&seconds, &SquareClock);  // start + 1 lap
  clock.Lap(WorkClass::kOther);             // 4 - 1
  clock.Lap(WorkClass::kHead);              // 9 - 4
  clock.Lap(WorkClass::kOther);             // 16 - 9
  AttentionTicks ticks;
  ticks.Add(1, 2, 6);
  clock.LapAttention(ticks);  // 25 - 16
  EXPECT_EQ(start, 0);
  EXPECT_DOUBLE_EQ(Of(seconds, WorkClass::kOther), 10);
  EXPECT_DOUBLE_EQ(Of(seconds, WorkClass::kHead), 5);
  EXPECT_DOUBLE_EQ(Of(seconds, WorkClass::kScores), 1);
  EXPECT_DOUBLE_EQ(Of(seconds, WorkClass::kSoftmax), 2);
  EXPECT_DOUBLE_EQ(Of(seconds, WorkClass::kWeightedValues), 6);
  EXPECT_DOUBLE_EQ(Total(seconds), 24);
  clock.LapAttention(AttentionTicks());  // 36 - 25, and nobody to share it
  EXPECT_DOUBLE_EQ(Of(seconds, WorkClass::kScores), 12);
  EXPECT_DOUBLE_EQ(Total(seconds), 35);
}

TEST(StepClockTest, RealLapsAreNeverNegativeAndAddUp) {
  ClassSeconds seconds = {};
  const double before = SteadySeconds();
  StepClock clock(&seconds);
  for (int i = 0; i < 1000; ++i) clock.Lap(static_cast<WorkClass>(i % kNumWorkClasses));
  const double after = SteadySeconds();
  for (const double lap : seconds) EXPECT_GE(lap, 0);
  EXPECT_LE(Total(seconds), after - before + 1e-9);
}

TEST(AttentionTicksTest, CountUpAndSum) {
  AttentionTicks ticks;
  ticks.Start();
  const int64_t start = ReadTicks();
  ticks.LapScores();
  ticks.LapKeysAndValues();
  ticks.LapSoftmax();
  ticks.LapValues();
  const int64_t end = ReadTicks();
  EXPECT_LE(start, end);
  AttentionTicks sum = ticks;
  sum += ticks;
  EXPECT_EQ(sum.scores(), 2 * ticks.scores());
  EXPECT_EQ(sum.softmax(), 2 * ticks.softmax());
  EXPECT_EQ(sum.values(), 2 * ticks.values());
  EXPECT_GE(ticks.scores(), 0);
  EXPECT_GT(ticks.scores() + ticks.softmax() + ticks.values(), 0);
  ticks.Reset();
  EXPECT_EQ(ticks.scores() + ticks.softmax() + ticks.values(), 0);
}

}  // namespace
}  // namespace plumbline::step_clock_test
