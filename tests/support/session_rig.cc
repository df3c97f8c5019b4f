#include "tests/support/session_rig.h"

#include <gtest/gtest.h>

#include <bit>
#include <utility>

#include "cache/block_mover.h"
#include "cache/block_pool.h"
#include "cache/kv_store.h"
#include "scheduler/clock.h"
#include "scheduler/executor.h"
#include "tools/load_anchors.h"
#include "tools/load_recorder.h"
#include "tools/load_repeats.h"

namespace plumbline {

void UseSession(Model& model, const SessionRigOptions& options,
                absl::FunctionRef<void(Session&)> use) {
  const ModelOptions& run = model.options();
  SessionOptions session_options;
  session_options.check_invariants = true;
  session_options.scheduler.geometry = model.config().CacheGeometry(run.kv_dtype, run.block_tokens);
  session_options.scheduler.context = model.config().context;
  session_options.scheduler.step_tokens = options.step_tokens;
  session_options.scheduler.max_running = options.max_running;
  session_options.scheduler.prefix_sharing = options.prefix_sharing;
  session_options.scheduler.preemption = options.preemption;
  session_options.scheduler.recompute_each_step = options.recompute_each_step;
  auto store = KvStore::Create(session_options.scheduler.geometry, options.num_blocks);
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return;
  for (BlockId block = 0; block < options.num_blocks; ++block) (*store)->Poison(block);
  BlockPool pool(options.num_blocks, [&](BlockId block) { (*store)->Poison(block); });
  ModelExecutor executor(model, **store);
  auto host = KvStore::Create(session_options.scheduler.geometry, options.host_blocks);
  EXPECT_TRUE(host.ok()) << host.status();
  if (!host.ok()) return;
  for (BlockId block = 0; block < options.host_blocks; ++block) (*host)->Poison(block);
  KvBlockMover mover(**store, host->get());
  session_options.scheduler.mover = &mover;
  const SteadyClock wall;
  LoadClock clock(wall);
  LoadRecorder recorder(nullptr);
  RepeatingExecutor repeating(executor, options.repeat_every, clock, recorder);
  {
    Session session(session_options, repeating, pool, clock);
    use(session);
    session.RunUntilIdle();
    EXPECT_TRUE(session.invariants().ok()) << session.invariants();
  }
  EXPECT_EQ(pool.num_used(), 0);
}

std::vector<RequestResult> RunRequests(Model& model, const SessionRigOptions& options,
                                       const std::vector<Request>& requests) {
  std::vector<RequestResult> results(requests.size());
  UseSession(model, options, [&](Session& session) {
    for (size_t i = 0; i < requests.size(); ++i) {
      session.Submit(requests[i],
                     [&results, i](RequestResult result) { results[i] = std::move(result); });
    }
  });
  return results;
}

std::vector<RequestResult> RunSamples(Model& model, const SessionRigOptions& options,
                                      const Request& request) {
  std::vector<RequestResult> results(static_cast<size_t>(request.samples));
  UseSession(model, options, [&](Session& session) {
    session.Submit(request, [&results](RequestResult result) {
      const auto sample = static_cast<size_t>(result.sample);
      results[sample] = std::move(result);
    });
  });
  return results;
}

std::vector<uint32_t> LogprobBits(const RequestResult& result) {
  std::vector<uint32_t> bits;
  for (const auto& row : result.logprobs) {
    for (const TokenLogprob& entry : row) {
      bits.push_back(static_cast<uint32_t>(entry.token));
      bits.push_back(std::bit_cast<uint32_t>(entry.logprob));
    }
  }
  return bits;
}

Request GreedyRequest(std::vector<int32_t> prompt, int max_new_tokens, int logprobs) {
  Request request;
  request.prompt = std::move(prompt);
  request.max_new_tokens = max_new_tokens;
  request.logprobs = logprobs;
  return request;
}

}  // namespace plumbline
