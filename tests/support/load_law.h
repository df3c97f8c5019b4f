// Load tests' records drawn from one law, so that what a comparison says of them can be held
// against what is known: two records of one law do not differ.
#ifndef PLUMBLINE_TESTS_SUPPORT_LOAD_LAW_H_
#define PLUMBLINE_TESTS_SUPPORT_LOAD_LAW_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>

#include "tools/load_json.h"
#include "tools/load_record.h"

namespace plumbline {

struct LoadLaw {
  int repetitions = 1;
  int requests = 200;  // of each repetition, sent over ten seconds at random times
  int tokens = 6;      // of each answer
  double speed = 1;    // all times are divided by it
  double noise = 0.2;  // of the machine, as a standard deviation of the logarithm of its speed
  double memory = 0;   // correlation of that noise over 0.1 s; 0: none
  double between = 0;  // the same noise, of a whole repetition
  double stall_share = 0.02;  // of requests that take ten times as long
};

class LoadLawRun {
 public:
  LoadLawRun(const LoadLaw& law, uint64_t seed) : law_(law), random_(seed) {}

  LoadFile Draw() {
    LoadFile file;
    LoadRecord& record = file.record;
    record.model = "made";
    record.target = "simulation";
    record.weights = record.kv_dtype = "f32";
    record.workload = "of a law";
    record.policy = {{"max_running", "64"}, {"step_tokens", "512"}};
    record.seed = record.salt = 1;
    record.step_tokens = 512;
    record.block_tokens = 16;
    record.blocks = 1000;
    for (int r = 0; r < law_.repetitions; ++r) record.repetitions.push_back(DrawRepetition());
    return file;
  }

 private:
  static constexpr double kSeconds = 10;
  static constexpr int kMoments = 100;  // that the machine's speed is drawn for

  double Uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  double Normal() { return std::normal_distribution<double>()(random_); }
  double LogNormal(double mean, double sigma) { return mean * std::exp(sigma * Normal()); }
  double SlownessAt(double seconds) const {
    const auto moment = static_cast<size_t>(seconds / kSeconds * kMoments);
    return slowness_[std::min<size_t>(moment, kMoments - 1)];
  }

  void DrawSlowness() {
    const double level = law_.between * Normal();
    double state = Normal();
    for (double& slowness : slowness_) {
      slowness = std::exp(law_.noise * state + level) / law_.speed;
      state = law_.memory * state + std::sqrt(1 - law_.memory * law_.memory) * Normal();
    }
  }

  RequestRecord DrawRequest(int64_t id) {
    RequestRecord request;
    request.id = id;
    request.prompt_tokens = 64;
    request.output_tokens = law_.tokens;
    request.intended_seconds = request.sent_seconds = kSeconds * Uniform();
    const double slowness =
        SlownessAt(request.intended_seconds) * (Uniform() < law_.stall_share ? 10 : 1);
    double now = request.intended_seconds + LogNormal(0.002, 0.5) * slowness;
    request.first_scheduled_seconds = now;
    now += LogNormal(0.02, 0.5) * slowness;
    for (int t = 0; t < law_.tokens; ++t) {
      if (t > 0) now += LogNormal(0.005, 0.3) * slowness;
      request.token_seconds.push_back(now);
    }
    request.finish_seconds = now;
    request.outcome = LoadOutcome::kCompleted;
    return request;
  }

  RepetitionRecord DrawRepetition() {
    RepetitionRecord repetition;
    DrawSlowness();
    for (int i = 0; i < law_.requests; ++i) {
      repetition.requests.push_back(DrawRequest(i));
      repetition.end_seconds =
          std::max(repetition.end_seconds, repetition.requests.back().finish_seconds);
    }
    for (int i = 0; i < kMoments; ++i) {
      StepRecord& step = repetition.steps.emplace_back();
      step.start_seconds = kSeconds * i / kMoments;
      step.end_seconds = step.start_seconds + LogNormal(0.005, 0.1) * slowness_[i];
      step.predicted_seconds = 0.005;
      step.blocks_used = 40 + static_cast<int64_t>(20 * Uniform());
      step.cached_tokens = 16 * step.blocks_used - step.blocks_used;
      step.waste_tokens =
          static_cast<int64_t>(static_cast<double>(step.blocks_used) * (0.5 + Uniform()));
    }
    return repetition;
  }

  const LoadLaw law_;
  std::mt19937_64 random_;
  std::array<double, kMoments> slowness_ = {};
};

// The same seed draws the same file on one machine.
inline LoadFile DrawLoad(const LoadLaw& law, uint64_t seed) { return LoadLawRun(law, seed).Draw(); }

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_LOAD_LAW_H_
