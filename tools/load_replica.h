// One session as a load test sees it: one engine, one cache, one scheduler.
#ifndef PLUMBLINE_TOOLS_LOAD_REPLICA_H_
#define PLUMBLINE_TOOLS_LOAD_REPLICA_H_

#include <cstdint>
#include <vector>

#include "cache/block_pool.h"
#include "scheduler/session.h"
#include "tools/load_target.h"

namespace plumbline {

// One thread.
class LoadReplica {
 public:
  // Neither `executor`, `clock` nor `sink` is owned. `options.on_step` is the replica's own;
  // `on_release` is its pool's.
  LoadReplica(const SessionOptions& options, Executor& executor, int num_blocks, const Clock& clock,
              int64_t number, LoadSink& sink, BlockPool::ReleaseObserver on_release = nullptr);

  void Submit(LoadSend send);
  // False where there was nothing to do.
  bool Step() { return session_.Step(); }
  void CancelAll() { session_.CancelAll(); }
  // Requests that have not ended.
  int64_t in_flight() const { return in_flight_; }

 private:
  SessionOptions Observed(SessionOptions options);
  void Finish(int64_t id, int64_t wanted_tokens, const RequestResult& result);
  void Tell(const StepEvent& event);

  const int64_t number_;
  LoadSink& sink_;
  int64_t in_flight_ = 0;
  std::vector<LoadSpan> spans_;  // scratch
  BlockPool pool_;
  Session session_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_REPLICA_H_
