#include "tools/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

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

}  // namespace

void ExitOnInterrupt() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a write that is under way goes on
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
