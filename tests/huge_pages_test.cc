#include "cache/huge_pages.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "gtest/gtest.h"

namespace plumbline::huge_pages_test {
namespace {

// With whole large pages within, and without; from any address.
TEST(AskForHugePagesTest, LeavesWhatIsThereAsItIs) {
  std::vector<std::byte> bytes(size_t{9} << 20, std::byte{0x5A});
  for (const size_t first : {size_t{0}, size_t{1}, size_t{4097}}) {
    for (const size_t size : {size_t{0}, size_t{100}, size_t{5} << 20, bytes.size() - first}) {
      AskForHugePages(bytes.data() + first, size);
    }
  }
  AskForHugePages(nullptr, 0);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), std::byte{0x5A}), bytes.size());
}

}  // namespace
}  // namespace plumbline::huge_pages_test
