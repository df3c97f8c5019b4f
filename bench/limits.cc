#include "bench/limits.h"

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "engine/quantile.h"
#include "engine/tensor_source.h"

namespace plumbline {
namespace {

constexpr int64_t kReadBytes = int64_t{512} << 20;
constexpr int64_t kRows = 512;
constexpr int64_t kWidth = 4096;

template <class T>
T ValueOrExit(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

}  // namespace

std::unique_ptr<StepRig> RigOrExit(const std::string& model, WeightDtype weights, KvDtype kv,
                                   int threads, int64_t cache_tokens) {
  StepRigOptions options;
  options.model.weights = weights;
  options.model.kv_dtype = kv;
  options.model.threads = threads;
  options.cache_tokens = cache_tokens;
  return ValueOrExit(StepRig::Create(*ValueOrExit(OpenModel(model)), options));
}

StepSample RunOrExit(StepRig& rig, const SpanShape& span) {
  return ValueOrExit(rig.Run(absl::MakeConstSpan(&span, 1)));
}

double SecondsOf(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::unique_ptr<MatmulProbe> MatmulLimitOrExit(WeightDtype dtype, int threads) {
  return ValueOrExit(MatmulProbe::Create(threads, dtype, kWidth, kWidth, kRows));
}

std::unique_ptr<ReadProbe> ReadLimitOrExit(int threads) {
  return ValueOrExit(ReadProbe::Create(threads, kReadBytes));
}

void RunPaired(benchmark::State& state, const std::function<double()>& limit,
               const std::function<double()>& measured) {
  std::vector<double> limits = {limit()};
  std::vector<double> rates;
  std::vector<double> ratios;
  measured();  // warms caches and touches scratch
  limits[0] = limit();
  for (auto iteration : state) {
    (void)iteration;
    const double seconds = SecondsOf([&] { rates.push_back(measured()); });
    state.SetIterationTime(seconds);
    limits.push_back(limit());
    ratios.push_back(rates.back() / ((limits[limits.size() - 2] + limits.back()) / 2));
  }
  state.counters["ratio"] = Quantile(ratios, 0.5);
  state.counters["ratio_q1"] = Quantile(ratios, 0.25);
  state.counters["ratio_q3"] = Quantile(ratios, 0.75);
  state.counters["rate"] = Quantile(rates, 0.5);
  state.counters["limit"] = Quantile(limits, 0.5);
}

}  // namespace plumbline
