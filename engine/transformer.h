// The forward pass of a decoder-only transformer over one step's batch.
#ifndef PLUMBLINE_ENGINE_TRANSFORMER_H_
#define PLUMBLINE_ENGINE_TRANSFORMER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/attention.h"
#include "engine/model.h"
#include "engine/ops.h"
#include "engine/step_clock.h"
#include "engine/untouched_array.h"
#include "engine/weights.h"

namespace plumbline {

class Transformer final : public Model {
 public:
  Transformer(const ModelConfig& config, const ModelOptions& options,
              std::unique_ptr<MatmulContext> context, ModelWeights weights);

  absl::StatusOr<absl::Span<const float>> Forward(const StepBatch& batch, KvStore& store,
                                                  StepWork* work) override;
  const ModelConfig& config() const override { return config_; }
  const ModelOptions& options() const override { return options_; }
  const WeightSizes& weight_sizes() const override { return sizes_; }
  ScratchSizes scratch_sizes() const override;
  void TouchScratch() override;
  std::string same_bits_exception() const override;
  std::string matmul_implementations() const override;

 private:
  // Scratch of one step, sized by the options; not resident until a step touches it.
  struct Buffers {
    UntouchedArray<float> residual;    // [max_step_tokens, width]
    UntouchedArray<std::byte> normed;  // [max_step_tokens, width] in the computing dtype
    UntouchedArray<float> qkv;         // [max_step_tokens, query + 2 kv widths]
    UntouchedArray<std::byte> mixed;   // [max_step_tokens, query width]
    UntouchedArray<float> delta;       // [max_step_tokens, width]: what a sublayer will add
    UntouchedArray<float> hidden;      // [max_step_tokens, up outputs]
    UntouchedArray<std::byte> active;  // [max_step_tokens, ffn]
    // int8 and q4 alone: heads' outputs before they become `mixed`, then activations before they
    // become `active`, since a row's scale needs them all; and the scale of each row of the operand
    // written last (normed, mixed or active), which is read before the next is written.
    UntouchedArray<float> unrounded;  // [max_step_tokens, query width or ffn]
    UntouchedArray<float> scales;     // [max_step_tokens]
    UntouchedArray<float> cosines;    // [max_step_tokens, rope_dims / 2]
    UntouchedArray<float> sines;
    UntouchedArray<std::byte> last;     // [max_logit_rows, width]: rows that want logits
    UntouchedArray<float> logits;       // [max_logit_rows, vocab]
    UntouchedArray<float> last_scales;  // [max_logit_rows], as scales
  };
  // What multiplies a step's rows, and what is added to its products.
  struct Factor {
    WorkClass work_class;
    PackedMatrix& matrix;
    const std::vector<float>& bias;
  };
  // One step as its parts see it.
  struct Step {
    const StepBatch& batch;
    KvStore& store;
    StepWork* work;
    StepClock& clock;  // lapped by every part at its end
  };

  absl::Status Check(const StepBatch& batch, const KvStore& store) const;
  absl::Status Run(const Step& step);
  void Embed(const Step& step);
  void ComputeAngles(const StepBatch& batch);
  // normed = norm(residual), for every row.
  void NormRows(const Step& step, const std::vector<float>& gain, const std::vector<float>& bias);
  // For one row; the result in the computing dtype, with its scale in int8 (`delta` is overwritten
  // then).
  void NormResidual(const NormParams& norm, int64_t row, std::byte* out, float* scale);
  // Of the up matrix's results: their place in `active`, or in `unrounded`.
  void ActivateBlock(const LayerWeights& weights, const ResultBlock& block);
  void QuantizeActivated(const Step& step);
  // mixed = the heads' outputs in the computing dtype, where attention did not write them so.
  void QuantizeAttended(const Step& step);
  absl::Status Attend(const Step& step, int layer);
  // Whether heads are whole in every block of results.
  bool heads_in_blocks() const { return kResultOutputs % config_.head_dim == 0; }
  // Of qkv's results: where heads are whole they are rotated, and keys and values go to the cache;
  // elsewhere they wait in `qkv` for FinishAttentionInputs.
  void TakeHeads(const Step& step, int layer, const ResultBlock& block);
  // Some heads of a row, from `first` on among its queries', keys' and values' heads.
  void FinishHeads(const Step& step, int layer, int64_t row, const HeadRow& heads, int first);
  void FinishAttentionInputs(const Step& step, int layer);
  absl::Status FeedForward(const Step& step, int layer);
  absl::Status Head(const Step& step);
  // The products of all rows go to `sink`, which adds the bias; `room` as in PackedMatrix::RunInto.
  absl::Status Multiply(const Step& step, const Factor& factor, const std::byte* in, float* room,
                        ResultSink sink);
  // residual += the products + bias.
  absl::Status MultiplyAndAdd(const Step& step, const Factor& factor, const std::byte* in);
  void CountVector(const Step& step, const std::vector<float>& vector);
  void CountChannels(const Step& step, const PackedMatrix& matrix);
  bool int8() const { return IsWhole(options_.weights); }
  // Of the operand written last; of no use but in int8.
  float* ScaleOf(int64_t row) { return int8() ? buffers_.scales.get() + row : nullptr; }
  static const float* OrNull(const std::vector<float>& vector) {
    return vector.empty() ? nullptr : vector.data();
  }
  NormParams Norm(const std::vector<float>& gain, const std::vector<float>& bias) const;
  void MeasureWeights();
  int64_t RowBytes() const;  // of all buffers with max_step_tokens rows
  std::vector<const PackedMatrix*> Matrices() const;
  // Whether no product needs the library's own threads, so that a crew can run a pass.
  bool RunsInCrew() const;
  // Multiply-accumulates of one layer.
  int64_t LayerMacs(const StepBatch& batch) const;

  ModelConfig config_;
  ModelOptions options_;
  std::unique_ptr<MatmulContext> context_;  // outlives the weights, which refer to it
  ModelWeights weights_;
  WeightSizes sizes_;
  bool in_crew_;
  PagedAttention attention_;
  std::vector<double> frequencies_;  // [rope_dims / 2], radians per position
  Buffers buffers_;
  std::vector<int> row_span_;  // [num_tokens]: the span of each row
  // Bytes by the layer at hand, at the first of the heads that were written together.
  std::vector<int64_t> written_;  // [max_step_tokens, keys and values, kv_heads]
  std::vector<int> logit_rows_;   // [num_logit_rows]: the row of each row of logits
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_TRANSFORMER_H_
