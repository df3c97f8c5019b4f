#include "cache/prefix_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace plumbline::prefix_index_test {
namespace {

using ::testing::IsEmpty;

constexpr int kBlockTokens = 2;
constexpr int64_t kMany = 1000;

class PrefixIndexTest : public testing::Test {
 protected:
  // A table that holds `tokens`, all of its blocks known.
  BlockTable Fill(const std::vector<int32_t>& tokens) {
    BlockTable table(kBlockTokens);
    EXPECT_TRUE(table.Grow(static_cast<int64_t>(tokens.size()), pool_).ok());
    ChainId chain = 0;
    for (size_t at = 0; (at + 1) * kBlockTokens <= tokens.size(); ++at) {
      const auto block = absl::MakeConstSpan(tokens).subspan(at * kBlockTokens, kBlockTokens);
      chain = index_.Insert(chain, block, table, at);
    }
    return table;
  }
  BlockTable Find(const std::vector<int32_t>& tokens, int64_t most = kMany) {
    BlockTable table(kBlockTokens);
    index_.Acquire(tokens, most, table);
    return table;
  }
  void CheckWith(const std::vector<const BlockTable*>& tables) {
    std::vector<BlockId> owned;
    for (const BlockTable* table : tables) {
      owned.insert(owned.end(), table->blocks().begin(), table->blocks().end());
    }
    index_.AppendOwned(&owned);
    EXPECT_TRUE(pool_.CheckInvariants(owned).ok()) << pool_.CheckInvariants(owned);
    EXPECT_TRUE(index_.CheckInvariants().ok()) << index_.CheckInvariants();
  }

