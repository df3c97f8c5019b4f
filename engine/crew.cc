#include "engine/crew.h"

#include <omp.h>

#include <cstdlib>
#include <exception>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace plumbline {
namespace {

// Half a millisecond or so, in which a pass comes to its next loop.
constexpr int kSpins = 1 << 14;
// With fewer CPUs than threads, whoever waits is in the way of those that it waits for.
constexpr int kFewSpins = 1 << 5;

// As libgomp has it: a user who says that threads shall wait asleep means these, too.
int SpinsFor(int threads) {
  const char* const policy = std::getenv("OMP_WAIT_POLICY");
  if (policy != nullptr && absl::EqualsIgnoreCase(absl::string_view(policy), "passive")) return 0;
  return threads <= omp_get_num_procs() ? kSpins : kFewSpins;
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Crew*& Crew::Slot() {
  thread_local Crew* slot = nullptr;
  return slot;
}

int Crew::Await(const std::atomic<int>& value, int old) const {
  for (int i = 0; i < spins_; ++i) {
    const int now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

void Crew::Share(absl::FunctionRef<void(int)> loop) {
  loop_ = &loop;
  busy_.store(threads_ - 1, std::memory_order_relaxed);
  turn_.fetch_add(1, std::memory_order_release);
  turn_.notify_all();
  Slot() = nullptr;
  loop(0);
  Slot() = this;
  for (int left = busy_.load(std::memory_order_acquire); left > 0;) left = Await(busy_, left);
}

void Crew::Follow(int thread) {
  for (int turn = 0;;) {
    turn = Await(turn_, turn);
    if (loop_ == nullptr) return;
    (*loop_)(thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

std::exception_ptr Crew::Lead(absl::FunctionRef<void()> body) {
  std::exception_ptr failure;
  Crew* const before = Slot();
  Slot() = this;
  try {
    body();
  } catch (...) {  // no exception may leave a region
    failure = std::current_exception();
  }
  Slot() = before;
  loop_ = nullptr;
  turn_.fetch_add(1, std::memory_order_release);
  turn_.notify_all();
  return failure;
}

void Crew::Run(int threads, absl::FunctionRef<void()> body) {
  if (threads == 0 || omp_in_parallel() != 0) return body();
  Crew crew(SpinsFor(threads));
  std::exception_ptr failure;
  if (threads == 1) {
    failure = crew.Lead(body);
  } else {
#pragma omp parallel num_threads(threads)
    {
      const int thread = omp_get_thread_num();
      if (thread == 0) {
        crew.threads_ = omp_get_num_threads();
        failure = crew.Lead(body);
      } else {
        crew.Follow(thread);
      }
    }
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

}  // namespace plumbline
