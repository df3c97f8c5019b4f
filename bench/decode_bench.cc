// One stream's decode steps against a plain read of memory by all threads, in the same run.
#include <benchmark/benchmark.h>

#include "bench/limits.h"
#include "engine/machine.h"

namespace plumbline {
namespace {

constexpr char kModel[] = "synthetic:llama-160m,kv_heads=4,context=32768";
constexpr int kSteps = 8;

// Bytes per second that the step must read (weights, keys and values) over the whole step;
// arguments: weights' dtype, threads, context.
void BM_Decode(benchmark::State& state) {
  const auto dtype = static_cast<WeightDtype>(state.range(0));
  const auto threads = static_cast<int>(state.range(1));
  const auto context = static_cast<int>(state.range(2));
  if (dtype == WeightDtype::kBf16 && !HasFastBf16()) {
    state.SkipWithError("bf16 matmuls do not run in hardware here");
    return;
  }
  const KvDtype kv = dtype == WeightDtype::kF32 ? KvDtype::kF32 : KvDtype::kBf16;
  const std::unique_ptr<StepRig> rig = RigOrExit(kModel, dtype, kv, threads, context + kSteps);
  const std::unique_ptr<ReadProbe> limit = ReadLimitOrExit(threads);
  RunPaired(
      state, [&] { return limit->Rate(); },
      [&] {
        double seconds = 0;
        double bytes = 0;
        for (int i = 0; i < kSteps; ++i) {
          const StepSample sample = RunOrExit(*rig, {context + i, 1, 1});
          seconds += sample.seconds;
          bytes += static_cast<double>(Total(sample.work.bytes));
        }
        return bytes / seconds;
      });
}
BENCHMARK(BM_Decode)
    ->ArgNames({"bf16", "threads", "context"})
    ->ArgsProduct({{0, 1}, {2}, {128, 4096}})
    ->UseManualTime()
    ->Iterations(15)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace plumbline

BENCHMARK_MAIN();
