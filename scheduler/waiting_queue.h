// The sequences that wait for blocks, in the order in which they start.
#ifndef PLUMBLINE_SCHEDULER_WAITING_QUEUE_H_
#define PLUMBLINE_SCHEDULER_WAITING_QUEUE_H_

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "scheduler/queue_order.h"
#include "scheduler/sequence.h"

namespace plumbline {

// Owns its sequences. Every operation takes a time logarithmic in the length. Not thread-safe.
class WaitingQueue {
 public:
  using Map = absl::btree_map<QueueKey, std::unique_ptr<Sequence>>;

  // REQUIRES: `policy` as FreshKey.
  explicit WaitingQueue(const QueuePolicy& policy) : policy_(policy) {}

  // Queues one that never started; sets its queue_key.
  void AddFresh(std::unique_ptr<Sequence> sequence);
  // Queues one that was preempted, ahead of all that never started; sets its queue_key.
  void AddPreempted(std::unique_ptr<Sequence> sequence);
  // REQUIRES: not empty.
  Sequence& front() const { return *queue_.begin()->second; }
  std::unique_ptr<Sequence> PopFront() { return Take(front()); }
  // REQUIRES: the sequence is queued here.
  std::unique_ptr<Sequence> Take(const Sequence& sequence);

  bool empty() const { return queue_.empty(); }
  int size() const { return static_cast<int>(queue_.size()); }
  // Of those that never started: how many, and their prompts' tokens.
  int64_t fresh_requests() const { return fresh_requests_; }
  int64_t fresh_tokens() const { return fresh_tokens_; }
  Map::const_iterator begin() const { return queue_.begin(); }
  Map::const_iterator end() const { return queue_.end(); }

 private:
  QueuePolicy policy_;
  Map queue_;
  int64_t fresh_requests_ = 0;
  int64_t fresh_tokens_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_WAITING_QUEUE_H_
