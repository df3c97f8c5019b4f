// What this machine can do at the moment a benchmark runs: the matmul rate and the memory rate.
//
// Machines are shared and their speed drifts, so a case is timed between two limits: limit, case,
// limit, case, ... Each repetition's ratio is the case's rate over the mean of the limits around
// it; the figure is the median ratio, with quartiles.
#ifndef PLUMBLINE_BENCH_LIMITS_H_
#define PLUMBLINE_BENCH_LIMITS_H_

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/limit_probe.h"
#include "tools/step_rig.h"

namespace plumbline {

// A 512 x 4096 x 4096 matmul; a plain read of 512 MiB by all threads. Both end the program with a
// message where they fail.
std::unique_ptr<MatmulProbe> MatmulLimitOrExit(WeightDtype dtype, int threads);
std::unique_ptr<ReadProbe> ReadLimitOrExit(int threads);

// Runs limit, case, limit, case, ..., limit, once per benchmark iteration, and reports the case's
// rate, the limit's (medians) and the ratio as counters. `limit` and `measured` return rates in one
// unit. The iteration's time is the case's.
void RunPaired(benchmark::State& state, const std::function<double()>& limit,
               const std::function<double()>& measured);

// A rig for `model` (a name that OpenModel takes) with room for `cache_tokens` tokens, and one step
// on it. Both end the program with a message where they fail: there is nothing to measure then.
std::unique_ptr<StepRig> RigOrExit(const std::string& model, WeightDtype weights, KvDtype kv,
                                   int threads, int64_t cache_tokens);
StepSample RunOrExit(StepRig& rig, const SpanShape& span);

// Seconds that `work` takes.
double SecondsOf(const std::function<void()>& work);

}  // namespace plumbline

#endif  // PLUMBLINE_BENCH_LIMITS_H_
