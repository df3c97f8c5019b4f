// Counter-examples beside what the engine does, at the same length and in the same repetition.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "tools/scale_formulas.h"
#include "tools/scale_parts.h"
#include "tools/scale_text.h"

namespace plumbline {
namespace {

struct Contrast {
  const char* name;
  ScaleSweep above;
  ScaleSweep below;
  bool cache;            // compare the caches' bytes, not the scores'
  const char* sentence;  // "... takes R times the time"
};

constexpr Contrast kContrasts[] = {
    {"no cache / cached", ScaleSweep::kNoCache, ScaleSweep::kDecode, false,
     "Recomputing the whole context for a token"},
    {"stored, full / tiled", ScaleSweep::kStoredFull, ScaleSweep::kTiled, false,
     "Attention that stores the full square of scores"},
    {"stored, causal / tiled", ScaleSweep::kStoredCausal, ScaleSweep::kTiled, false,
     "Attention that stores the causal half of the scores"},
    {"stored, full / causal", ScaleSweep::kStoredFull, ScaleSweep::kStoredCausal, false,
     "Storing the full square instead of the causal half"},
    {"softmax in three / one", ScaleSweep::kUnfusedSoftmax, ScaleSweep::kFusedSoftmax, false,
     "Scale, mask and softmax in three passes instead of one"},
    {"feed-forward in two / one", ScaleSweep::kUnfusedFfn, ScaleSweep::kFusedFfn, false,
     "Bias and activation in two passes instead of one"},
    {"paged / contiguous", ScaleSweep::kPaged, ScaleSweep::kContiguous, true,
     "A decode step from shuffled blocks instead of one contiguous buffer"},
};

double Over(double above, double below) {
  return above > 0 && below > 0 ? above / below : kUnknownFigure;
}

double ExecutedMacs(const ScaleSample& sample) {
  return static_cast<double>(sample.macs.TotalExecuted());
}

ScaleContrast ContrastRow(const ScaleView& view, const Contrast& contrast, const ViewedPoint& above,
                          const ViewedPoint& below) {
  ScaleContrast row;
  row.name = contrast.name;
  row.tokens = above.point->tokens;
  row.time_ratio = view.RatioOf(above, below, SecondsOfSample);
  row.mac_ratio = Over(CountOf(above, ExecutedMacs), CountOf(below, ExecutedMacs));
  const auto bytes = [&](const ScalePoint& point) {
    return static_cast<double>(contrast.cache ? point.cache_bytes : point.peak_score_bytes);
  };
  row.peak_byte_ratio = Over(bytes(*above.point), bytes(*below.point));
  return row;
}

// "as many", "2.5 times the".
std::string TimesText(double ratio) {
  return ratio == 1 ? "as many" : absl::StrCat(FigureText(ratio), " times the");
}

// Of the longest length measured.
std::string SentenceOf(const Contrast& contrast, const ScaleContrast& row) {
  std::string text = absl::StrCat(contrast.sentence, " takes ", EstimateText(row.time_ratio),
                                  " times the time at ", row.tokens, " tokens");
  if (!std::isnan(row.mac_ratio)) {
    absl::StrAppend(&text, ", ", TimesText(row.mac_ratio), " products");
  }
  if (!std::isnan(row.peak_byte_ratio)) {
    absl::StrAppend(&text, ", ", TimesText(row.peak_byte_ratio),
                    contrast.cache ? " cache" : " score", " bytes");
  }
  switch (JudgeRatio(row.time_ratio)) {
    case RatioVerdict::kBetter:
      return text + ": it is faster.";
    case RatioVerdict::kWorse:
      return text + ": it is slower.";
    default:
      return text + ": the two cannot be told apart.";
  }
}

// Area under the lines between points.
double Area(const std::vector<CurvePoint>& curve) {
  double area = 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].x - curve[i - 1].x) * (curve[i].y + curve[i - 1].y) / 2;
  }
  return area;
}

