// An executor without a model. Its cache is a shadow: what was written to each slot of each block.
// A row's logits are a hash of the tokens found in the slots of its positions, so that reading a
// slot that was never written, or that holds another sequence's token, shows: the first is an
// error, the second other tokens than the request gets alone.
#ifndef PLUMBLINE_TESTS_SUPPORT_FAKE_EXECUTOR_H_
#define PLUMBLINE_TESTS_SUPPORT_FAKE_EXECUTOR_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "cache/block_mover.h"
#include "cache/kv_geometry.h"
#include "engine/machine_profile.h"
#include "scheduler/executor.h"
#include "tests/support/manual_clock.h"

namespace plumbline {

struct FakeExecutorOptions {
  int vocab = 50;
  int context = 256;
  int block_tokens = 4;
  int num_blocks = 16;
  int host_blocks = 0;
  double seconds_per_token = 0.5;           // what a step adds to the clock, for each of its tokens
  const MachineProfile* profile = nullptr;  // where given, it adds what this predicts instead
};

class FakeExecutor final : public Executor, public BlockMover {
 public:
  // `clock` (not owned, may be null) advances with every step.
  FakeExecutor(const FakeExecutorOptions& options, ManualClock* clock);

  // Writes the batch's tokens, then reads every row's history back. Internal, also kept in
  // violation(), where the batch does not agree with itself or with the shadow.
  absl::StatusOr<absl::Span<const float>> Run(const StepBatch& batch, StepWork* work) override;
  int vocab() const override { return options_.vocab; }
  int context() const override { return options_.context; }
  CostShape cost_shape() const override;
  // The geometry that cost_shape() is of.
  KvGeometry geometry() const;

  // Copied slots may be written once more: a copy ends where its new owner's tokens do.
  void Copy(BlockId from, BlockId to) override;
  int host_blocks() const override { return options_.host_blocks; }
  // Host memory forgets what has moved back.
  int64_t SwapOut(BlockId from, BlockId host_block) override;
  int64_t SwapIn(BlockId host_block, BlockId to) override;
  int64_t copies() const { return copies_; }

  // The block's slots count as never written (a pool's release observer).
  void Forget(BlockId block);
  // The next Run writes the batch's tokens, but then returns `status`.
  void FailNext(absl::Status status) { fail_next_ = std::move(status); }
  // The next Run's logits row `row` (of those it has) is all NaN.
  void SpoilNextRow(int row) { spoil_row_ = row; }

  const absl::Status& violation() const { return violation_; }
  int64_t steps() const { return steps_; }
  int largest_step_tokens() const { return largest_step_tokens_; }

 private:
  struct Slot {
    int32_t token = -1;  // -1: never written
    int32_t position = -1;
    int64_t written_step = -1;
    bool copied = false;
  };

  absl::Status CheckBatch(const StepBatch& batch) const;
  absl::Status WriteSpan(const StepBatch& batch, const BatchSpan& span);
  absl::Status ReadSpan(const StepBatch& batch, const BatchSpan& span);
  double StepSeconds(const StepBatch& batch) const;
  void CountSpan(const StepBatch& batch, size_t index, StepWork* work) const;
  Slot& At(absl::Span<const BlockId> blocks, int position);

  FakeExecutorOptions options_;
  ManualClock* clock_;
  std::vector<Slot> slots_;       // [num_blocks, block_tokens]
  std::vector<Slot> host_slots_;  // [host_blocks, block_tokens]
  std::vector<float> logits_;     // [num_logit_rows, vocab]
  absl::Status fail_next_;
  int spoil_row_ = -1;
  absl::Status violation_;
  int64_t steps_ = 0;
  int64_t copies_ = 0;
  int largest_step_tokens_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_FAKE_EXECUTOR_H_
