// What a row of queries makes of some of its keys, and how the parts of a row become its result.
// The functions are pure: safe from any thread.
#ifndef PLUMBLINE_ENGINE_ATTENTION_PARTIALS_H_
#define PLUMBLINE_ENGINE_ATTENTION_PARTIALS_H_

namespace plumbline {

// A row's softmax over some keys: values[head_dim] unnormalised, then maximum, then sum.
// [PartialFloats(head_dim)]
inline constexpr int PartialFloats(int head_dim) { return (head_dim + 2 + 15) / 16 * 16; }

// Adds the partials of later keys to running ones, of `rows` rows one behind another; a running sum
// of zero means "nothing yet".
void MergePartials(const float* partials, int rows, int head_dim, float* runnings);
// out[head_dim] = values / sum.
void FinishPartial(const float* running, int head_dim, float* out);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_ATTENTION_PARTIALS_H_
