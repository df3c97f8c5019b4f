#include "cache/kv_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/block_mover.h"

namespace plumbline::kv_store_test {
namespace {

using ::testing::HasSubstr;

KvGeometry TwoGroups() {
  KvGeometry geometry;
  geometry.block_tokens = 3;
  geometry.groups.push_back({2, 2, 8, 8, KvDtype::kF32});
  geometry.groups.push_back({3, 1, 6, 0, KvDtype::kBf16});
  return geometry;
}

TEST(KvStore, AllocatedBytesEqualTheGeometrys) {
  const auto store = KvStore::Create(TwoGroups(), 5);
  ASSERT_TRUE(store.ok()) << store.status();
  // 3 tokens x (2 layers x 2 heads x 16 x 4 bytes + 3 layers x 6 x 2 bytes) = 3 x (256 + 36).
  EXPECT_EQ((*store)->allocated_bytes(), 5 * 3 * 292);
  EXPECT_EQ((*store)->allocated_bytes(), 5 * (*store)->geometry().BlockBytes());
  EXPECT_EQ((*store)->num_blocks(), 5);
}

TEST(KvStore, BlocksAreDisjointFillTheMappingAndLieLayerByLayer) {
  const auto store = KvStore::Create(TwoGroups(), 5);
  ASSERT_TRUE(store.ok());
  const std::byte* base = (*store)->LayerBlock(0, 0, 0).data();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(base) % 4096, 0u);
  const std::byte* next = base;
  for (int group = 0; group < 2; ++group) {
    const LayerGroup& shape = (*store)->geometry().groups[group];
    for (int layer = 0; layer < shape.layers; ++layer) {
      for (BlockId block = 0; block < 5; ++block) {
        const absl::Span<std::byte> bytes = (*store)->LayerBlock(group, layer, block);
        EXPECT_EQ(bytes.data(), next);
        EXPECT_EQ(static_cast<int64_t>(bytes.size()), 3 * shape.LayerTokenBytes());
        EXPECT_EQ(std::as_const(**store).LayerBlock(group, layer, block).data(), bytes.data());
        next = bytes.data() + bytes.size();
      }
    }
  }
  EXPECT_EQ(next - base, (*store)->allocated_bytes());
}

TEST(KvStore, FreshMemoryIsZeroAndWritable) {
  const auto store = KvStore::Create(TwoGroups(), 2);
  ASSERT_TRUE(store.ok());
  const absl::Span<std::byte> last = (*store)->LayerBlock(1, 2, 1);
  EXPECT_TRUE(std::all_of(last.begin(), last.end(), [](std::byte b) { return b == std::byte{0}; }));
  std::fill(last.begin(), last.end(), std::byte{7});
  EXPECT_EQ(std::as_const(**store).LayerBlock(1, 2, 1).back(), std::byte{7});
}

// Of int8 it is the scales that are NaN: every four bytes of a poisoned block are.
TEST(KvStore, PoisonIsNanInTheScalesOfInt8) {
  KvGeometry geometry;
  geometry.block_tokens = 3;
  geometry.groups.push_back({1, 2, 5, 5, KvDtype::kInt8});
  const auto store = KvStore::Create(geometry, 2);
  ASSERT_TRUE(store.ok());
  (*store)->Poison(1);
  const absl::Span<const std::byte> bytes = (*store)->LayerBlock(0, 0, 1);
  ASSERT_EQ(bytes.size(), 3u * 2 * 2 * (5 + 4));
  for (size_t at = 0; at + sizeof(float) <= bytes.size(); ++at) {
    float scale = 0;
    std::memcpy(&scale, bytes.data() + at, sizeof(scale));
    EXPECT_TRUE(std::isnan(scale)) << at;
  }
}

TEST(KvStore, PoisonIsNanInEveryDtypeAndStaysInItsBlock) {
  for (const KvDtype dtype : {KvDtype::kF32, KvDtype::kF16, KvDtype::kBf16}) {
    SCOPED_TRACE(std::string(KvDtypeName(dtype)));
    KvGeometry geometry;
    geometry.block_tokens = 2;
    geometry.groups.push_back({3, 2, 4, 4, dtype});
    const auto store = KvStore::Create(geometry, 3);
    ASSERT_TRUE(store.ok());
    (*store)->Poison(1);
    for (int layer = 0; layer < 3; ++layer) {
      for (BlockId block = 0; block < 3; ++block) {
        const absl::Span<const std::byte> bytes = (*store)->LayerBlock(0, layer, block);
        const auto width = static_cast<size_t>(KvDtypeBytes(dtype));
        for (size_t at = 0; at < bytes.size(); at += width) {
          uint32_t bits = 0;
          std::memcpy(&bits, bytes.data() + at, width);
          if (block != 1) {
            EXPECT_EQ(bits, 0u);
          } else if (dtype == KvDtype::kF16) {  // all exponent bits, and some of the mantissa's
            EXPECT_TRUE((bits & 0x7C00u) == 0x7C00u && (bits & 0x03FFu) != 0) << bits;
          } else {  // bf16 is the upper half of an f32
            EXPECT_TRUE(std::isnan(std::bit_cast<float>(width == 2 ? bits << 16 : bits))) << bits;
          }
        }
      }
    }
  }
}

// Every byte of block `block`, layer by layer.
std::vector<std::byte> BytesOf(const KvStore& store, BlockId block) {
  std::vector<std::byte> all;
  for (int group = 0; group < 2; ++group) {
    for (int layer = 0; layer < store.geometry().groups[group].layers; ++layer) {
      const absl::Span<const std::byte> bytes = store.LayerBlock(group, layer, block);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
  }
  return all;
}

TEST(KvStore, CopyTakesAllLayersAndTouchesNoOtherBlock) {
  const auto store = KvStore::Create(TwoGroups(), 3);
  const auto host = KvStore::Create(TwoGroups(), 2);  // other sizes lie elsewhere
  ASSERT_TRUE(store.ok() && host.ok());
  int value = 0;
  for (BlockId block = 0; block < 3; ++block) {
    for (int group = 0; group < 2; ++group) {
      for (int layer = 0; layer < (*store)->geometry().groups[group].layers; ++layer) {
        for (std::byte& byte : (*store)->LayerBlock(group, layer, block)) {
          byte = static_cast<std::byte>(++value % 251);
        }
      }
    }
  }
  const auto first = BytesOf(**store, 0), second = BytesOf(**store, 1), third = BytesOf(**store, 2);
  ASSERT_EQ(static_cast<int64_t>(first.size()), TwoGroups().BlockBytes());
  ASSERT_NE(first, second);
  KvBlockMover mover(**store, host->get());
  EXPECT_EQ(mover.host_blocks(), 2);
  EXPECT_EQ(KvBlockMover(**store).host_blocks(), 0);
  mover.SwapOut(1, 0);
  EXPECT_EQ(BytesOf(**host, 0), second);
  EXPECT_NE(BytesOf(**host, 1), second);
  mover.Copy(0, 1);
  EXPECT_EQ(BytesOf(**store, 1), first);
  mover.SwapIn(0, 2);
  EXPECT_EQ(BytesOf(**store, 2), second);
  EXPECT_EQ(BytesOf(**store, 0), first);
  EXPECT_NE(third, second);
}

TEST(KvStore, NoBlocksIsNoError) {
  const auto store = KvStore::Create(TwoGroups(), 0);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->allocated_bytes(), 0);
}

TEST(KvStore, BadGeometryAndOverflowAreInvalid) {
  EXPECT_EQ(KvStore::Create(KvGeometry(), 1).status().code(), absl::StatusCode::kInvalidArgument);
  KvGeometry huge;
  huge.block_tokens = 1 << 12;
  huge.groups.push_back({1 << 16, 1 << 16, 1 << 16, 1 << 16, KvDtype::kF16});  // 2^62 bytes
  ASSERT_TRUE(huge.Validate().ok());
  const auto store = KvStore::Create(huge, 2);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("2 blocks"));
}

