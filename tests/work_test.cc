#include "engine/work.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace plumbline::work_test {
namespace {

constexpr auto kFfn = static_cast<size_t>(WorkClass::kFeedForward);
constexpr auto kHead = static_cast<size_t>(WorkClass::kHead);

// Rows 0; 1 to 3; 4 and 5.
StepBatch ThreeSpans() {
  StepBatch batch;
  batch.AddSpan({1}, 7, 1, {0});
  batch.AddSpan({2, 3, 4}, 0, 0, {1});
  batch.AddSpan({5, 6}, 2, 1, {2});
  return batch;
}

TEST(StepWork, RowsGoToTheSpansTheyBelongTo) {
  const StepBatch batch = ThreeSpans();
  const struct {
    int row, rows;
    int64_t expected[3];
  } cases[] = {{0, 6, {10, 30, 20}}, {0, 1, {10, 0, 0}}, {1, 1, {0, 10, 0}},  {3, 2, {0, 10, 10}},
               {2, 2, {0, 20, 0}},   {5, 1, {0, 0, 10}}, {0, 4, {10, 30, 0}}, {4, 0, {0, 0, 0}}};
  for (const auto& c : cases) {
    SCOPED_TRACE(testing::Message() << c.rows << " rows from " << c.row);
    StepWork work;
    work.Reset(3);
    work.AddRows(WorkClass::kFeedForward, batch, c.row, c.rows, 10);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(work.spans[i].useful[kFfn], c.expected[i]);
      EXPECT_EQ(work.spans[i].executed[kFfn], c.expected[i]);
      EXPECT_EQ(work.spans[i].TotalUseful(), c.expected[i]);
    }
  }
}

TEST(StepWork, RowsDoneTwiceCountTwiceAndPaddingIsExecutedOnly) {
  const StepBatch batch = ThreeSpans();
  StepWork work;
  work.Reset(3);
  work.AddRows(WorkClass::kHead, batch, 5, 1, 7);
  work.AddRows(WorkClass::kHead, batch, 5, 4, 7);  // rows 6 to 8 do not exist
  EXPECT_EQ(work.spans[2].useful[kHead], 14);
  EXPECT_EQ(work.spans[2].executed[kHead], 14 + 21);
  work.AddRows(WorkClass::kHead, batch, 8, 2, 7);
  EXPECT_EQ(work.spans[2].executed[kHead], 14 + 21 + 14);
  EXPECT_EQ(work.TotalMacs().TotalUseful(), 14);
  EXPECT_EQ(work.TotalMacs().TotalExecuted(), 49);
}

TEST(StepWork, ResetForgetsEverything) {
  const StepBatch batch = ThreeSpans();
  StepWork work;
  work.Reset(3);
  work.AddRows(WorkClass::kHead, batch, 0, 6, 7);
  work.bytes[kHead] = 5;
  work.Reset(2);
  EXPECT_EQ(work.spans.size(), 2u);
  EXPECT_EQ(work.TotalMacs(), MacCounts());
  EXPECT_EQ(Total(work.bytes), 0);
}

TEST(MacCounts, AddClassByClass) {
  MacCounts a;
  a.useful = {1, 2, 3, 4, 5, 6};
  a.executed = {10, 20, 30, 40, 50, 60};
  MacCounts b = a;
  b += a;
  EXPECT_EQ(b.useful[4], 10);
  EXPECT_EQ(b.executed[5], 120);
  EXPECT_EQ(b.TotalUseful(), 42);
  EXPECT_EQ(b.TotalExecuted(), 420);
  EXPECT_NE(a, b);
}

TEST(WorkClass, NamesAreDistinct) {
  std::set<std::string> names;
  for (int i = 0; i < kNumWorkClasses; ++i) {
    names.insert(std::string(WorkClassName(static_cast<WorkClass>(i))));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kNumWorkClasses));
  EXPECT_EQ(WorkClassName(WorkClass::kWeightedValues), "weighted values");
}

}  // namespace
}  // namespace plumbline::work_test
