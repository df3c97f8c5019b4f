// A request's progress: a few integers and a block table, so that chunked prefill, decode and
// recomputation after preemption need no states.
#ifndef PLUMBLINE_SCHEDULER_SEQUENCE_H_
#define PLUMBLINE_SCHEDULER_SEQUENCE_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "cache/block_table.h"
#include "cache/prefix_index.h"
#include "scheduler/queue_order.h"
#include "scheduler/request.h"

namespace plumbline {

// Owned by the scheduler; touched by its thread only.
struct Sequence {
  explicit Sequence(int block_tokens) : table(block_tokens), host_table(block_tokens) {}

  RequestId id = 0;
  RequestId first_sample = 0;   // id of the first sample of the same prompt
  Request request;              // with the seed of this sample
  int max_new_tokens = 0;       // request.max_new_tokens after clamping
  std::vector<int32_t> tokens;  // prompt, then output
  int computed_tokens = 0;      // of `tokens`, how many have K and V in the cache
  BlockTable table;
  ChainId chain = 0;       // of its first indexed_blocks blocks, where prefixes are shared
  int indexed_blocks = 0;  // of `table`, how many others can find
  int shared_blocks = 0;   // of `table`, how many were found, or turned out to be there already
  BlockTable host_table;   // blocks of host memory: what it had computed, where it was swapped out
  int swapped_tokens = 0;  // that these hold; it has computed_tokens of 0 then
  // Clock time at which it ends with kExpired; infinite: never.
  double expires_seconds = std::numeric_limits<double>::infinity();
  QueueKey queue_key;        // where it waits, while it does
  bool running = false;      // holds blocks
  int64_t start_number = 0;  // counts the first starts of all sequences; 0: never started
  bool finished = false;     // its result is out; leaves its queue in the same call
  RequestResult result;      // filled as it goes

  int prompt_tokens() const { return static_cast<int>(request.prompt.size()); }
  int output_tokens() const { return static_cast<int>(tokens.size()) - prompt_tokens(); }
  int pending_tokens() const { return static_cast<int>(tokens.size()) - computed_tokens; }
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SEQUENCE_H_
