#include "scheduler/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/ops.h"

namespace plumbline {
namespace {

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every input bit reaches every output
// bit. Written out, because the standard library's generators draw differently by vendor.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Uniform in [0, 1), from (seed, index) alone. Seed and index are mixed one after the other, so
// that neighbouring seeds are not shifted copies of one stream.
double Uniform(uint64_t seed, int index) {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;
  const uint64_t bits = Mix(Mix(seed + kGolden) + kGolden * (static_cast<uint64_t>(index) + 1));
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// Why FindLargest found none.
absl::Status NoLargest(absl::Span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] < kInfinity) continue;
    return absl::InternalError(
        absl::StrCat("logits: token ", i, " has ", logits[i],
                     " where a finite number is needed; check the model's weights"));
  }
  return absl::InternalError(absl::StrCat("logits: none of ", logits.size(),
                                          " is finite, where one is needed; check the model's "
                                          "weights"));
}

// The place of the largest logit (the lowest id of equal ones); Internal where there is none.
absl::StatusOr<size_t> FindMax(absl::Span<const float> logits) {
  const int best = FindLargest(static_cast<int>(logits.size()), logits.data());
  if (best < 0) return NoLargest(logits);
  return static_cast<size_t>(best);
}

absl::Status OutOfRange(absl::string_view name, double value, absl::string_view range) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, " must be ", range, ", got ", value, "; choose a value in that range"));
}

}  // namespace

absl::Status ValidateSampling(const SamplingParams& params) {
  // Written so that NaN fails each test.
  if (!(params.temperature >= 0 && params.temperature <= 1e6)) {
    return OutOfRange("temperature", params.temperature, "from 0 to 1e6");
  }
  if (params.top_k < 0) return OutOfRange("top_k", params.top_k, "0 (off) or more");
  if (!(params.top_p > 0 && params.top_p <= 1)) {
    return OutOfRange("top_p", params.top_p, "above 0 and at most 1 (off)");
  }
  if (!(params.min_p >= 0 && params.min_p <= 1)) {
    return OutOfRange("min_p", params.min_p, "from 0 (off) to 1");
  }
  // The bounds keep a penalised logit finite.
  if (!(params.repeat_penalty >= 1e-6 && params.repeat_penalty <= 1e6)) {
    return OutOfRange("repeat_penalty", params.repeat_penalty, "from 1e-6 to 1e6");
  }
  return absl::OkStatus();
}

bool Sampler::Better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.token < b.token;
}

absl::StatusOr<SampledToken> Sampler::Sample(absl::Span<const float> logits,
                                             const SamplingParams& params,
                                             absl::Span<const int32_t> history, int index,
                                             int logprobs) {
  const absl::StatusOr<size_t> best = FindMax(logits);
  if (!best.ok()) return best.status();
  SampledToken sampled;
  if (logprobs > 0) sampled.logprobs = TopLogprobs(logits, logits[*best], logprobs);
  if (params.temperature == 0 && params.repeat_penalty == 1) {
    sampled.token = static_cast<int32_t>(*best);
    return sampled;
  }
  FillCandidates(logits);
  if (params.repeat_penalty != 1) Penalise(history, params.repeat_penalty);
  if (params.temperature == 0) {
    sampled.token = std::min_element(candidates_.begin(), candidates_.end(), Better)->token;
    return sampled;
  }
  Keep(params);
  sampled.token = Draw(params.seed, index);
  return sampled;
}

std::vector<TokenLogprob> Sampler::TopLogprobs(absl::Span<const float> logits, float max,
                                               int count) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  const double log_sum = std::log(sum) + max;
  FillCandidates(logits);
  const size_t kept = std::min(static_cast<size_t>(count), candidates_.size());
  const auto end = candidates_.begin() + static_cast<ptrdiff_t>(kept);
  std::partial_sort(candidates_.begin(), end, candidates_.end(), Better);
  std::vector<TokenLogprob> top;
  top.reserve(kept);
  for (auto it = candidates_.begin(); it != end; ++it) {
    top.push_back({it->token, static_cast<float>(it->score - log_sum)});
  }
  return top;
}

void Sampler::FillCandidates(absl::Span<const float> logits) {
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_[i] = {static_cast<int32_t>(i), logits[i]};
  }
}

// Once for each token, however often it occurred. Where CTRL's eq. 5 divides all logits, negative
// ones are multiplied here, as a division would make them more likely.
void Sampler::Penalise(absl::Span<const int32_t> history, double penalty) {
  seen_.resize(candidates_.size(), false);
  const auto in_vocab = [this](int32_t token) {
    return token >= 0 && static_cast<size_t>(token) < candidates_.size();
  };
  for (const int32_t token : history) {
    if (!in_vocab(token) || seen_[token]) continue;
    seen_[token] = true;
    double& score = candidates_[token].score;
    score = score > 0 ? score / penalty : score * penalty;
  }
  for (const int32_t token : history) {
    if (in_vocab(token)) seen_[token] = false;
  }
}

// Leaves the candidates that may be drawn, with their weights in `score`.
void Sampler::Keep(const SamplingParams& params) {
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < candidates_.size()) {
    const auto end = candidates_.begin() + params.top_k;
    std::nth_element(candidates_.begin(), end, candidates_.end(), Better);
    candidates_.erase(end, candidates_.end());
  }
  const double max = std::min_element(candidates_.begin(), candidates_.end(), Better)->score;
  double total = 0;
  // From the best down where a cut needs the order, else by id: both the same on every run.
  const bool sorted = params.top_k > 0 || params.top_p < 1;
  if (sorted) std::sort(candidates_.begin(), candidates_.end(), Better);
  for (Candidate& candidate : candidates_) {
    // The largest is taken off first, so that no temperature overflows.
    candidate.score = std::exp((candidate.score - max) / params.temperature);
    total += candidate.score;
  }
  if (params.top_p < 1) {
    double cumulative = 0;
    size_t kept = 0;
    while (kept < candidates_.size() && cumulative < params.top_p * total) {
      cumulative += candidates_[kept++].score;
    }
    candidates_.resize(kept);
  }
  if (params.min_p > 0) {  // the most likely one weighs 1
    std::erase_if(candidates_, [&](const Candidate& c) { return c.score < params.min_p; });
  }
}

int32_t Sampler::Draw(uint64_t seed, int index) const {
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.score;
  const double target = Uniform(seed, index) * total;
  double cumulative = 0;
  int32_t drawn = candidates_.front().token;
  for (const Candidate& candidate : candidates_) {
    if (candidate.score == 0) continue;
    drawn = candidate.token;
    cumulative += candidate.score;
    if (cumulative > target) break;
  }
  return drawn;
}

}  // namespace plumbline
