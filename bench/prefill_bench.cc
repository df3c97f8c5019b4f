// Prefill of a 512-token prompt against one large matmul of the weights' dtype, in the same run.
#include <benchmark/benchmark.h>

#include "bench/limits.h"
#include "engine/machine.h"

namespace plumbline {
namespace {

constexpr char kModel[] = "synthetic:llama-160m,kv_heads=4,context=2048";
constexpr int kTokens = 512;

// Useful operations per second of the whole pass; arguments: weights' dtype, threads.
void BM_Prefill512(benchmark::State& state) {
  const auto dtype = static_cast<WeightDtype>(state.range(0));
  const auto threads = static_cast<int>(state.range(1));
  if (dtype == WeightDtype::kBf16 && !HasFastBf16()) {
    state.SkipWithError("bf16 matmuls do not run in hardware here");
    return;
  }
  const KvDtype kv = dtype == WeightDtype::kF32 ? KvDtype::kF32 : KvDtype::kBf16;
  const std::unique_ptr<StepRig> rig = RigOrExit(kModel, dtype, kv, threads, kTokens);
  const std::unique_ptr<MatmulProbe> limit = MatmulLimitOrExit(dtype, threads);
  RunPaired(
      state, [&] { return limit->Rate(); },
      [&] {
        const StepSample sample = RunOrExit(*rig, {0, kTokens, 1});
        return 2.0 * static_cast<double>(sample.work.TotalMacs().TotalUseful()) / sample.seconds;
      });
}
BENCHMARK(BM_Prefill512)
    ->ArgNames({"bf16", "threads"})
    ->ArgsProduct({{0, 1}, {2}})
    ->UseManualTime()
    ->Iterations(9)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace plumbline

BENCHMARK_MAIN();
