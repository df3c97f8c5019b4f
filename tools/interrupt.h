// Ctrl-C: the first one ends the requests that run, so that what there is can be shown; the next
// ends the program.
#ifndef PLUMBLINE_TOOLS_INTERRUPT_H_
#define PLUMBLINE_TOOLS_INTERRUPT_H_

#include "scheduler/session.h"

namespace plumbline {

inline constexpr int kInterruptedExitCode = 130;  // 128 + SIGINT, as shells count

// From here on SIGINT ends the program with kInterruptedExitCode, also where it was ignored (a
// shell's background jobs). For main(), before other threads: affects the whole process.
void ExitOnInterrupt();

// While it lives, the first SIGINT calls session.CancelAll(), where there is a session, and the
// next one exits. One at a time in a process.
class InterruptScope {
 public:
  // For work that looks at interrupted() between its parts.
  InterruptScope();
  // `session` is not owned and must outlive the scope.
  explicit InterruptScope(Session& session);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // Whether a SIGINT came. Safe from any thread.
  bool interrupted() const;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_INTERRUPT_H_
