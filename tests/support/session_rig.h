// Requests on a real model through the session, over a cache that is poisoned where it is free.
#ifndef PLUMBLINE_TESTS_SUPPORT_SESSION_RIG_H_
#define PLUMBLINE_TESTS_SUPPORT_SESSION_RIG_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "engine/model.h"
#include "scheduler/preemption.h"
#include "scheduler/request.h"
#include "scheduler/session.h"

namespace plumbline {

struct SessionRigOptions {
  int num_blocks = 64;
  int host_blocks = 0;  // to swap to
  int step_tokens = 512;
  int max_running = 64;
  bool prefix_sharing = false;
  PreemptPolicy preemption = {};
  bool recompute_each_step = false;
  int64_t repeat_every = 0;  // such steps run twice; 0: none does
};

// Has `use` submit to a session, step it and look at it, and runs what is left then to its end.
// Adds a test failure where the cache cannot be made, an invariant breaks, or a block does not come
// back.
void UseSession(Model& model, const SessionRigOptions& options,
                absl::FunctionRef<void(Session&)> use);

// Runs all requests to their ends and returns their results in the order given. Adds
// test failures as UseSession.
std::vector<RequestResult> RunRequests(Model& model, const SessionRigOptions& options,
                                       const std::vector<Request>& requests);

// The same for the samples of one request, in their order.
std::vector<RequestResult> RunSamples(Model& model, const SessionRigOptions& options,
                                      const Request& request);

// The bits of every log-probability of every output token, each behind its token.
std::vector<uint32_t> LogprobBits(const RequestResult& result);

// A greedy request with `logprobs` log-probabilities for each of `max_new_tokens` tokens.
Request GreedyRequest(std::vector<int32_t> prompt, int max_new_tokens, int logprobs);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_SESSION_RIG_H_