// Generating up to T tokens without a cache over with one: (T + 2) / 3 for the products of
// attention's core; measured for the whole step, from the first length that both sweeps have.
void AddGenerationSentence(const ScaleView& view, const CostShape& shape,
                           std::vector<std::string>* sentences) {
  const RepeatedCurve naive = CurveOf(view.Recomputed(), SecondsOfSample);
  const RepeatedCurve all_cached = CurveOf(view.Cached(), SecondsOfSample);
  RepeatedCurve cached;
  RepeatedCurve shared;
  for (size_t i = 0; i < naive.x.size(); ++i) {
    const auto same = std::find(all_cached.x.begin(), all_cached.x.end(), naive.x[i]);
    if (same == all_cached.x.end()) continue;
    shared.x.push_back(naive.x[i]);
    shared.y.push_back(naive.y[i]);
    cached.x.push_back(naive.x[i]);
    cached.y.push_back(all_cached.y[same - all_cached.x.begin()]);
  }
  if (shared.x.size() < 2) return;
  const Estimate ratio = view.Estimates(
      {shared, cached},
      [](const std::vector<std::vector<CurvePoint>>& medians) {
        return std::vector<double>{Area(medians[0]) / Area(medians[1])};
      },
      1)[0];
  const FormulaValues last = {{"T", shared.x.back()}};
  const double core = FormulaAt("D_NAIVE_GEN_CORE_CAUSAL", shape, last) /
                      FormulaAt("D_CACHED_GEN_CORE", shape, last);
  sentences->push_back(absl::StrCat(
      "Generating tokens ", FigureText(shared.x.front()), " to ", FigureText(shared.x.back()),
      " without a cache takes ", EstimateText(ratio), " times the time; attention's products from ",
      "the first token on are (T + 2) / 3 = ", FigureText(core), " times as many."));
}

// What was measured at whole prompts and by chunks is in the variants; here is its sentence.
void AddChunkSentence(const ScaleModelFindings& findings, std::vector<std::string>* sentences) {
  for (const ScaleVariants& variants : findings.variants) {
    if (variants.name != ScaleSweepName(ScaleSweep::kChunk) || variants.rows.empty()) continue;
    const ScaleVariant& row = variants.rows.front();
    if (row.value == variants.base || !row.time_ratio.known()) continue;
    sentences->push_back(absl::StrCat("A prompt of ", row.tokens, " tokens in chunks of ",
                                      row.value, " takes ", EstimateText(row.time_ratio),
                                      " times the time of the whole prompt."));
  }
}

}  // namespace

void FindContrasts(const ScaleView& view, ScaleModelFindings* findings) {
  for (const Contrast& contrast : kContrasts) {
    const ScaleContrast* longest = nullptr;
    const bool no_cache = contrast.above == ScaleSweep::kNoCache;
    const auto below = no_cache ? view.Cached() : view.Sweep(contrast.below);
    const auto points = no_cache ? view.Recomputed() : view.Sweep(contrast.above);
    const size_t first = findings->contrasts.rows.size();
    for (const ViewedPoint* above : points) {
      const auto same = std::find_if(below.begin(), below.end(), [&](const ViewedPoint* other) {
        return other->point->tokens == above->point->tokens &&
               other->point->streams == above->point->streams;
      });
      if (same == below.end()) continue;
      findings->contrasts.rows.push_back(ContrastRow(view, contrast, *above, **same));
    }
    for (size_t i = first; i < findings->contrasts.rows.size(); ++i) {
      if (findings->contrasts.rows[i].time_ratio.known()) longest = &findings->contrasts.rows[i];
    }
    if (longest != nullptr) {
      findings->contrasts.sentences.push_back(SentenceOf(contrast, *longest));
    }
  }
  AddGenerationSentence(view, findings->shape, &findings->contrasts.sentences);
  AddChunkSentence(*findings, &findings->contrasts.sentences);
}

}  // namespace plumbline
