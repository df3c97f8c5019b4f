#include "tools/scale_counters.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/scale_counter.h"
#include "tools/table.h"

namespace plumbline {

absl::Status RunCounterExample(const ScaleRun& run, int64_t chunk, const CounterOptions& options,
                               ScaleData& data, std::vector<std::string>& left_out) {
  if (run.counter == "no_cache") return MeasureNoCache(options, run.lengths, &data);
  if (run.counter == "chunk") {
    const int64_t tokens = run.lengths.back();
    return MeasureChunking(options, tokens, std::min(chunk, tokens), &data);
  }
  if (run.counter == "ffn") return MeasureActivationFusion(options, run.lengths, &data);
  if (run.counter == "paged") return MeasurePaging(options, run.lengths, &data);
  std::vector<CounterLeftOut> lengths;
  const absl::Status status = run.counter == "softmax"
                                  ? MeasureSoftmaxFusion(options, run.lengths, &data, &lengths)
                                  : MeasureAttention(options, run.lengths, &data, &lengths);
  for (const CounterLeftOut& length : lengths) {
    left_out.push_back(absl::StrCat(ScaleSweepName(length.sweep), " of ", run.model, ", ",
                                    FormatCount(length.tokens), " tokens: ", length.reason));
  }
  return status;
}

}  // namespace plumbline
