// Passes over stored attention scores, one row of one head at a time: the softmax stage of
// attention that keeps its score matrix, whole and taken apart. Vectorised with Highway.
//
// Each reads a row in memory once, however often it comes back to it in cache: a row of 16,384
// scores is 64 KiB. The two ways give the same bits for the keys that a row sees: both scale, then
// take the maximum, then sum exp(score - maximum) over the same vectors; masked lanes add zero.
#ifndef PLUMBLINE_ENGINE_SCORE_PASSES_H_
#define PLUMBLINE_ENGINE_SCORE_PASSES_H_

#include <cstdint>

namespace plumbline {

enum class ScoreMask : uint8_t {
  kNone,    // the full square
  kCausal,  // row i sees keys 0 to i
};

// row[0, visible) = softmax(scale * row); what lies behind is neither read nor written.
// REQUIRES: 1 <= visible.
void ScaledSoftmax(int visible, float scale, float* row);

// The same in three passes over all `count` keys of a row:
// row[0, count) *= scale;
void ScaleScores(int count, float scale, float* row);
// row[visible, count) = minus infinity;
void MaskScores(int visible, int count, float* row);
// row[0, count) = softmax(row). REQUIRES: 1 <= count, and one score at least is finite.
void Softmax(int count, float* row);

// out[head_dim] += sum over keys of weights[key] * values[key], keys ascending. Rows of values
// start `stride` floats apart.
void AddWeightedValues(int keys, const float* weights, const float* values, int64_t stride,
                       int head_dim, float* out);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_SCORE_PASSES_H_
