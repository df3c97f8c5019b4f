#include "engine/stored_attention.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/matmul.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

// Enough for the library's full rate; few enough that a causal panel wastes little.
constexpr int kStoredPanelRows = 128;
constexpr int64_t kBytesPerScore = sizeof(float);

absl::Status CheckStoredSizes(const AttentionShape& shape, int tokens) {
  if (shape.kv_heads < 1 || shape.heads < 1 || shape.head_dim < 1 || shape.threads < 1 ||
      tokens < 1 || shape.heads % shape.kv_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stored attention needs positive sizes, and heads that the KV heads divide, but has ",
        shape.heads, " heads, ", shape.kv_heads, " KV heads, width ", shape.head_dim, ", ",
        shape.threads, " threads and ", tokens, " tokens"));
  }
  return absl::OkStatus();
}

// heads * tokens^2 * 4, or the largest number where that overflows.
int64_t ScoreBytes(int64_t heads, int64_t tokens) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t rows = heads * tokens;                // both below 2^31
  const int64_t row_bytes = kBytesPerScore * tokens;  // below 2^33
  return rows > kMost / row_bytes ? kMost : rows * row_bytes;
}

absl::Status TooLarge(int tokens, int heads, int64_t needed, int64_t had) {
  return absl::ResourceExhaustedError(absl::StrCat("the stored scores of ", tokens, " tokens and ",
                                                   heads, " heads need ", needed, " bytes, and ",
                                                   had, " are free: measure shorter prompts"));
}

}  // namespace

StoredAttention::StoredAttention(const AttentionShape& shape, int tokens,
                                 std::unique_ptr<float[]> scores, int64_t score_floats)
    : shape_(shape),
      tokens_(tokens),
      panels_((tokens + kStoredPanelRows - 1) / kStoredPanelRows),
      scores_(std::move(scores)),
      score_floats_(score_floats),
      counts_(int64_t{1} * shape.heads * panels_),
      status_(counts_.size()) {
  shape_.threads = UsableThreads(shape.threads);
  // Touched now, so that the memory is there and no stage pays for its pages.
  ParallelFor(shape_.threads, int64_t{1} * shape.heads * tokens,
              [&](int64_t row) { std::fill_n(scores_.get() + row * tokens, tokens, 0.0F); });
}

absl::StatusOr<std::unique_ptr<StoredAttention>> StoredAttention::Create(
    const AttentionShape& shape, int tokens, int64_t free_bytes) {
  if (absl::Status status = CheckStoredSizes(shape, tokens); !status.ok()) return status;
  const int64_t bytes = ScoreBytes(shape.heads, tokens);
  if (bytes > free_bytes) return TooLarge(tokens, shape.heads, bytes, free_bytes);
  const int64_t floats = bytes / kBytesPerScore;
  std::unique_ptr<float[]> scores(new (std::nothrow) float[static_cast<size_t>(floats)]);
  if (scores == nullptr) return TooLarge(tokens, shape.heads, bytes, free_bytes);
  return std::unique_ptr<StoredAttention>(
      new StoredAttention(shape, tokens, std::move(scores), floats));
}

absl::Status StoredAttention::Run(const float* queries, const float* keys, const float* values,
                                  ScoreMask mask, float* out, StepWork* work) {
  absl::Status status = ComputeScores(queries, keys, mask, work);
  if (!status.ok()) return status;
  SoftmaxFused(mask, work);
  return WeighValues(values, mask, out, work);
}

int StoredAttention::VisibleKeys(int row, ScoreMask mask) const {
  return mask == ScoreMask::kCausal ? row + 1 : tokens_;
}

float* StoredAttention::Row(int head, int row) const {
  return scores_.get() + (int64_t{1} * head * tokens_ + row) * tokens_;
}

// Last panels see the most keys: they go first, so that no thread is left with a long one.
StoredAttention::Panel StoredAttention::PanelAt(int64_t index, ScoreMask mask) const {
  Panel panel;
  panel.head = static_cast<int>(index % shape_.heads);
  panel.row = (panels_ - 1 - static_cast<int>(index / shape_.heads)) * kStoredPanelRows;
  panel.rows = std::min(kStoredPanelRows, tokens_ - panel.row);
  panel.keys = VisibleKeys(panel.row + panel.rows - 1, mask);
  return panel;
}

