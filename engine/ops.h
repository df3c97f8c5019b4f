// Row-wise parts of the forward pass: norms, activations, rotary positions. Each row is computed
// by one thread in one order, so its bits do not depend on its companions.
#ifndef PLUMBLINE_ENGINE_OPS_H_
#define PLUMBLINE_ENGINE_OPS_H_

#include <cstddef>
#include <cstdint>

#include "engine/model_config.h"
#include "engine/result_block.h"
#include "engine/weight_dtype.h"

namespace plumbline {

// One norm's parameters: out = (x - mean) / deviation * gain + bias, or without mean and bias for
// RMSNorm (Zhang and Sennrich 2019). Pointers are not owned; bias may be null.
struct NormParams {
  NormKind kind = NormKind::kRms;
  float epsilon = 1e-5f;
  const float* gain = nullptr;  // [width]
  const float* bias = nullptr;  // [width]
};

// out = norm(x), rounded to `out_dtype` (nearest even). [width] both; `out` as f32 may be `x`. No
// function here writes int8: see int8_rows.h.
void NormRow(const NormParams& norm, int width, const float* x, WeightDtype out_dtype,
             std::byte* out);

// x += delta. [count]
void AddRow(int count, const float* delta, float* x);

// x [rows, outputs] += block, then += bias, [outputs]; bias may be null.
void AddBlock(const ResultBlock& block, const float* bias, int64_t outputs, float* x);
// x [rows, outputs] = block, then += bias. What stands in its place already is not moved.
void StoreBlock(const ResultBlock& block, const float* bias, int64_t outputs, float* x);

// Gates and ups take turns in rows of this many, so that a block of results (result_block.h) has
// both; the last turn has fewer. The rows of the matrix that makes them lie likewise.
inline constexpr int kGateTurn = 32;

// SwiGLU (Shazeer 2020): in [2 * ffn], turns of gates and ups: out = silu(gate) * up. GELU, tanh
// form (Hendrycks and Gimpel 2016): in [ffn]. `bias`, as long as `in`, is added first; may be null.
// Also for some neighbours of a row, if they begin with a turn and end with one. `out` as f32 may
// be `in`.
void Activate(FeedForwardKind kind, int ffn, const float* in, const float* bias,
              WeightDtype out_dtype, std::byte* out);

// out = x, rounded to nearest even.
void RoundRow(int count, const float* x, WeightDtype out_dtype, std::byte* out);

// Heads of one token, side by side.
struct HeadRow {
  int heads = 0;
  int head_dim = 0;
  float* values = nullptr;  // [heads, head_dim]
};
// Rotates them in place (RoFormer, Su et al. 2021, eq. 34): cosines and sines are of the position's
// angles, [rope_dims / 2]. Elements from rope_dims on stay.
void Rotate(PositionKind kind, int rope_dims, const float* cosines, const float* sines,
            const HeadRow& row);

// The place of the largest of `count` numbers, the first of equal ones. -1: one of them is NaN or
// +infinity, or none is finite.
int FindLargest(int count, const float* x);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_OPS_H_
