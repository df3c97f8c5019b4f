#include "engine/weight_memory.h"

#include <limits>
#include <new>

#include "cache/huge_pages.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

constexpr int64_t kLineBytes = 64;

}  // namespace

void WeightMemory::Reserve(int64_t bytes) {
  if (bytes > std::numeric_limits<int64_t>::max() - kHugePageBytes) return;
  try {
    stretch_ = UntouchedArray<std::byte>(bytes + kHugePageBytes);
  } catch (const std::bad_alloc&) {
    return;  // every matrix by itself may find room yet
  }
  const auto begin = static_cast<int64_t>(reinterpret_cast<uintptr_t>(stretch_.get()));
  next_ = RoundUp(begin, kHugePageBytes) - begin;
  end_ = next_ + bytes;
  AskForHugePages(stretch_.get() + next_, static_cast<size_t>(bytes));
}

UntouchedArray<std::byte> WeightMemory::Take(int64_t bytes) {
  if (bytes > end_ - next_) {
    UntouchedArray<std::byte> own(bytes);
    own.AskForHugePages();
    return own;
  }
  UntouchedArray<std::byte> piece(stretch_.get() + next_, bytes);
  next_ = RoundUp(next_ + bytes, kLineBytes);
  return piece;
}

}  // namespace plumbline
