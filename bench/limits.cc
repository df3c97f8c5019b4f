#include "bench/limits.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <numeric>

#include "engine/parallel.h"
#include "engine/tensor_source.h"
#include "tools/stats.h"

namespace plumbline {
namespace {

constexpr int64_t kRows = 512;
constexpr int64_t kWidth = 4096;
constexpr size_t kReadWords = (size_t{512} << 20) / sizeof(uint64_t);

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

MatmulLimit::MatmulLimit(WeightDtype dtype, int threads)
    : context_(*MatmulContext::Create(threads)),
      matrix_(*PackedMatrix::Create(*context_, kWidth, kWidth, dtype,
                                    [](int64_t, int64_t rows, float* out) {
                                      std::fill(out, out + rows * kWidth, 0.5f);
                                      return absl::OkStatus();
                                    })),
      x_(kRows * kWidth * WeightDtypeBytes(dtype)),
      y_(kRows * kWidth) {}

double MatmulLimit::Rate() {
  const double seconds = SecondsOf([&] {
    const absl::Status status = matrix_->Run(kRows, x_.data(), y_.data(), [](int64_t, int64_t) {});
    benchmark::DoNotOptimize(status.ok());
  });
  return 2.0 * kRows * kWidth * kWidth / seconds;
}

ReadLimit::ReadLimit(int threads) : threads_(threads), data_(kReadWords, 1) {}

double ReadLimit::Rate() {
  std::vector<uint64_t> sums(threads_);
  const double seconds = SecondsOf([&] {
    ParallelFor(threads_, threads_, [&](int64_t thread) {
      const size_t begin = kReadWords / threads_ * thread;
      const size_t end = kReadWords / threads_ * (thread + 1);
      sums[thread] = std::accumulate(data_.begin() + static_cast<ptrdiff_t>(begin),
                                     data_.begin() + static_cast<ptrdiff_t>(end), uint64_t{0});
    });
  });
  benchmark::DoNotOptimize(sums.data());
  return static_cast<double>(kReadWords * sizeof(uint64_t)) / seconds;
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
