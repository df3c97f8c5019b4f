// What each class of work takes of a prefill, by time and by count.
#include <cmath>
#include <utility>

#include "tools/scale_formulas.h"
#include "tools/scale_parts.h"

namespace plumbline {
namespace {

ScaleShare ShareOf(const ScaleView& view, const ViewedPoint& viewed, const CostShape& shape) {
  ScaleShare share;
  share.tokens = viewed.point->tokens;
  const auto n = static_cast<double>(share.tokens);
  const ScaleSample& first = *viewed.samples.front();
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    share.timed[c] = view.MedianOf(viewed, [c](const ScaleSample& sample) {
      return 100 * sample.class_seconds[c] / Total(sample.class_seconds);
    });
    share.counted[c] = 100 * static_cast<double>(first.macs.useful[c]) /
                       static_cast<double>(first.macs.TotalUseful());
  }
  share.article_attention = FormulaAt("A1_SHARE_ATTN", shape, {{"n", n}});
  share.article_projections = FormulaAt("A1_SHARE_PROJ", shape, {{"n", n}});
  share.article_feed_forward = FormulaAt("A1_SHARE_FFN", shape, {{"n", n}});
  const LayerWork work = CausalPrefillWork(shape, n);
  share.causal_attention = 100 * work.core / work.products();
  share.causal_projections = 100 * work.projections / work.products();
  share.causal_feed_forward = 100 * work.feed_forward / work.products();
  share.softmax_operations =
      100 * work.softmax_operations / (work.products() + work.softmax_operations);
  return share;
}

}  // namespace

void FindShares(const ScaleView& view, ScaleModelFindings* findings) {
  for (const ViewedPoint* viewed : view.Sweep(ScaleSweep::kPrefill)) {
    if (viewed->point->streams != 1) continue;
    findings->shares.push_back(ShareOf(view, *viewed, findings->shape));
  }
}

}  // namespace plumbline
