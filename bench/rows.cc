#include "bench/rows.h"

namespace plumbline {

absl::StatusOr<BetweenLimits> MeasureBetween(int repetitions, RateSample measured,
                                             RateSample limit) {
  BetweenLimits rates;
  const auto add = [](RateSample sample, std::vector<double>& to) {
    const absl::StatusOr<double> rate = sample();
    if (rate.ok()) to.push_back(*rate);
    return rate.status();
  };
  absl::Status status = add(limit, rates.limits);
  for (int i = 0; status.ok() && i < repetitions; ++i) {
    status = add(measured, rates.measured);
    if (status.ok()) status = add(limit, rates.limits);
    if (!status.ok()) break;
    const double both = rates.limits[rates.limits.size() - 2] + rates.limits.back();
    rates.ratios.push_back(2 * rates.measured.back() / both);
  }
  if (!status.ok()) return status;
  return rates;
}

const std::vector<BenchRow>& BenchRows() {
  static const std::vector<BenchRow> rows = {
      {"matmul", "one product of this engine against the matmul library's", &MatmulRow},
      {"read", "a read that asks for pages ahead, as this engine's do, against a plain one",
       &ReadRow},
      {"prefill", "512 tokens, 1.1B: operations of the whole pass against the matmul rate",
       &PrefillRow},
      {"prefill_deep",
       "512 tokens behind 16k, 160M, bf16 cache: operations of attention over its own time, "
       "against "
       "the matmul rate",
       &PrefillDeepRow},
      {"decode",
       "one stream, context to 256, 1.1B: bytes of the whole step against the memory rate",
       &DecodeRow},
      {"decode_many",
       "32 streams, context to 128, 1.1B: operations of the whole step against the matmul rate",
       &DecodeManyRow},
      {"decode_deep",
       "one stream behind 16k, 160M, 4 KV heads and 1: the roofline (by class the larger of bytes "
       "and operations over their rates) against the step's time",
       &DecodeDeepRow},
      {"paged", "blocks of 16 tokens, shuffled, against one block for the whole context",
       &PagedRow},
      {"other", "what is neither matmul nor attention, 160M: its share of a step", &OtherRow},
      {"load", "process start to first token, 1.1B file, against a plain read of the file",
       &LoadRow},
      {"memory", "peak resident memory against 1.1 x (weights + cache) + 256 MiB", &MemoryRow},
  };
  return rows;
}

}  // namespace plumbline
