// Pieces of one stretch: apart from each other, in order, and whole where they do not fit.
#include "engine/weight_memory.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "cache/huge_pages.h"
#include "gtest/gtest.h"

namespace plumbline::weight_memory_test {
namespace {

// Writes all of it, so that a sanitizer sees where it ends.
void Fill(const UntouchedArray<std::byte>& piece, int value) {
  std::memset(piece.get(), value, static_cast<size_t>(piece.bytes()));
}

bool HoldsOnly(const UntouchedArray<std::byte>& piece, int value) {
  for (int64_t i = 0; i < piece.bytes(); ++i) {
    if (piece[i] != static_cast<std::byte>(value)) return false;
  }
  return true;
}

TEST(WeightMemoryTest, PiecesFollowEachOtherAndAreApart) {
  WeightMemory memory;
  memory.Reserve(3 * kHugePageBytes);
  std::vector<UntouchedArray<std::byte>> pieces;
  for (const int64_t bytes : {1, 64, 0, 65, 1 << 20, 4096}) {
    pieces.push_back(memory.Take(bytes));
    EXPECT_EQ(pieces.back().bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces.back().get()) % 64, 0);
    Fill(pieces.back(), static_cast<int>(pieces.size()));
  }
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces[0].get()) % kHugePageBytes, 0);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_TRUE(HoldsOnly(pieces[i], static_cast<int>(i) + 1)) << i;
    if (i > 0) {
      const int64_t apart = pieces[i].get() - pieces[i - 1].get();
      EXPECT_EQ(apart, (pieces[i - 1].bytes() + 63) / 64 * 64);
    }
  }
}

TEST(WeightMemoryTest, WhatDoesNotFitHasMemoryOfItsOwn) {
  WeightMemory memory;
  const UntouchedArray<std::byte> without = memory.Take(100);  // nothing was reserved
  Fill(without, 1);
  memory.Reserve(1000);
  const UntouchedArray<std::byte> first = memory.Take(600);
  const UntouchedArray<std::byte> large = memory.Take(600);
  const UntouchedArray<std::byte> last = memory.Take(360);  // 640 are gone
  const UntouchedArray<std::byte> beyond = memory.Take(1);
  Fill(first, 2);
  Fill(large, 3);
  Fill(last, 4);
  Fill(beyond, 5);
  EXPECT_TRUE(HoldsOnly(without, 1) && HoldsOnly(first, 2) && HoldsOnly(large, 3));
  EXPECT_TRUE(HoldsOnly(last, 4) && HoldsOnly(beyond, 5));
  EXPECT_EQ(last.get() - first.get(), 640);
  EXPECT_GE(std::abs(large.get() - first.get()), 1000);
  EXPECT_GE(std::abs(beyond.get() - first.get()), 1000);
}

TEST(WeightMemoryTest, GoesOnWithoutWhatCannotBeReserved) {
  WeightMemory memory;
  memory.Reserve(std::numeric_limits<int64_t>::max());
  const UntouchedArray<std::byte> piece = memory.Take(100);
  Fill(piece, 1);
  EXPECT_TRUE(HoldsOnly(piece, 1));
}

}  // namespace
}  // namespace plumbline::weight_memory_test
