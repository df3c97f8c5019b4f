// Storage whose contents are not set: the kernel gives pages to it when they are first written.
#ifndef PLUMBLINE_ENGINE_UNTOUCHED_ARRAY_H_
#define PLUMBLINE_ENGINE_UNTOUCHED_ARRAY_H_

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#include "cache/huge_pages.h"

namespace plumbline {

// Movable only; starts at a cache line, as vectors and tiles are read fastest. Const methods are
// safe from any thread.
template <class T>
class UntouchedArray {
  static_assert(std::is_trivial_v<T>);

 public:
  UntouchedArray() = default;
  // std::bad_alloc where there is no memory. REQUIRES: count >= 0.
  explicit UntouchedArray(int64_t count)
      : data_(new (kLine) T[static_cast<size_t>(count)]),
        bytes_(count * static_cast<int64_t>(sizeof(T))) {}

  // Of memory that another has and keeps for longer. REQUIRES: it starts at a cache line.
  UntouchedArray(T* borrowed, int64_t count)
      : data_(borrowed, Free{false}), bytes_(count * static_cast<int64_t>(sizeof(T))) {}

  T* get() const { return data_.get(); }
  T& operator[](int64_t index) const { return data_[static_cast<size_t>(index)]; }
  int64_t bytes() const { return bytes_; }

  // For what is read from end to end, before it is written.
  void AskForHugePages() { plumbline::AskForHugePages(data_.get(), static_cast<size_t>(bytes_)); }

  // Sets everything to zero bytes, which makes it resident.
  void Touch() {
    if (bytes_ > 0) std::memset(static_cast<void*>(data_.get()), 0, static_cast<size_t>(bytes_));
  }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Free {
    bool owned = true;
    void operator()(T* data) const {
      if (owned) ::operator delete[](data, kLine);
    }
  };

  std::unique_ptr<T[], Free> data_;
  int64_t bytes_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_UNTOUCHED_ARRAY_H_
