#include "cache/block_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace plumbline::block_table_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BlockTable, GrowsByWholeBlocks) {
  BlockPool pool(10);
  BlockTable table(4);
  const struct {
    int64_t tokens;
    size_t blocks;
  } cases[] = {{0, 0}, {1, 1}, {4, 1}, {5, 2}, {8, 2}, {9, 3}, {1, 3}};
  for (const auto& c : cases) {
    ASSERT_TRUE(table.Grow(c.tokens, pool).ok());
    EXPECT_EQ(table.blocks().size(), c.blocks) << c.tokens << " tokens";
    EXPECT_EQ(table.capacity_tokens(), static_cast<int64_t>(c.blocks) * 4);
    EXPECT_TRUE(pool.CheckInvariants(table.blocks()).ok());
  }
}

TEST(BlockTable, SaysWhatGrowWouldTake) {
  BlockPool pool(10);
  BlockTable table(4);
  ASSERT_TRUE(table.Grow(6, pool).ok());
  EXPECT_EQ(table.BlocksToGrow(3), 0);
  EXPECT_EQ(table.BlocksToGrow(8), 0);
  EXPECT_EQ(table.BlocksToGrow(9), 1);
  EXPECT_EQ(table.BlocksToGrow(40), 8);
}

TEST(BlockTable, FailedGrowthTakesNothing) {
  BlockPool pool(3);
  BlockTable table(4);
  ASSERT_TRUE(table.Grow(5, pool).ok());
  EXPECT_EQ(table.Grow(17, pool).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(table.blocks().size(), 2u);
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_TRUE(table.Grow(12, pool).ok());
}

TEST(BlockTable, TruncateKeepsTheBlocksOfTheFirstTokens) {
  BlockPool pool(6);
  BlockTable table(4);
  ASSERT_TRUE(table.Grow(24, pool).ok());
  table.Truncate(24, pool);
  EXPECT_EQ(table.blocks().size(), 6u);
  table.Truncate(9, pool);
  EXPECT_THAT(table.blocks(), ElementsAre(0, 1, 2));
  table.Truncate(8, pool);
  EXPECT_THAT(table.blocks(), ElementsAre(0, 1));
  EXPECT_EQ(pool.num_free(), 4);
  table.Clear(pool);
  EXPECT_THAT(table.blocks(), IsEmpty());
  EXPECT_TRUE(pool.CheckInvariants({}).ok());
}

TEST(BlockTable, BlocksOfOneToken) {
  BlockPool pool(3);
  BlockTable table(1);
  ASSERT_TRUE(table.Grow(3, pool).ok());
  EXPECT_THAT(table.blocks(), ElementsAre(0, 1, 2));
  table.Truncate(1, pool);
  EXPECT_THAT(table.blocks(), ElementsAre(0));
  table.Clear(pool);
}

TEST(BlockTable, LargestCountsDoNotOverflow) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  BlockPool pool(2);
  BlockTable table(16);
  EXPECT_EQ(table.BlocksToGrow(kMax), kMax / 16 + 1);
  EXPECT_EQ(table.Grow(kMax, pool).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(pool.num_free(), 2);
}

TEST(BlockTable, ReserveTakesNoBlocks) {
  BlockPool pool(4);
  BlockTable table(4);
  table.Reserve(16);
  EXPECT_EQ(table.capacity_tokens(), 0);
  EXPECT_EQ(pool.num_free(), 4);
  ASSERT_TRUE(table.Grow(1, pool).ok());
  const BlockId* at = table.blocks().data();
  ASSERT_TRUE(table.Grow(16, pool).ok());
  EXPECT_EQ(table.blocks().data(), at) << "Grow moved the ids though there was room for them";
  table.Clear(pool);
}

}  // namespace
}  // namespace plumbline::block_table_test