  BlockPool pool_{12};
  PrefixIndex index_{pool_, kBlockTokens};
};

TEST_F(PrefixIndexTest, FindsTheLongestKnownBeginning) {
  BlockTable owner = Fill({1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(index_.num_blocks(), 3);  // the seventh token fills no block
  BlockTable same = Find({1, 2, 3, 4, 5, 6, 7});
  BlockTable shorter = Find({1, 2, 3, 4, 5});
  BlockTable bounded = Find({1, 2, 3, 4, 5, 6}, 1);
  BlockTable other_end = Find({1, 2, 3, 9, 5, 6});
  BlockTable other_start = Find({9, 2, 3, 4});
  EXPECT_EQ(same.blocks(), owner.blocks().subspan(0, 3));
  EXPECT_EQ(shorter.blocks(), owner.blocks().subspan(0, 2));
  EXPECT_EQ(bounded.blocks(), owner.blocks().subspan(0, 1));
  EXPECT_EQ(other_end.blocks(), owner.blocks().subspan(0, 1));
  EXPECT_THAT(other_start.blocks(), IsEmpty());
  EXPECT_EQ(pool_.RefCount(owner.blocks()[0]), 6);  // five tables and the index
  EXPECT_EQ(index_.num_evictable(), 0);
  CheckWith({&owner, &same, &shorter, &bounded, &other_end});
  for (BlockTable* table : {&owner, &same, &shorter, &bounded, &other_end}) index_.Release(*table);
  EXPECT_EQ(index_.num_evictable(), 3);
  EXPECT_EQ(pool_.num_used(), 3);
  CheckWith({});
}

TEST_F(PrefixIndexTest, EqualTokensBehindOthersAreOthers) {
  BlockTable a = Fill({1, 2, 7, 7});
  BlockTable b = Fill({3, 4, 7, 7});
  EXPECT_EQ(index_.num_blocks(), 4);
  BlockTable found = Find({3, 4, 7, 7});
  EXPECT_EQ(found.blocks(), b.blocks());
  for (BlockTable* table : {&a, &b, &found}) index_.Release(*table);
  CheckWith({});
}

TEST_F(PrefixIndexTest, WhatIsThereAlreadyIsKeptOnce) {
  BlockTable first = Fill({1, 2, 3, 4});
  BlockTable second = Fill({1, 2, 3, 4, 5, 6});  // computed beside the first, then told
  EXPECT_EQ(second.blocks().subspan(0, 2), first.blocks());
  EXPECT_EQ(index_.num_blocks(), 3);
  EXPECT_EQ(pool_.num_used(), 3);
  CheckWith({&first, &second});
  // A block whose owner is gone comes back to life likewise.
  index_.Release(first);
  index_.Release(second);
  BlockTable third = Fill({1, 2});
  EXPECT_EQ(pool_.num_used(), 3);
  EXPECT_EQ(index_.num_evictable(), 2);
  CheckWith({&third});
  index_.Release(third);
}

TEST_F(PrefixIndexTest, EvictsTheLeastRecentlyReleasedAndLaterBlocksFirst) {
  BlockTable old = Fill({1, 2, 3, 4});
  BlockTable young = Fill({5, 6, 7, 8});
  index_.Release(old);
  index_.Release(young);
  index_.Evict(1);
  BlockTable found = Find({1, 2, 3, 4});
  EXPECT_EQ(found.blocks().size(), 1U);  // its end went first
  index_.Release(found);                 // and its beginning is now the youngest
  index_.Evict(2);
  EXPECT_THAT(Find({5, 6, 7, 8}).blocks(), IsEmpty());
  BlockTable left = Find({1, 2, 3, 4});
  EXPECT_EQ(left.blocks().size(), 1U);
  EXPECT_EQ(index_.num_evictable(), 0);  // it is in use
  CheckWith({&left});
  index_.Release(left);
}

// The block of an evicted chain is filled anew: what once stood behind it must not be found there.
TEST_F(PrefixIndexTest, AChainThatLostItsBeginningIsNeverFoundAgain) {
  BlockTable a(kBlockTokens);
  ASSERT_TRUE(a.Grow(4, pool_).ok());
  const std::vector<int32_t> start = {1, 2}, end = {3, 4};
  const ChainId chain = index_.Insert(0, start, a, 0);
  index_.Insert(chain, end, a, 1);
  // Somebody keeps the second block alone, while the first goes.
  BlockTable keeper(kBlockTokens);
  pool_.Ref(a.blocks()[1]);
  keeper.Append(a.blocks()[1]);
  index_.Release(a);
  index_.Evict(1);
  BlockTable anew = Fill({1, 2});
  BlockTable found = Find({1, 2, 3, 4});
  EXPECT_EQ(found.blocks().size(), 1U);
  CheckWith({&anew, &found, &keeper});
  for (BlockTable* table : {&anew, &found, &keeper}) index_.Release(*table);
}

TEST(PrefixIndex, GivesBackEverythingAtItsEnd) {
  BlockPool pool(4);
  {
    PrefixIndex index(pool, 1);
    BlockTable table(1);
    ASSERT_TRUE(table.Grow(3, pool).ok());
    const std::vector<int32_t> tokens = {5, 6, 7};
    ChainId chain = 0;
    for (size_t at = 0; at < 3; ++at) {
      chain = index.Insert(chain, absl::MakeConstSpan(tokens).subspan(at, 1), table, at);
    }
    index.Release(table);
    EXPECT_EQ(pool.num_free(), 1);
  }
  EXPECT_EQ(pool.num_free(), 4);
}

// Seeded random operations beside a shadow: what each block holds, told from its position on.
TEST(PrefixIndex, FindsWhatWasWrittenAndNothingElse) {
  constexpr uint32_t kSeed = 5;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  BlockPool pool(30);
  PrefixIndex index(pool, 3);
  std::map<BlockId, std::vector<int32_t>> held;  // block -> all tokens up to its end
  std::vector<std::pair<std::unique_ptr<BlockTable>, std::vector<int32_t>>> live;
  int64_t found_blocks = 0;
  for (int round = 0; round < 4000; ++round) {
    if (!live.empty() && random() % 2 == 0) {
      std::swap(live[random() % live.size()], live.back());
      index.Release(*live.back().first);
      live.pop_back();
    } else {
      std::vector<int32_t> tokens(3 * (1 + random() % 6));
      for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 2);
      auto table = std::make_unique<BlockTable>(3);
      ChainId chain = index.Acquire(tokens, kMany, *table);
      const size_t found = table->blocks().size();
      found_blocks += static_cast<int64_t>(found);
      for (size_t at = 0; at < found; ++at) {
        const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(3 * (at + 1));
        ASSERT_EQ(held[table->blocks()[at]], std::vector<int32_t>(tokens.begin(), end));
      }
      const auto size = static_cast<int64_t>(tokens.size());
      const int64_t missing = table->BlocksToGrow(size) - pool.num_free();
      if (missing > index.num_evictable()) {
        index.Release(*table);
        continue;
      }
      if (missing > 0) index.Evict(missing);
      ASSERT_TRUE(table->Grow(size, pool).ok());
      for (size_t at = found; at < table->blocks().size(); ++at) {
        const auto end = tokens.begin() + static_cast<std::ptrdiff_t>(3 * (at + 1));
        held[table->blocks()[at]] = std::vector<int32_t>(tokens.begin(), end);
        chain = index.Insert(chain, absl::MakeConstSpan(tokens).subspan(3 * at, 3), *table, at);
      }
      live.emplace_back(std::move(table), std::move(tokens));
    }
    ASSERT_TRUE(index.CheckInvariants().ok()) << index.CheckInvariants() << ", round " << round;
    std::vector<BlockId> owned;
    for (const auto& [table, tokens] : live) {
      owned.insert(owned.end(), table->blocks().begin(), table->blocks().end());
    }
    index.AppendOwned(&owned);
    ASSERT_TRUE(pool.CheckInvariants(owned).ok()) << pool.CheckInvariants(owned);
  }
  EXPECT_GT(found_blocks, 1000) << "little was found: the test tests little";
  for (auto& [table, tokens] : live) index.Release(*table);
}

}  // namespace
}  // namespace plumbline::prefix_index_test
