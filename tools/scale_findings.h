// What a scaling study found: figures with their intervals beside the formulas' and the articles'.
// Plain values, made by scale_analysis.h; a figure that could not be had is NaN ("-" in tables).
#ifndef PLUMBLINE_TOOLS_SCALE_FINDINGS_H_
#define PLUMBLINE_TOOLS_SCALE_FINDINGS_H_

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/cost_model.h"
#include "engine/work.h"
#include "tools/stats.h"
#include "tools/steadiness.h"

namespace plumbline {

inline constexpr double kUnknownFigure = std::numeric_limits<double>::quiet_NaN();

// A law fitted to a sweep. Prefill over n tokens: a n + b n^2. Decode over context t: a + b t.
struct ScaleFit {
  Estimate a = Estimate::Unknown();          // seconds a token; seconds
  Estimate b = Estimate::Unknown();          // seconds a token squared; seconds a token
  double largest_residual = kUnknownFigure;  // largest |fit / median - 1|
};

// time(2n) / time(n).
struct ScaleDoubling {
  int64_t tokens = 0;  // n
  Estimate whole = Estimate::Unknown();
  Estimate attention = Estimate::Unknown();  // scores, softmax and weighted values alone
  double causal_macs = kUnknownFigure;       // D_PREFILL_MAC or D_DECODE_MAC, at 2n over at n
  double full_layer = kUnknownFigure;        // D_LAYER_DOUBLING; prefill only
};

// One length of a prefill or decode sweep.
struct ScaleLength {
  int64_t tokens = 0;
  int64_t repetitions = 0;
  Estimate seconds = Estimate::Unknown();
  Estimate tokens_per_second = Estimate::Unknown();
  double article_tokens_per_second = kUnknownFigure;  // A1_TOKENS_PER_SEC at the anchors' rate
  double article_ms = kUnknownFigure;                 // A1_TIME_MS at the anchors' rate
};

// Where one cost passes another (or a time passes a threshold), in tokens.
struct ScaleCrossing {
  std::string what;  // "attention = feed-forward"
  // Between measured points. Infinite: not reached within the sweep; 0: passed before it begins.
  Estimate measured = Estimate::Unknown();
  double extrapolated = kUnknownFigure;  // from fits, where the sweep does not hold it
  double counted = kUnknownFigure;       // where the counts of this shape cross, causal
  std::string full_id;                   // the formula for the full square, and its value
  double full = kUnknownFigure;
  std::string claim;                    // what an article says; may be empty
  double last_tokens = kUnknownFigure;  // end of the sweep
};

// The parts of one prefill, in percent of its time or of its work.
struct ScaleShare {
  int64_t tokens = 0;
  std::array<Estimate, kNumWorkClasses> timed = {};  // by WorkClass
  std::array<double, kNumWorkClasses> counted = {};  // useful MACs; softmax: none
  // Percent of a layer as the article counts it (full square): attention, projections,
  // feed-forward.
  double article_attention = kUnknownFigure;
  double article_projections = kUnknownFigure;
  double article_feed_forward = kUnknownFigure;
  // The same with causal pairs, by this shape's formulas.
  double causal_attention = kUnknownFigure;
  double causal_projections = kUnknownFigure;
  double causal_feed_forward = kUnknownFigure;
  double softmax_operations = kUnknownFigure;  // D_SOFTMAX_OPS in all operations, MAC counted as 1
};

// One value of a sweep at fixed length, beside the sweep's base value.
struct ScaleVariant {
  int64_t value = 0;  // layers, heads, streams, ...
  int64_t tokens = 0;
  bool decode = false;  // a decode step, else a prefill
  Estimate seconds = Estimate::Unknown();
  Estimate time_ratio = Estimate::Unknown();       // over the base, paired by repetition
  Estimate attention_ratio = Estimate::Unknown();  // the same of attention's classes
  double core_mac_ratio = kUnknownFigure;          // measured products of attention
  double softmax_ratio = kUnknownFigure;           // measured softmax pairs
  double cache_byte_ratio = kUnknownFigure;        // cache allocated
};
struct ScaleVariants {
  std::string name;  // "layers"
  int64_t base = 0;  // the value that others stand beside
  // time ~ value^exponent, prefill and decode; of sweeps over layers and streams.
  Estimate prefill_exponent = Estimate::Unknown();
  Estimate decode_exponent = Estimate::Unknown();
  std::vector<ScaleVariant> rows;
};

// A counter-example beside what the engine does, at one length.
struct ScaleContrast {
  std::string name;  // "stored full / tiled"
  int64_t tokens = 0;
  Estimate time_ratio = Estimate::Unknown();  // paired by repetition
  double mac_ratio = kUnknownFigure;          // executed
  double peak_byte_ratio = kUnknownFigure;    // of scores kept; of cache for paged / contiguous
};
struct ScaleContrasts {
  std::vector<ScaleContrast> rows;
  std::vector<std::string> sentences;  // one for each counter-example that was measured
};

// Measured counts beside formulas: of every sample, operations and bytes by class.
struct ScaleExactness {
  int64_t compared = 0;
  int64_t equal = 0;
  std::string first_difference;  // empty: none
};

// Predicted beside measured times.
struct ScalePredictionError {
  std::string of;  // "prefill", "decode", "other"
  int64_t samples = 0;
  double median = kUnknownFigure;  // of |predicted / measured - 1| over samples
  double p90 = kUnknownFigure;
  // The point with the largest error of its medians, signed, and the class furthest off in it.
  double largest = kUnknownFigure;
  int64_t largest_tokens = 0;
  std::string largest_class;
};

// The article's tables for this host.
struct ScaleHost {
  int64_t free_memory_bytes = 0;                  // 0: unknown
  double tflops = kUnknownFigure;                 // median of the anchors' matmul rate
  double max_tokens_all_layers = kUnknownFigure;  // A1_MAX_SEQ
  double max_tokens_one_layer = kUnknownFigure;   // A1_MAX_SEQ with L = 1
  double max_tokens_no_scores = kUnknownFigure;   // the cache alone, in the same share of memory
};

enum class ScaleVerdict : uint8_t { kHolds, kDoesNotHold, kNotReached, kNotMeasured };
std::string ScaleVerdictName(ScaleVerdict verdict);  // "holds", "does not hold", ...

struct ScaleClaim {
  std::string id;        // of the project's list of claims
  std::string claim;     // in our words
  std::string measured;  // in a few words, with figures
  ScaleVerdict verdict = ScaleVerdict::kNotMeasured;
};

// How steady the machine was while this model was measured.
struct ScaleSteadiness {
  int64_t samples = 0;
  int64_t outliers = 0;  // counted, never dropped
  Drift drift;
};

struct ScaleModelFindings {
  std::string model;
  CostShape shape;
  ScaleSteadiness steadiness;
  ScaleExactness exactness;
  ScaleFit prefill_fit;
  ScaleFit decode_fit;
  Estimate prefill_exponent = Estimate::Unknown();
  Estimate decode_exponent = Estimate::Unknown();
  std::vector<ScaleLength> prefill;
  std::vector<ScaleLength> decode;
  std::vector<ScaleDoubling> prefill_doublings;
  std::vector<ScaleDoubling> decode_doublings;
  std::vector<ScaleCrossing> crossings;
  std::vector<ScaleCrossing> thresholds;  // 100 ms and 1 s of prefill
  std::vector<ScaleShare> shares;
  std::vector<ScaleVariants> variants;
  ScaleContrasts contrasts;
  std::vector<ScalePredictionError> predictions;
  ScaleHost host;
  std::vector<ScaleClaim> claims;
};

struct ScaleFindings {
  uint64_t seed = 0;
  std::vector<ScaleModelFindings> models;  // in the order that they were first measured
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SCALE_FINDINGS_H_
