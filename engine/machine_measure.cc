#include "engine/machine_measure.h"

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <map>
#include <set>
#include <utility>

#include "engine/bf16_unit.h"
#include "engine/crew.h"
#include "engine/limit_probe.h"
#include "engine/machine.h"
#include "engine/parallel.h"
#include "engine/quantile.h"
#include "engine/step_clock.h"

namespace plumbline {
namespace {

constexpr int kLeastRepetitions = 3;
constexpr int kMostRepetitions = 25;

absl::Status Stopped() { return absl::CancelledError("the measurement was interrupted"); }

// The machine drifts in the course of a repetition: anchors are taken anew after so many samples.
// Memory may jump from one second to the next, between samples of a few milliseconds: what it
// bounds has reads of its own around it.
constexpr size_t kSamplesBetweenAnchors = 16;

std::set<const Rate*> RatesByMemory(MachineProfile& profile) {
  std::set<const Rate*> rates;
  for (const BoundRate& bound : BoundRates(profile)) {
    if (bound.by_memory()) rates.insert(bound.rate);
  }
  return rates;
}

bool IsByMemory(const Measurement& m, const std::set<const Rate*>& by_memory) {
  return std::any_of(m.targets.begin(), m.targets.end(),
                     [&](const Rate* target) { return by_memory.contains(target); });
}

absl::Status Sample(Measurement& m, int threads, std::vector<double>& rates) {
  rates.assign(m.targets.size(), 0);
  absl::Status status;
  Crew::Run(m.in_crew ? threads : 0, [&] { status = m.sample(absl::MakeSpan(rates)); });
  return status;
}

// Touches everything once. What it measures is not kept, so that it needs no anchors.
absl::Status WarmUp(std::vector<Measurement>& measurements, int threads, double done,
                    absl::FunctionRef<bool(double)> progress) {
  std::vector<double> rates;
  for (Measurement& m : measurements) {
    absl::Status status = Sample(m, threads, rates);
    if (!status.ok()) return status;
    if (!progress(done)) return Stopped();
  }
  return absl::OkStatus();
}

// One sample of every measurement, between anchors that go on `anchors`, whose last is just now.
// `done` and `share` are of the progress's fraction.
absl::Status Repeat(std::vector<Measurement>& measurements, int threads, AnchorProbe& probe,
                    const std::set<const Rate*>& by_memory, std::vector<Anchors>& anchors,
                    double done, double share, absl::FunctionRef<bool(double)> progress) {
  std::vector<double> rates;
  bool was_by_memory = false;
  for (size_t i = 0; i < measurements.size(); ++i) {
    Measurement& m = measurements[i];
    const bool is_by_memory = IsByMemory(m, by_memory);
    if (i > 0 && i % kSamplesBetweenAnchors == 0) {
      anchors.push_back(probe.Measure());
    } else if (is_by_memory || was_by_memory) {
      anchors.push_back({anchors.back().matmul_flops_per_second, probe.MeasureRead()});
    }
    was_by_memory = is_by_memory;
    m.anchors.push_back(anchors.size() - 1);
    absl::Status status = Sample(m, threads, rates);
    if (!status.ok()) return status;
    m.samples.resize(m.targets.size());
    for (size_t t = 0; t < rates.size(); ++t) m.samples[t].push_back(rates[t]);
    const double part = static_cast<double>(i + 1) / static_cast<double>(measurements.size());
    if (!progress(done + share * part)) return Stopped();
  }
  anchors.push_back(probe.Measure());
  return absl::OkStatus();
}

absl::Status SetUp(int threads, MachineProfile* profile, std::vector<Measurement>* measurements,
                   absl::FunctionRef<bool(double)> progress) {
  absl::Status status = AddMatmulMeasurements(threads, profile, measurements);
  if (status.ok() && !progress(0.1)) status = Stopped();
  if (status.ok()) status = AddReadMeasurements(threads, profile, measurements);
  if (status.ok()) status = AddAttentionMeasurements(threads, profile, measurements);
  if (status.ok() && !progress(0.2)) status = Stopped();
  if (status.ok()) AddRowMeasurements(threads, profile, measurements);
  return status;
}

}  // namespace

Rate RateOf(const std::vector<double>& samples) {
  if (samples.empty()) return {};
  const double median = Quantile(samples, 0.5);
  const double range = Quantile(samples, 0.75) - Quantile(samples, 0.25);
  return {median, median > 0 ? range / median : 0};
}

void SetRates(const std::vector<Measurement>& measurements, const std::vector<Anchors>& anchors,
              MachineProfile* profile) {
  // As they are at first, so that it is known what bounds them.
  for (const Measurement& m : measurements) {
    for (size_t t = 0; t < m.targets.size(); ++t) *m.targets[t] = RateOf(m.samples[t]);
  }
  std::map<const Rate*, BoundRate> bounds;
  for (const BoundRate& bound : BoundRates(*profile)) bounds.emplace(bound.rate, bound);
  for (const Measurement& m : measurements) {
    for (size_t t = 0; t < m.targets.size(); ++t) {
      const BoundRate& bound = bounds.at(m.targets[t]);
      std::vector<double> scaled = m.samples[t];
      for (size_t s = 0; s < scaled.size(); ++s) {
        const auto speed = [&](double Anchors::*anchor) {
          return (anchors[m.anchors[s]].*anchor + anchors[m.anchors[s] + 1].*anchor) / 2 /
                 (profile->anchors.*anchor);
        };
        scaled[s] /= bound.Factor(speed(&Anchors::matmul_flops_per_second),
                                  speed(&Anchors::read_bytes_per_second));
      }
      Rate& rate = *m.targets[t];
      rate = RateOf(scaled);
      // Where memory's speed jumped between a sample and its anchors, a stream seems faster than
      // it.
      rate.per_second = std::min(rate.per_second, bound.most);
    }
  }
}

double PerSecond(double units, absl::FunctionRef<void()> work, double least_seconds) {
  // What is not timed: caches, and threads that sleep, of whatever was measured before.
  const double first = SteadySeconds();
  do {
    work();
  } while (SteadySeconds() - first < least_seconds / 4);
  const double start = SteadySeconds();
  double calls = 0;
  double seconds = 0;
  do {
    work();
    ++calls;
    seconds = SteadySeconds() - start;
  } while (seconds < least_seconds);
  return units * calls / seconds;
}

absl::StatusOr<MachineMeasurement> MeasureMachine(const MeasureOptions& options,
                                                  absl::FunctionRef<bool(double)> progress) {
  constexpr double kSetUpShare = 0.2;
  const double start = SteadySeconds();
  MachineMeasurement result;
  MachineProfile& profile = result.profile;
  const Machine machine = DetectMachine();
  profile.cpu_model = machine.cpu_model;
  profile.features = machine.features;
  profile.threads = UsableThreads(options.threads);
  profile.unix_seconds = static_cast<int64_t>(std::time(nullptr));
  profile.bf16_unit = UsedBf16Unit();
  std::vector<Measurement> measurements;
  const auto anchor = AnchorProbe::Create(profile.threads);
  if (!anchor.ok()) return anchor.status();
  absl::Status status = SetUp(profile.threads, &profile, &measurements, progress);
  if (status.ok()) status = WarmUp(measurements, profile.threads, kSetUpShare, progress);
  const std::set<const Rate*> by_memory = RatesByMemory(profile);
  std::vector<Anchors> anchors = {(*anchor)->Measure()};
  double share = kSetUpShare;
  while (status.ok()) {
    const double begin = SteadySeconds();
    result.matmul_flops_per_second.push_back(anchors.back().matmul_flops_per_second);
    const double left = std::max(options.seconds - (begin - start), 0.0);
    status = Repeat(measurements, profile.threads, **anchor, by_memory, anchors, share,
                    (1 - share) / (1 + left), progress);
    const double end = SteadySeconds();
    share = std::max(share, std::min(1.0, (end - start) / options.seconds));
    ++result.repetitions;
    if (result.repetitions == kMostRepetitions) break;
    if (result.repetitions >= kLeastRepetitions && end - start >= options.seconds) break;
  }
  if (!status.ok()) return status;
  profile.anchors = MedianAnchors(anchors);
  SetRates(measurements, anchors, &profile);
  status = profile.Validate();
  if (!status.ok()) return status;
  return result;
}

}  // namespace plumbline