void StoredAttention::RunStage(WorkClass stage, ScoreMask mask, StepWork* work,
                               absl::FunctionRef<void(const Panel&, Counts*)> fn) {
  const auto start = std::chrono::steady_clock::now();
  std::fill(counts_.begin(), counts_.end(), Counts());
  ParallelTasks(shape_.threads, static_cast<int64_t>(counts_.size()),
                [&](int64_t i, int /*thread*/) { fn(PanelAt(i, mask), &counts_[i]); });
  if (work == nullptr) return;
  const auto index = static_cast<size_t>(stage);
  for (const Counts& counts : counts_) {
    work->spans[0].useful[index] += counts.useful * shape_.head_dim;
    work->spans[0].executed[index] += counts.executed * shape_.head_dim;
    work->softmax_pairs += counts.softmax;
    work->bytes[index] += counts.visits * kBytesPerScore;
  }
  work->seconds[index] +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

absl::Status StoredAttention::ComputeScores(const float* queries, const float* keys, ScoreMask mask,
                                            StepWork* work) {
  const int64_t query_width = int64_t{1} * shape_.heads * shape_.head_dim;
  const int64_t kv_width = int64_t{1} * shape_.kv_heads * shape_.head_dim;
  RunStage(WorkClass::kScores, mask, work, [&](const Panel& panel, Counts* counts) {
    const int kv_head = panel.head / shape_.group();
    PlainProduct product;
    product.rows = panel.rows;
    product.columns = panel.keys;
    product.inner = shape_.head_dim;
    product.a = {queries + panel.row * query_width + int64_t{1} * panel.head * shape_.head_dim,
                 query_width};
    product.b = {keys + int64_t{1} * kv_head * shape_.head_dim, kv_width};
    product.transpose_b = true;
    status_[counts - counts_.data()] =
        MultiplyPlain(product, shape_.threads, Row(panel.head, panel.row), tokens_);
    for (int r = 0; r < panel.rows; ++r) counts->useful += VisibleKeys(panel.row + r, mask);
    counts->executed = product.rows * product.columns;
    counts->visits = product.rows * product.columns;
  });
  for (const absl::Status& status : status_) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void StoredAttention::SoftenRows(const Panel& panel, ScoreMask mask, Counts* counts) const {
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape_.head_dim));
  for (int r = panel.row; r < panel.row + panel.rows; ++r) {
    const int visible = VisibleKeys(r, mask);
    ScaledSoftmax(visible, scale, Row(panel.head, r));
    counts->softmax += visible;
    counts->visits += int64_t{2} * visible;
  }
}

void StoredAttention::SoftmaxFused(ScoreMask mask, StepWork* work) {
  RunStage(WorkClass::kSoftmax, mask, work,
           [&](const Panel& panel, Counts* counts) { SoftenRows(panel, mask, counts); });
}

void StoredAttention::SoftmaxInPasses(ScoreMask mask, StepWork* work) {
  const float scale = 1.0F / std::sqrt(static_cast<float>(shape_.head_dim));
  const auto stage = [&](absl::FunctionRef<void(int row, float* scores, Counts*)> fn) {
    RunStage(WorkClass::kSoftmax, mask, work, [&](const Panel& panel, Counts* counts) {
      for (int r = panel.row; r < panel.row + panel.rows; ++r) fn(r, Row(panel.head, r), counts);
    });
  };
  stage([&](int /*row*/, float* scores, Counts* counts) {
    ScaleScores(tokens_, scale, scores);
    counts->visits += int64_t{2} * tokens_;
  });
  if (mask != ScoreMask::kNone) {
    stage([&](int row, float* scores, Counts* counts) {
      MaskScores(VisibleKeys(row, mask), tokens_, scores);
      counts->visits += tokens_ - VisibleKeys(row, mask);
    });
  }
  stage([&](int /*row*/, float* scores, Counts* counts) {
    Softmax(tokens_, scores);
    counts->softmax += tokens_;
    counts->visits += int64_t{2} * tokens_;
  });
}

// Keys that all rows of the panel see go through the library; a causal panel's last rows x rows
// triangle runs row by row, so that no masked value is read.
absl::Status StoredAttention::WeighPanel(const Panel& panel, const float* values, ScoreMask mask,
                                         float* out, Counts* counts) const {
  const int64_t query_width = int64_t{1} * shape_.heads * shape_.head_dim;
  const int64_t kv_width = int64_t{1} * shape_.kv_heads * shape_.head_dim;
  const float* head_values = values + int64_t{1} * panel.head / shape_.group() * shape_.head_dim;
  float* head_out = out + panel.row * query_width + int64_t{1} * panel.head * shape_.head_dim;
  const int common = mask == ScoreMask::kCausal ? panel.row : panel.keys;
  if (common > 0) {
    PlainProduct product;
    product.rows = panel.rows;
    product.columns = shape_.head_dim;
    product.inner = common;
    product.a = {Row(panel.head, panel.row), tokens_};
    product.b = {head_values, kv_width};
    absl::Status status = MultiplyPlain(product, shape_.threads, head_out, query_width);
    if (!status.ok()) return status;
    counts->useful += product.rows * product.inner;
  }
  for (int r = 0; r < panel.rows && common < panel.keys; ++r) {
    float* row_out = head_out + r * query_width;
    if (common == 0) std::fill_n(row_out, shape_.head_dim, 0.0F);
    const int own = VisibleKeys(panel.row + r, mask) - common;
    AddWeightedValues(own, Row(panel.head, panel.row + r) + common, head_values + common * kv_width,
                      kv_width, shape_.head_dim, row_out);
    counts->useful += own;
  }
  counts->executed = counts->useful;
  counts->visits = counts->useful;
  return absl::OkStatus();
}

absl::Status StoredAttention::WeighValues(const float* values, ScoreMask mask, float* out,
                                          StepWork* work) {
  RunStage(WorkClass::kWeightedValues, mask, work, [&](const Panel& panel, Counts* counts) {
    status_[counts - counts_.data()] = WeighPanel(panel, values, mask, out, counts);
  });
  for (const absl::Status& status : status_) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace plumbline
