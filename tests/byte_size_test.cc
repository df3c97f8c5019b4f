#include "tools/byte_size.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::byte_size_test {
namespace {

TEST(ByteSizeTest, ReadsUnits) {
  EXPECT_EQ(ParseByteSize("80GB").value(), 80'000'000'000);
  EXPECT_EQ(ParseByteSize("16GiB").value(), int64_t{16} << 30);
  EXPECT_EQ(ParseByteSize("1.5gib").value(), int64_t{3} << 29);
  EXPECT_EQ(ParseByteSize("512 MiB").value(), int64_t{512} << 20);
  EXPECT_EQ(ParseByteSize("2kB").value(), 2000);
  EXPECT_EQ(ParseByteSize("2KiB").value(), 2048);
  EXPECT_EQ(ParseByteSize("3MB").value(), 3'000'000);
  EXPECT_EQ(ParseByteSize("1TB").value(), 1'000'000'000'000);
  EXPECT_EQ(ParseByteSize("1TiB").value(), int64_t{1} << 40);
  EXPECT_EQ(ParseByteSize("4096").value(), 4096);
  EXPECT_EQ(ParseByteSize("1.9B").value(), 1);
  EXPECT_EQ(ParseByteSize("9000000TB").value(), 9'000'000'000'000'000'000);
}

TEST(ByteSizeTest, RefusesTheRest) {
  for (const char* text :
       {"", "GB", "80XB", "80 G B", "-1GB", "+1GB", "0", "0.5B", "1e3", "nan", "infGB", "1..5GB",
        "0x10", "10000000TB", "9223372036854775808", "99999999999999999999999999GB", "80GB!"}) {
    const auto bytes = ParseByteSize(text);
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(bytes.status().message()), testing::HasSubstr("80GB")) << text;
  }
}

}  // namespace
}  // namespace plumbline::byte_size_test
