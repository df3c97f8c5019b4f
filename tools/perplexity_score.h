// What logits say about a text: log-probabilities, divergence from a reference, and their means.
// All in double; all functions are pure.
#ifndef PLUMBLINE_TOOLS_PERPLEXITY_SCORE_H_
#define PLUMBLINE_TOOLS_PERPLEXITY_SCORE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace plumbline {

// log(sum_i exp(logits[i])). Not finite where a logit is not (or all are -infinity).
// REQUIRES: at least one logit.
double LogSumExp(absl::Span<const float> logits);

// A row of logits, [vocab], with what is needed of it more than once.
struct LogitRow {
  LogitRow() = default;
  explicit LogitRow(absl::Span<const float> row);

  absl::Span<const float> logits;
  double log_sum_exp = 0;
  int64_t top = 0;  // the likeliest token; the first of equals

  // -log p(token), in nats. REQUIRES: token < vocab.
  double NegativeLog(int64_t token) const { return log_sum_exp - double{logits[token]}; }
};

// KL(reference || other) = sum_i p_i (log p_i - log q_i), in nats.
//
// The sum as it stands has terms of both signs that all but cancel where the two are close, and may
// come out negative. With d_i = log q_i - log p_i it equals sum_i p_i (exp(d_i) - 1 - d_i), because
// sum_i p_i exp(d_i) = sum_i q_i = 1. Here no term is negative, so no result is, without clamping,
// and equal rows give 0 to the bit. An error in both normalisers moves all d_i alike, and changes
// this sum only by its square.
// REQUIRES: both have the same vocab.
double Divergence(const LogitRow& reference, const LogitRow& other);

// One scored token.
struct TokenScore {
  double negative_log = 0;
  double reference_negative_log = 0;
  double divergence = 0;
  bool equal_top = false;

  // False where a logit was not a finite number.
  bool finite() const;
};

TokenScore ScoreToken(const LogitRow& reference, const LogitRow& other, int64_t token);

// The scores of one window, summed.
struct WindowSums {
  int64_t tokens = 0;
  double negative_log = 0;
  double reference_negative_log = 0;
  double divergence = 0;
  int64_t equal_tops = 0;

  void Add(const TokenScore& score);
};

// The scores of one configuration over the windows that were completed.
struct TextScores {
  std::vector<WindowSums> windows;
  std::vector<double> divergences;  // [scored tokens]
};

// A figure and its standard error, NaN where one window alone was scored.
struct WithError {
  double value = 0;
  double error = 0;
};

struct PerplexitySummary {
  int64_t windows = 0;
  int64_t tokens = 0;  // scored
  WithError perplexity;
  WithError ratio;            // this perplexity / the reference's over the same tokens
  WithError mean_divergence;  // nats per token
  double divergence_p99 = 0;  // 99th percentile of the tokens' (quantile.h)
  double divergence_max = 0;
  double equal_top_share = 0;
};

// Standard errors take windows as the units that are independent, and not tokens, which depend on
// their neighbours: with N tokens, k windows and mean m over tokens, the variance of the mean is
// k / (k - 1) sum_w (S_w - n_w m)^2 / N^2 for window sums S_w of n_w tokens (a ratio estimator;
// Cochran, Sampling Techniques, 3rd edition, section 6.3). A perplexity is the exponential of such
// a mean, and its error the mean's times itself. REQUIRES: at least one window.
PerplexitySummary Summarize(const TextScores& scores);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PERPLEXITY_SCORE_H_
