// The threads of one OpenMP region that stays open while a forward pass runs, and share its loops.
// libgomp takes three microseconds to begin and end a region; a thread that waits for a loop has it
// in a quarter of one, and a decode step has five loops a layer (bench/README.md). They are
// OpenMP's own threads, so that none of the library's ever competes with them.
#ifndef PLUMBLINE_ENGINE_CREW_H_
#define PLUMBLINE_ENGINE_CREW_H_

#include <atomic>
#include <exception>

#include "absl/functional/function_ref.h"

namespace plumbline {

class Crew {
 public:
  // Runs body() on the calling thread. Loops (parallel.h) that this thread begins there are shared
  // with the others of `threads` threads, or of as many as OpenMP gives. Exceptions of body() come
  // through. A crew of one does them all itself; of none, or inside a region, there is no crew.
  // REQUIRES: body() calls nothing that has OpenMP regions of its own, which would get one thread.
  static void Run(int threads, absl::FunctionRef<void()> body);

  // The one that shares the loops that the calling thread begins. Null: none does. A loop inside a
  // loop is not shared.
  static Crew* Current() { return Slot(); }

  // Calls loop(thread) for every thread from 0 to threads() - 1, on each its own, and returns when
  // all have returned. For the thread whose Current() this is. REQUIRES: loop does not throw.
  void Share(absl::FunctionRef<void(int)> loop);
  int threads() const { return threads_; }

 private:
  // A cache line, and the one that the CPU may fetch with it.
  static constexpr int kApart = 128;

  explicit Crew(int spins) : spins_(spins) {}
  static Crew*& Slot();  // of the calling thread
  // What thread 0 does, with the exception that body() threw, and what the others do.
  std::exception_ptr Lead(absl::FunctionRef<void()> body);
  void Follow(int thread);
  // Returns once `value` is not `old`.
  int Await(const std::atomic<int>& value, int old) const;

  int threads_ = 1;
  int spins_;  // looks at a value that does not change before a thread goes to sleep
  // Counts loops. `loop_` belongs to the last of them: null, it is the end.
  alignas(kApart) std::atomic<int> turn_ = 0;
  const absl::FunctionRef<void(int)>* loop_ = nullptr;
  alignas(kApart) std::atomic<int> busy_ = 0;  // others that have not returned from it
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_CREW_H_
