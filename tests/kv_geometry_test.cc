#include "cache/kv_geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace plumbline::kv_geometry_test {
namespace {

using ::testing::HasSubstr;

constexpr int kMax = std::numeric_limits<int>::max();

KvGeometry OneGroup(int layers, int kv_heads, int width, KvDtype dtype, int block_tokens) {
  KvGeometry geometry;
  geometry.block_tokens = block_tokens;
  geometry.groups.push_back({layers, kv_heads, width, width, dtype});
  return geometry;
}

// D_KV_BYTES: 2 L g e t b, D_KV_PAGED_BYTES: 2 L g e b page ceil(t / page), worked out by hand.
TEST(KvGeometry, BytesAreTheFormulas) {
  const KvGeometry gpt2 = OneGroup(12, 12, 64, KvDtype::kF32, 16);
  ASSERT_TRUE(gpt2.Validate().ok());
  EXPECT_EQ(gpt2.TokenBytes(), 73728);    // 2 * 12 * 12 * 64 * 4
  EXPECT_EQ(gpt2.BlockBytes(), 1179648);  // 16 of them
  const KvGeometry tiny_llama = OneGroup(22, 4, 64, KvDtype::kBf16, 100);
  EXPECT_EQ(tiny_llama.TokenBytes(), 22528);  // 2 * 22 * 4 * 64 * 2
  EXPECT_EQ(tiny_llama.BlockBytes(), 2252800);
  EXPECT_EQ(tiny_llama.groups[0].LayerTokenBytes(), 1024);
  EXPECT_EQ(OneGroup(1, 1, 1, KvDtype::kF16, 1).TokenBytes(), 4);
  // D_KV_QUANT_BYTES with bits = 8, group = e and scale_bytes = 4: 2 * 22 * 4 * (64 + 4).
  EXPECT_EQ(OneGroup(22, 4, 64, KvDtype::kInt8, 16).TokenBytes(), 11968);
  EXPECT_EQ(KvRowBytes(KvDtype::kInt8, 0), 0);  // values that are part of the keys
}

TEST(KvGeometry, GroupsAddUp) {
  KvGeometry geometry = OneGroup(2, 3, 8, KvDtype::kF32, 4);  // 2 * 3 * 16 * 4 = 384
  geometry.groups.push_back({5, 1, 12, 0, KvDtype::kBf16});   // values in the keys: 5 * 12 * 2
  ASSERT_TRUE(geometry.Validate().ok());
  EXPECT_EQ(geometry.TokenBytes(), 384 + 120);
  EXPECT_EQ(geometry.BlockBytes(), 4 * 504);
}

TEST(KvGeometry, BlocksForRoundsUp) {
  const KvGeometry geometry = OneGroup(1, 1, 1, KvDtype::kF32, 16);
  EXPECT_EQ(geometry.BlocksFor(0), 0);
  EXPECT_EQ(geometry.BlocksFor(1), 1);
  EXPECT_EQ(geometry.BlocksFor(16), 1);
  EXPECT_EQ(geometry.BlocksFor(17), 2);
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(geometry.BlocksFor(kMost), kMost / 16 + 1);
}

TEST(KvGeometry, DtypesHaveNamesAndSizes) {
  EXPECT_EQ(KvDtypeBytes(KvDtype::kF32), 4);
  EXPECT_EQ(KvDtypeBytes(KvDtype::kF16), 2);
  EXPECT_EQ(KvDtypeBytes(KvDtype::kBf16), 2);
  EXPECT_EQ(KvDtypeName(KvDtype::kF32), "f32");
  EXPECT_EQ(KvDtypeName(KvDtype::kF16), "f16");
  EXPECT_EQ(KvDtypeName(KvDtype::kBf16), "bf16");
  EXPECT_EQ(KvDtypeName(KvDtype::kInt8), "int8");
}

void ExpectInvalid(const KvGeometry& geometry, const std::string& named) {
  const absl::Status status = geometry.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(named));
}

TEST(KvGeometry, EachSizeIsChecked) {
  ExpectInvalid(OneGroup(1, 1, 1, KvDtype::kF32, 0), "block_tokens");
  ExpectInvalid(OneGroup(0, 1, 1, KvDtype::kF32, 1), "layers");
  ExpectInvalid(OneGroup(1, -1, 1, KvDtype::kF32, 1), "kv_heads");
  ExpectInvalid(OneGroup(1, 1, 0, KvDtype::kF32, 1), "key_width");
  KvGeometry geometry = OneGroup(1, 1, 1, KvDtype::kF32, 1);
  geometry.groups[0].value_width = -1;
  ExpectInvalid(geometry, "value_width");
  ExpectInvalid(KvGeometry(), "groups");
}

TEST(KvGeometry, OverflowIsFoundWhereverItHappens) {
  ExpectInvalid(OneGroup(1, kMax, kMax, KvDtype::kF32, 1), "group 0");           // heads x width
  ExpectInvalid(OneGroup(kMax, 1 << 20, 1 << 20, KvDtype::kF32, 1), "group 0");  // x layers
  ExpectInvalid(OneGroup(1 << 20, 1 << 10, 1 << 10, KvDtype::kF32, kMax), "group 0");  // x tokens
  KvGeometry sum = OneGroup(1 << 16, 1 << 16, 1 << 16, KvDtype::kF16, 1 << 12);        // 2^62 bytes
  ASSERT_TRUE(sum.Validate().ok());
  sum.groups.push_back(sum.groups[0]);
  ExpectInvalid(sum, "group 1");
}

}  // namespace
}  // namespace plumbline::kv_geometry_test
