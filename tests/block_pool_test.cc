#include "cache/block_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace plumbline::block_pool_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(BlockPool, AllocatesEachBlockOnce) {
  BlockPool pool(4);
  std::vector<BlockId> blocks;
  ASSERT_TRUE(pool.Allocate(3, &blocks).ok());
  EXPECT_THAT(blocks, ElementsAre(0, 1, 2));
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.num_used(), 3);
  for (const BlockId block : blocks) EXPECT_EQ(pool.RefCount(block), 1);
  EXPECT_EQ(pool.RefCount(3), 0);
  EXPECT_TRUE(pool.CheckInvariants(blocks).ok());
}

TEST(BlockPool, ExhaustionLeavesEverythingAsItWas) {
  BlockPool pool(4);
  std::vector<BlockId> blocks;
  ASSERT_TRUE(pool.Allocate(3, &blocks).ok());
  const absl::Status status = pool.Allocate(2, &blocks);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("2 needed, 1 of 4 free"));
  EXPECT_THAT(blocks, ElementsAre(0, 1, 2));
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_TRUE(pool.CheckInvariants(blocks).ok());
  EXPECT_TRUE(pool.Allocate(0, &blocks).ok());
  EXPECT_TRUE(pool.Allocate(1, &blocks).ok());
}

TEST(BlockPool, SharedBlockIsFreeAfterItsLastReference) {
  std::vector<BlockId> released;
  BlockPool pool(2, [&](BlockId block) { released.push_back(block); });
  std::vector<BlockId> blocks;
  ASSERT_TRUE(pool.Allocate(1, &blocks).ok());
  pool.Ref(blocks[0]);
  EXPECT_EQ(pool.RefCount(blocks[0]), 2);
  const std::vector<BlockId> owners = {blocks[0], blocks[0]};
  EXPECT_TRUE(pool.CheckInvariants(owners).ok());
  pool.Unref(blocks);
  EXPECT_THAT(released, IsEmpty());
  EXPECT_EQ(pool.num_free(), 1);
  pool.Unref(blocks);
  EXPECT_THAT(released, ElementsAre(blocks[0]));
  EXPECT_EQ(pool.num_free(), 2);
  EXPECT_TRUE(pool.CheckInvariants({}).ok());
}

TEST(BlockPool, ReturnedBlocksComeAgainInTheirOrder) {
  BlockPool pool(5);
  std::vector<BlockId> first;
  ASSERT_TRUE(pool.Allocate(3, &first).ok());
  pool.Unref(first);
  std::vector<BlockId> second;
  ASSERT_TRUE(pool.Allocate(5, &second).ok());
  EXPECT_THAT(second, ElementsAre(0, 1, 2, 3, 4));
}

TEST(BlockPool, ObserverSeesABlockBeforeItCanBeAllocated) {
  int free_at_release = -1;
  BlockPool* observed = nullptr;
  BlockPool pool(3, [&](BlockId) { free_at_release = observed->num_free(); });
  observed = &pool;
  std::vector<BlockId> blocks;
  ASSERT_TRUE(pool.Allocate(3, &blocks).ok());
  pool.Unref(absl::MakeConstSpan(blocks).subspan(2));
  EXPECT_EQ(free_at_release, 0);
}

TEST(BlockPool, InvariantsSeeLeaksAndDoubleOwners) {
  BlockPool pool(3);
  std::vector<BlockId> blocks;
  ASSERT_TRUE(pool.Allocate(2, &blocks).ok());
  const std::vector<BlockId> leak = {0};
  const std::vector<BlockId> twice = {0, 1, 1};
  const std::vector<BlockId> free = {0, 1, 2};
  const std::vector<BlockId> unknown = {0, 1, 3};
  const std::vector<BlockId> negative = {0, 1, -1};
  for (const auto* owned : {&leak, &twice, &free, &unknown, &negative}) {
    EXPECT_EQ(pool.CheckInvariants(*owned).code(), absl::StatusCode::kInternal);
  }
  EXPECT_TRUE(pool.CheckInvariants(blocks).ok());
}

TEST(BlockPool, AnEmptyPoolHasNothingToGive) {
  BlockPool pool(0);
  std::vector<BlockId> blocks;
  EXPECT_EQ(pool.Allocate(1, &blocks).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(pool.Allocate(0, &blocks).ok());
  EXPECT_TRUE(pool.CheckInvariants({}).ok());
}

TEST(BlockPool, RandomOperationsKeepTheInvariants) {
  const uint32_t seed = 20240607;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  BlockPool pool(17);
  std::vector<BlockId> owned;
  for (int operation = 0; operation < 10000; ++operation) {
    const size_t before = owned.size();
    switch (random() % 3) {
      case 0: {
        const int count = static_cast<int>(random() % 5);
        const bool fits = count <= pool.num_free();
        ASSERT_EQ(pool.Allocate(count, &owned).ok(), fits);
        ASSERT_EQ(owned.size(), before + (fits ? static_cast<size_t>(count) : 0));
        break;
      }
      case 1:
        if (owned.empty() || owned.size() > 60) break;
        owned.push_back(owned[random() % owned.size()]);
        pool.Ref(owned.back());
        break;
      default:
        if (owned.empty()) break;
        std::swap(owned[random() % owned.size()], owned.back());
        pool.Unref({&owned.back(), 1});
        owned.pop_back();
    }
    const absl::Status status = pool.CheckInvariants(owned);
    ASSERT_TRUE(status.ok()) << status << " after operation " << operation;
  }
  pool.Unref(owned);
  EXPECT_EQ(pool.num_used(), 0);
}

}  // namespace
}  // namespace plumbline::block_pool_test
