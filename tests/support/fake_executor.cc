#include "tests/support/fake_executor.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/step_time.h"

namespace plumbline {
namespace {

constexpr int kLayers = 2;
constexpr int kKvHeads = 1;
constexpr int kQueryHeads = 2;
constexpr int kHeadDim = 4;

uint64_t Hash(uint64_t state, uint64_t value) {
  state = (state ^ value) * 0x9E3779B97F4A7C15u;
  return state ^ (state >> 29);
}

}  // namespace

FakeExecutor::FakeExecutor(const FakeExecutorOptions& options, ManualClock* clock)
    : options_(options),
      clock_(clock),
      slots_(static_cast<size_t>(options.num_blocks) * static_cast<size_t>(options.block_tokens)),
      host_slots_(static_cast<size_t>(options.host_blocks) *
                  static_cast<size_t>(options.block_tokens)) {}

CostShape FakeExecutor::cost_shape() const {
  CostShape shape;
  shape.L = kLayers;
  shape.d = kQueryHeads * kHeadDim;
  shape.h = kQueryHeads;
  shape.g = kKvHeads;
  shape.e = kHeadDim;
  shape.F = 16;
  shape.m = 3;
  shape.V = options_.vocab;
  shape.block_tokens = options_.block_tokens;
  return shape;
}

KvGeometry FakeExecutor::geometry() const {
  KvGeometry geometry;
  geometry.block_tokens = options_.block_tokens;
  geometry.groups.push_back({kLayers, kKvHeads, kHeadDim, kHeadDim, KvDtype::kF32});
  return geometry;
}

FakeExecutor::Slot& FakeExecutor::At(absl::Span<const BlockId> blocks, int position) {
  const auto block_tokens = static_cast<size_t>(options_.block_tokens);
  const auto at = static_cast<size_t>(position);
  return slots_[static_cast<size_t>(blocks[at / block_tokens]) * block_tokens + at % block_tokens];
}

void FakeExecutor::Copy(BlockId from, BlockId to) {
  ++copies_;
  for (int slot = 0; slot < options_.block_tokens; ++slot) {
    At({&to, 1}, slot) = At({&from, 1}, slot);
    At({&to, 1}, slot).copied = true;
  }
}

int64_t FakeExecutor::SwapOut(BlockId from, BlockId host_block) {
  for (int slot = 0; slot < options_.block_tokens; ++slot) {
    host_slots_[static_cast<size_t>(host_block) * options_.block_tokens + slot] =
        At({&from, 1}, slot);
  }
  return geometry().BlockBytes();
}

int64_t FakeExecutor::SwapIn(BlockId host_block, BlockId to) {
  for (int slot = 0; slot < options_.block_tokens; ++slot) {
    At({&to, 1}, slot) = std::exchange(
        host_slots_[static_cast<size_t>(host_block) * options_.block_tokens + slot], Slot());
  }
  return geometry().BlockBytes();
}

void FakeExecutor::Forget(BlockId block) {
  for (int slot = 0; slot < options_.block_tokens; ++slot) At({&block, 1}, slot) = Slot();
}

absl::Status FakeExecutor::CheckBatch(const StepBatch& batch) const {
  int row = 0;
  int table = 0;
  int logit_rows = 0;
  // Sequences may share what they read, but nobody writes where another looks.
  std::vector<int> users(static_cast<size_t>(options_.num_blocks), 0);
  std::vector<bool> written(users.size(), false);
  for (const BatchSpan& span : batch.spans) {
    if (span.row != row || span.count < 1) return absl::InternalError("rows have gaps");
    if (span.table != table) return absl::InternalError("tables have gaps");
    if (span.logit_rows < 0 || span.logit_rows > span.count) {
      return absl::InternalError("more logit rows than rows");
    }
    if (span.first_position + span.count > options_.context) {
      return absl::InternalError("a position is outside the context");
    }
    if (span.blocks * options_.block_tokens < span.first_position + span.count) {
      return absl::InternalError("a block table is too short");
    }
    for (int i = 0; i < span.blocks; ++i) {
      const BlockId block = batch.blocks(span)[i];
      if (block < 0 || block >= options_.num_blocks) return absl::InternalError("no such block");
      ++users[block];
      if ((i + 1) * options_.block_tokens > span.first_position) written[block] = true;
    }
    row += span.count;
    table += span.blocks;
    logit_rows += span.logit_rows;
  }
  for (size_t block = 0; block < users.size(); ++block) {
    if (written[block] && users[block] > 1) {
      return absl::InternalError("a block is written by one sequence and read by another");
    }
  }
  if (row == 0) return absl::InternalError("the batch is empty");
  if (row != batch.num_tokens() || batch.positions.size() != batch.token_ids.size() ||
      table != static_cast<int>(batch.block_ids.size()) || logit_rows != batch.num_logit_rows) {
    return absl::InternalError("the batch's sums do not agree");
  }
  return absl::OkStatus();
}

absl::Status FakeExecutor::WriteSpan(const StepBatch& batch, const BatchSpan& span) {
  for (int i = 0; i < span.count; ++i) {
    const int position = batch.positions[span.row + i];
    const int32_t token = batch.token_ids[span.row + i];
    if (position != span.first_position + i) return absl::InternalError("a position is wrong");
    if (token < 0 || token >= options_.vocab) return absl::InternalError("no such token");
    Slot& slot = At(batch.blocks(span), position);
    if (slot.token >= 0 && !slot.copied) {
      return absl::InternalError(absl::StrCat("position ", position, " is written twice"));
    }
    slot = {token, position, steps_};
  }
  return absl::OkStatus();
}

absl::Status FakeExecutor::ReadSpan(const StepBatch& batch, const BatchSpan& span) {
  uint64_t history = 1;
  const int end = span.first_position + span.count;
  for (int position = 0; position < end; ++position) {
    const Slot& slot = At(batch.blocks(span), position);
    if (slot.token < 0 || slot.position != position) {
      return absl::InternalError(absl::StrCat("position ", position, " reads a slot that holds ",
                                              slot.token, " of position ", slot.position));
    }
    if ((slot.written_step == steps_) != (position >= span.first_position)) {
      return absl::InternalError(absl::StrCat("position ", position, " is not this step's"));
    }
    history = Hash(history, static_cast<uint64_t>(slot.token));
    if (position < end - span.logit_rows) continue;
    for (int token = 0; token < options_.vocab; ++token) {
      const uint64_t hash = Hash(history, 1000 + static_cast<uint64_t>(token));
      logits_.push_back(static_cast<float>(hash >> 54) / 128.0f);
    }
  }
  return absl::OkStatus();
}

double FakeExecutor::StepSeconds(const StepBatch& batch) const {
  if (options_.profile == nullptr) return options_.seconds_per_token * batch.num_tokens();
  return PredictStep(*options_.profile, cost_shape(), SpanShapes(batch)).seconds();
}

void FakeExecutor::CountSpan(const StepBatch& batch, size_t index, StepWork* work) const {
  const BatchSpan& span = batch.spans[index];
  MacCounts& counts = work->spans[index];
  for (int i = 0; i < span.count; ++i) {
    for (int key = 0; key <= span.first_position + i; ++key) {
      work->softmax_pairs += kLayers * kQueryHeads;
      for (const WorkClass part : {WorkClass::kScores, WorkClass::kWeightedValues}) {
        counts.useful[static_cast<size_t>(part)] += kLayers * kQueryHeads * kHeadDim;
        counts.executed[static_cast<size_t>(part)] += kLayers * kQueryHeads * kHeadDim;
      }
    }
  }
}

absl::StatusOr<absl::Span<const float>> FakeExecutor::Run(const StepBatch& batch, StepWork* work) {
  logits_.clear();
  absl::Status status = CheckBatch(batch);
  for (size_t i = 0; status.ok() && i < batch.spans.size(); ++i) {
    status = WriteSpan(batch, batch.spans[i]);
  }
  if (status.ok() && !fail_next_.ok()) return std::exchange(fail_next_, absl::OkStatus());
  for (size_t i = 0; status.ok() && i < batch.spans.size(); ++i) {
    status = ReadSpan(batch, batch.spans[i]);
  }
  if (!status.ok()) {
    violation_.Update(status);
    return status;
  }
  work->Reset(static_cast<int>(batch.spans.size()));
  for (size_t i = 0; i < batch.spans.size(); ++i) CountSpan(batch, i, work);
  work->AddRows(WorkClass::kProjections, batch, 0, batch.num_tokens(),
                kLayers * (2 * kQueryHeads + 2 * kKvHeads) * kHeadDim * kQueryHeads * kHeadDim);
  work->bytes[static_cast<size_t>(WorkClass::kHead)] = 1000 + batch.num_tokens();
  if (const int row = std::exchange(spoil_row_, -1); row >= 0 && row < batch.num_logit_rows) {
    std::fill_n(logits_.begin() + row * options_.vocab, options_.vocab,
                std::numeric_limits<float>::quiet_NaN());
  }
  ++steps_;
  largest_step_tokens_ = std::max(largest_step_tokens_, batch.num_tokens());
  if (clock_ != nullptr) clock_->Advance(StepSeconds(batch));
  return absl::MakeConstSpan(logits_);
}

}  // namespace plumbline
