// From one row of logits to a token.
#ifndef PLUMBLINE_SCHEDULER_SAMPLER_H_
#define PLUMBLINE_SCHEDULER_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "scheduler/request.h"

namespace plumbline {

struct SampledToken {
  int32_t token = 0;
  std::vector<TokenLogprob> logprobs;
};

// Keeps scratch between calls; belongs to one thread.
class Sampler {
 public:
  // Draws output token number `index` (from 0) of a request. `history`: prompt and output so far.
  // The result depends on these arguments alone; `logprobs` is cut to the vocabulary. Internal
  // error where a logit is NaN or +inf (or all are -inf): the request ends with it, its companions
  // do not notice.
  absl::StatusOr<SampledToken> Sample(absl::Span<const float> logits, const SamplingParams& params,
                                      absl::Span<const int32_t> history, int index, int logprobs);

 private:
  struct Candidate {
    int32_t token;
    double score;  // logit after repeat penalty and temperature, then exp of it
  };
  static bool Better(const Candidate& a, const Candidate& b);

  std::vector<TokenLogprob> TopLogprobs(absl::Span<const float> logits, float max, int count);
  void FillCandidates(absl::Span<const float> logits);
  void Penalise(absl::Span<const int32_t> history, double penalty);
  void Keep(const SamplingParams& params);
  int32_t Draw(uint64_t seed, int index) const;

  std::vector<Candidate> candidates_;
  std::vector<bool> seen_;  // [vocab]; all false between calls
};

// InvalidArgument names the parameter that is out of range.
absl::Status ValidateSampling(const SamplingParams& params);

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_SAMPLER_H_
