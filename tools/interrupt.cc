#include "tools/interrupt.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

namespace plumbline {
namespace {

// A signal handler reaches nothing but globals: these three are the only ones.
std::atomic<bool> is_armed = false;
std::atomic<Session*> running_session = nullptr;
std::atomic<bool> was_interrupted = false;
static_assert(std::atomic<Session*>::is_always_lock_free, "used in a signal handler");

extern "C" void OnInterrupt(int /*signal*/) {
  if (!is_armed.exchange(false)) _exit(kInterruptedExitCode);
  was_interrupted = true;
  Session* session = running_session.exchange(nullptr);
  if (session != nullptr) session->CancelAll();
}

// Has signals of this thread, the one that takes SIGINT, handled on a stack of their own: oneDNN's
// AVX2 matrix products keep pointers further below the top of the stack than a signal's frame
// leaves alone, and wrote to wrong places after one.
void UseSignalStack() {
  constexpr size_t kBytes = size_t{64} << 10;  // a frame with AMX's registers takes 11 KiB
  alignas(64) static std::array<char, kBytes> memory;
  stack_t stack = {};
  // A sanitizer may have set one up.
  if (sigaltstack(nullptr, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0) return;
  stack = {};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  sigaltstack(&stack, nullptr);
}

}  // namespace

void ExitOnInterrupt() {
  UseSignalStack();
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_ONSTACK | SA_RESTART;  // a write that is under way goes on
  sigaction(SIGINT, &action, nullptr);
}

InterruptScope::InterruptScope() {
  was_interrupted = false;
  is_armed = true;
}

InterruptScope::InterruptScope(Session& session) {
  was_interrupted = false;
  running_session = &session;
  is_armed = true;
}

InterruptScope::~InterruptScope() {
  is_armed = false;
  running_session = nullptr;
}

bool InterruptScope::interrupted() const { return was_interrupted; }

}  // namespace plumbline
