#include "tests/counting_new.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace plumbline {
namespace {

std::atomic<int64_t> allocations = 0;
std::atomic<int64_t> live_bytes = 0;

int64_t BytesOf(void* memory) { return static_cast<int64_t>(malloc_usable_size(memory)); }

void* Allocate(std::size_t size) {
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  allocations.fetch_add(1, std::memory_order_relaxed);
  live_bytes.fetch_add(BytesOf(memory), std::memory_order_relaxed);
  return memory;
}

void Free(void* memory) {
  live_bytes.fetch_sub(BytesOf(memory), std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

int64_t Allocations() { return allocations.load(std::memory_order_relaxed); }
int64_t LiveBytes() { return live_bytes.load(std::memory_order_relaxed); }

}  // namespace plumbline

void* operator new(std::size_t size) { return plumbline::Allocate(size); }
void operator delete(void* memory) noexcept { plumbline::Free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { plumbline::Free(memory); }
