// Sweeps at a fixed length: streams, layers, heads, KV heads, blocks and chunks.
#include <algorithm>
#include <cmath>
#include <functional>

#include "tools/curve_fit.h"
#include "tools/scale_parts.h"

namespace plumbline {
namespace {

struct VariantSweep {
  ScaleSweep sweep;
  int64_t (*value)(const ScalePoint& point);
  bool grows;  // time follows a power of the value
};

constexpr VariantSweep kVariantSweeps[] = {
    {ScaleSweep::kBatch, [](const ScalePoint& p) { return p.streams; }, true},
    {ScaleSweep::kLayers, [](const ScalePoint& p) { return p.shape.L; }, true},
    {ScaleSweep::kHeads, [](const ScalePoint& p) { return p.shape.h; }, false},
    {ScaleSweep::kKvHeads, [](const ScalePoint& p) { return p.shape.g; }, false},
    {ScaleSweep::kBlock, [](const ScalePoint& p) { return p.shape.block_tokens; }, false},
    {ScaleSweep::kChunk, [](const ScalePoint& p) { return p.chunk; }, false},
};

// The value that the others stand beside: the model's own; whole prompts; one stream.
int64_t BaseValue(const VariantSweep& sweep, const CostShape& shape,
                  const std::vector<const ViewedPoint*>& points) {
  switch (sweep.sweep) {
    case ScaleSweep::kLayers:
      return shape.L;
    case ScaleSweep::kHeads:
      return shape.h;
    case ScaleSweep::kKvHeads:
      return shape.g;
    case ScaleSweep::kBlock:
      return shape.block_tokens;
    case ScaleSweep::kChunk: {
      int64_t whole = 0;
      for (const ViewedPoint* viewed : points) whole = std::max(whole, viewed->point->chunk);
      return whole;
    }
    default:
      return 1;
  }
}

double SoftmaxPairs(const ScaleSample& sample) { return static_cast<double>(sample.softmax_pairs); }

// NaN where the base has none of it.
double CountRatio(double count, double base) { return base > 0 ? count / base : kUnknownFigure; }

ScaleVariant VariantRow(const ScaleView& view, const ViewedPoint& viewed, const ViewedPoint* base,
                        int64_t value) {
  ScaleVariant row;
  row.value = value;
  row.tokens = viewed.point->tokens;
  row.decode = viewed.point->chunk == 0;
  row.seconds = view.MedianOf(viewed, SecondsOfSample);
  if (base == nullptr) return row;
  row.time_ratio =
      base == &viewed ? Estimate::Exact(1) : view.RatioOf(viewed, *base, SecondsOfSample);
  row.attention_ratio =
      base == &viewed ? Estimate::Exact(1) : view.RatioOf(viewed, *base, AttentionSeconds);
  row.core_mac_ratio = CountRatio(CountOf(viewed, CoreMacs), CountOf(*base, CoreMacs));
  row.softmax_ratio = CountRatio(CountOf(viewed, SoftmaxPairs), CountOf(*base, SoftmaxPairs));
  row.cache_byte_ratio = CountRatio(static_cast<double>(viewed.point->cache_bytes),
                                    static_cast<double>(base->point->cache_bytes));
  return row;
}

// The exponent of time over the value, of decode steps or of prefills.
Estimate VariantExponent(const ScaleView& view, const VariantSweep& sweep,
                         const std::vector<const ViewedPoint*>& points, bool decode) {
  RepeatedCurve curve;
  for (const ViewedPoint* viewed : points) {
    if ((viewed->point->chunk == 0) != decode) continue;
    curve.x.push_back(static_cast<double>(sweep.value(*viewed->point)));
    curve.y.push_back(viewed->Figures(SecondsOfSample));
  }
  return view.Estimates(
      {curve},
      [](const std::vector<std::vector<CurvePoint>>& medians) {
        return std::vector<double>{GrowthExponent(medians[0])};
      },
      1)[0];
}

}  // namespace

void FindVariants(const ScaleView& view, ScaleModelFindings* findings) {
  for (const VariantSweep& sweep : kVariantSweeps) {
    std::vector<const ViewedPoint*> points = view.Sweep(sweep.sweep);
    if (points.empty()) continue;
    std::stable_sort(points.begin(), points.end(), [&](const auto* a, const auto* b) {
      return sweep.value(*a->point) < sweep.value(*b->point);
    });
    ScaleVariants variants;
    variants.name = std::string(ScaleSweepName(sweep.sweep));
    variants.base = BaseValue(sweep, findings->shape, points);
    for (const ViewedPoint* viewed : points) {
      const auto base = std::find_if(points.begin(), points.end(), [&](const auto* other) {
        return sweep.value(*other->point) == variants.base &&
               other->point->tokens == viewed->point->tokens &&
               (other->point->chunk == 0) == (viewed->point->chunk == 0);
      });
      variants.rows.push_back(VariantRow(view, *viewed, base == points.end() ? nullptr : *base,
                                         sweep.value(*viewed->point)));
    }
    if (sweep.grows) {
      variants.prefill_exponent = VariantExponent(view, sweep, points, false);
      variants.decode_exponent = VariantExponent(view, sweep, points, true);
    }
    findings->variants.push_back(std::move(variants));
  }
}

}  // namespace plumbline
