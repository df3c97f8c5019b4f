#include "engine/step_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/step_plan.h"

namespace plumbline::step_batch_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void ExpectSpan(const BatchSpan& span, int row, int count, int first, int logit_rows, int table,
                int blocks) {
  EXPECT_EQ(span.row, row);
  EXPECT_EQ(span.count, count);
  EXPECT_EQ(span.first_position, first);
  EXPECT_EQ(span.logit_rows, logit_rows);
  EXPECT_EQ(span.table, table);
  EXPECT_EQ(span.blocks, blocks);
}

// The example of step_batch.h.
TEST(StepBatch, FlattensSpans) {
  StepBatch batch;
  batch.AddSpan({170}, 17, 1, {4, 9});
  batch.AddSpan({20, 21, 22}, 0, 0, {7});
  EXPECT_THAT(batch.token_ids, ElementsAre(170, 20, 21, 22));
  EXPECT_THAT(batch.positions, ElementsAre(17, 0, 1, 2));
  EXPECT_THAT(batch.block_ids, ElementsAre(4, 9, 7));
  ASSERT_EQ(batch.spans.size(), 2u);
  ExpectSpan(batch.spans[0], 0, 1, 17, 1, 0, 2);
  ExpectSpan(batch.spans[1], 1, 3, 0, 0, 2, 1);
  EXPECT_EQ(batch.num_logit_rows, 1);
  EXPECT_EQ(batch.num_tokens(), 4);
  EXPECT_THAT(batch.blocks(batch.spans[0]), ElementsAre(4, 9));
  EXPECT_THAT(batch.blocks(batch.spans[1]), ElementsAre(7));
}

TEST(StepBatch, ClearKeepsTheRoom) {
  StepBatch batch;
  batch.AddSpan({1, 2, 3}, 5, 2, {0, 1});
  const int32_t* at = batch.token_ids.data();
  batch.Clear();
  EXPECT_EQ(batch.num_tokens(), 0);
  EXPECT_EQ(batch.num_logit_rows, 0);
  EXPECT_THAT(batch.spans, IsEmpty());
  EXPECT_THAT(batch.positions, IsEmpty());
  EXPECT_THAT(batch.block_ids, IsEmpty());
  batch.AddSpan({4, 5, 6}, 0, 3, {2});
  EXPECT_EQ(batch.token_ids.data(), at);
  EXPECT_EQ(batch.num_logit_rows, 3);
}

TEST(BuildBatch, TakesTheSpansTokensFromTheirPositions) {
  BlockPool pool(8);
  Sequence a(4);
  a.tokens = {10, 11, 12, 13, 14, 15};
  a.computed_tokens = 5;
  ASSERT_TRUE(a.table.Grow(6, pool).ok());
  Sequence b(4);
  b.tokens = {20, 21, 22, 23, 24};
  b.computed_tokens = 1;
  ASSERT_TRUE(b.table.Grow(4, pool).ok());
  StepPlan plan;
  plan.spans = {{&a, 5, 1, 1}, {&b, 1, 3, 0}};
  EXPECT_EQ(plan.num_tokens(), 4);
  StepBatch batch;
  batch.AddSpan({99}, 0, 1, {7});  // of the step before: must be gone
  BuildBatch(plan, &batch);
  EXPECT_THAT(batch.token_ids, ElementsAre(15, 21, 22, 23));
  EXPECT_THAT(batch.positions, ElementsAre(5, 1, 2, 3));
  EXPECT_THAT(batch.block_ids, ElementsAre(0, 1, 2));
  EXPECT_EQ(batch.num_logit_rows, 1);
  a.table.Clear(pool);
  b.table.Clear(pool);
}

}  // namespace
}  // namespace plumbline::step_batch_test
