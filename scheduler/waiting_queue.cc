#include "scheduler/waiting_queue.h"

#include <utility>

namespace plumbline {

void WaitingQueue::AddFresh(std::unique_ptr<Sequence> sequence) {
  sequence->queue_key = FreshKey(policy_, sequence->request, sequence->id);
  ++fresh_requests_;
  fresh_tokens_ += sequence->prompt_tokens();
  const QueueKey key = sequence->queue_key;
  queue_.emplace(key, std::move(sequence));
}

void WaitingQueue::AddPreempted(std::unique_ptr<Sequence> sequence) {
  sequence->queue_key = PreemptedKey(sequence->start_number);
  const QueueKey key = sequence->queue_key;
  queue_.emplace(key, std::move(sequence));
}

std::unique_ptr<Sequence> WaitingQueue::Take(const Sequence& sequence) {
  const auto at = queue_.find(sequence.queue_key);
  std::unique_ptr<Sequence> taken = std::move(at->second);
  queue_.erase(at);
  if (taken->queue_key.fresh) {
    --fresh_requests_;
    fresh_tokens_ -= taken->prompt_tokens();
  }
  return taken;
}

}  // namespace plumbline