TEST(KvStore, MoreThanTheAddressSpaceIsExhaustion) {
  KvGeometry huge;
  huge.block_tokens = 1 << 12;
  huge.groups.push_back({1 << 16, 1 << 16, 1 << 16, 1 << 16, KvDtype::kF16});
  const auto store = KvStore::Create(huge, 1);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("4611686018427387904 bytes needed"));
}

TEST(KvStore, InAFileHoldsWhatIsCopiedAndLeavesNothingBehind) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / absl::StrCat("kv_store_test_", getpid());
  std::filesystem::create_directory(directory);
  const auto memory = KvStore::Create(TwoGroups(), 2);
  ASSERT_TRUE(memory.ok());
  {
    const auto file = KvStore::CreateInFile(TwoGroups(), 3, directory.string());
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->allocated_bytes(), 3 * TwoGroups().BlockBytes());
    (*memory)->Poison(1);
    EXPECT_EQ((*file)->CopyBlock(**memory, 1, 2), TwoGroups().BlockBytes());
    EXPECT_EQ(BytesOf(**file, 2), BytesOf(**memory, 1));
    EXPECT_EQ((*memory)->CopyBlock(**file, 2, 0), TwoGroups().BlockBytes());
    EXPECT_EQ(BytesOf(**memory, 0), BytesOf(**memory, 1));
    EXPECT_TRUE(std::filesystem::is_empty(directory)) << "the file has a name";
  }
  std::filesystem::remove(directory);
  const auto nowhere = KvStore::CreateInFile(TwoGroups(), 3, directory.string());
  EXPECT_EQ(nowhere.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(nowhere.status().message()), HasSubstr(directory.string()));
}

}  // namespace
}  // namespace plumbline::kv_store_test
