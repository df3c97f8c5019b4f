#include "tests/support/attention_harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/float_format.h"

namespace plumbline {
namespace {

constexpr int kQueryPadding = 3;
constexpr size_t kGuardBytes = 64;
constexpr int kSpareBlocks = 3;

int TokensOf(const AttentionSequence& sequence, const AttentionShape& shape) {
  const auto width = static_cast<size_t>(shape.heads) * static_cast<size_t>(shape.head_dim);
  return static_cast<int>(sequence.queries.size() / width);
}

std::unique_ptr<KvStore> MakePoisonedStore(const AttentionHarnessOptions& options, int blocks) {
  KvGeometry geometry;
  geometry.block_tokens = options.block_tokens;
  geometry.groups.push_back({AttentionHarness::kLayers, options.shape.kv_heads,
                             options.shape.head_dim, options.shape.head_dim, options.dtype});
  absl::StatusOr<std::unique_ptr<KvStore>> store = KvStore::Create(geometry, blocks);
  EXPECT_TRUE(store.ok()) << store.status();
  for (BlockId block = 0; block < blocks; ++block) (*store)->Poison(block);
  return *std::move(store);
}

// Rows of `width` elements, each as multiples of a 127th of its largest magnitude.
std::vector<double> StoredInt8(absl::Span<const float> values, size_t width) {
  std::vector<double> stored;
  stored.reserve(values.size());
  for (size_t start = 0; start < values.size(); start += width) {
    float most = 0;
    for (size_t i = 0; i < width; ++i) most = std::max(most, std::abs(values[start + i]));
    const float scale = most / 127;
    for (size_t i = 0; i < width; ++i) {
      // To the nearest, ties to even; the product is exact.
      stored.push_back(double{scale} * std::nearbyint(values[start + i] / scale));
    }
  }
  return stored;
}

// Each as the cache keeps it; `width`: elements of one head.
std::vector<double> Stored(KvDtype dtype, absl::Span<const float> values, size_t width) {
  if (dtype == KvDtype::kInt8) return StoredInt8(values, width);
  const FloatFormat format = FormatOf(dtype);
  std::vector<double> stored;
  stored.reserve(values.size());
  for (const float value : values) stored.push_back(RoundToFormat(format, value));
  return stored;
}

float OutputElement(WeightDtype dtype, absl::Span<const std::byte> bytes, size_t index) {
  if (dtype == WeightDtype::kF32) {
    float value = 0;
    std::memcpy(&value, bytes.data() + index * sizeof(float), sizeof(float));
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, bytes.data() + index * sizeof(bits), sizeof(bits));
  return static_cast<float>(ValueOfBits(kBf16Format, bits));
}

}  // namespace

std::string AttentionParamName(const testing::TestParamInfo<AttentionParam>& test) {
  const auto& [dtype, shape, form] = test.param;
  return std::string(KvDtypeName(dtype)) + "_" + std::to_string(shape.heads) + "on" +
         std::to_string(shape.kv_heads) + "of" + std::to_string(shape.head_dim);
}

AttentionSequence RandomAttentionSequence(const AttentionShape& shape, int tokens, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const auto fill = [&](int heads) {
    std::vector<float> values(static_cast<size_t>(tokens) * static_cast<size_t>(heads) *
                              static_cast<size_t>(shape.head_dim));
    for (float& value : values) value = normal(random);
    return values;
  };
  AttentionSequence sequence;
  sequence.queries = fill(shape.heads);
  sequence.keys = fill(shape.kv_heads);
  sequence.values = fill(shape.kv_heads);
  return sequence;
}

AttentionHarness::AttentionHarness(const AttentionHarnessOptions& options,
                                   std::vector<AttentionSequence> sequences)
    : options_(options),
      sequences_(std::move(sequences)),
      written_(sequences_.size(), 0),
      attention_(options.shape) {
  const auto blocks_of = [&](const AttentionSequence& sequence) {
    return (TokensOf(sequence, options.shape) + options.block_tokens - 1) / options.block_tokens;
  };
  int total = kSpareBlocks;
  for (const AttentionSequence& sequence : sequences_) total += blocks_of(sequence);
  std::vector<BlockId> ids(static_cast<size_t>(total));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), std::mt19937_64(options.seed));
  auto next = ids.begin();
  for (const AttentionSequence& sequence : sequences_) {
    tables_.emplace_back(next, next + blocks_of(sequence));
    next += blocks_of(sequence);
  }
  store_ = MakePoisonedStore(options, total);
}

StepBatch AttentionHarness::MakeBatch(absl::Span<const StepSpan> spans) const {
  StepBatch batch;
  for (const StepSpan& span : spans) {
    const std::vector<int32_t> tokens(static_cast<size_t>(span.count), 0);
    batch.AddSpan(tokens, span.first, 0, tables_[static_cast<size_t>(span.sequence)]);
  }
  return batch;
}

int64_t AttentionHarness::query_stride() const {
  return int64_t{1} * options_.shape.heads * options_.shape.head_dim + kQueryPadding;
}

std::vector<float> AttentionHarness::MakeQueries(absl::Span<const StepSpan> spans) const {
  const int64_t width = query_stride() - kQueryPadding;
  std::vector<float> queries;
  for (const StepSpan& span : spans) {
    const std::vector<float>& all = sequences_[static_cast<size_t>(span.sequence)].queries;
    for (int token = span.first; token < span.first + span.count; ++token) {
      const auto row = all.begin() + token * width;
      queries.insert(queries.end(), row, row + width);
      queries.insert(queries.end(), kQueryPadding, std::numeric_limits<float>::quiet_NaN());
    }
  }
  return queries;
}

size_t AttentionHarness::OutputBytes(int tokens) const {
  const AttentionShape& shape = options_.shape;
  return static_cast<size_t>(int64_t{1} * tokens * shape.heads * shape.head_dim *
                             WeightDtypeBytes(options_.out_dtype));
}

PagedAttention::WrittenBytes AttentionHarness::WriteUpTo(int sequence, int end) {
  const auto index = static_cast<size_t>(sequence);
  const int64_t width = int64_t{1} * options_.shape.kv_heads * options_.shape.head_dim;
  PagedAttention::WrittenBytes written;
  for (int& position = written_[index]; position < end; ++position) {
    const PagedAttention::WrittenBytes bytes =
        attention_.Write({*store_, kLayer, tables_[index], position},
                         sequences_[index].keys.data() + position * width,
                         sequences_[index].values.data() + position * width);
    written.keys += bytes.keys;
    written.values += bytes.values;
  }
  return written;
}

AttentionStep AttentionHarness::Run(absl::Span<const StepSpan> spans) {
  AttentionStep step;
  step.batch = MakeBatch(spans);
  for (const StepSpan& span : spans) {
    WriteUpTo(span.sequence, span.first);
    const PagedAttention::WrittenBytes bytes = WriteUpTo(span.sequence, span.first + span.count);
    step.written_key_bytes += bytes.keys;
    step.written_value_bytes += bytes.values;
  }
  const std::vector<float> queries = MakeQueries(spans);
  const size_t size = OutputBytes(step.batch.num_tokens());
  step.out.assign(size + kGuardBytes, std::byte{0xFF});
  step.work.Reset(static_cast<int>(spans.size()));
  attention_.Prepare(step.batch);
  attention_.Run(step.batch, *store_, kLayer, queries.data(), query_stride(), options_.out_dtype,
                 step.out.data(), &step.work);
  for (size_t i = size; i < step.out.size(); ++i) EXPECT_EQ(step.out[i], std::byte{0xFF});
  step.out.resize(size);
  return step;
}

AttentionResult AttentionHarness::Reference(const StepSpan& span) const {
  const AttentionShape& shape = options_.shape;
  const AttentionSequence& sequence = sequences_[static_cast<size_t>(span.sequence)];
  DenseAttentionShape dense;
  dense.rows = span.count;
  dense.first = span.first;
  dense.keys = span.first + span.count;
  dense.heads = shape.heads;
  dense.kv_heads = shape.kv_heads;
  dense.head_dim = shape.head_dim;
  const auto query_width = static_cast<size_t>(shape.heads) * static_cast<size_t>(shape.head_dim);
  const auto kv_elements = static_cast<size_t>(dense.keys * shape.kv_heads * shape.head_dim);
  dense.scale_roundings = options_.dtype == KvDtype::kInt8 ? 1 : 0;
  const auto width = static_cast<size_t>(shape.head_dim);
  return ReferenceAttention(
      dense,
      Widen(absl::MakeConstSpan(sequence.queries)
                .subspan(static_cast<size_t>(span.first) * query_width,
                         static_cast<size_t>(span.count) * query_width)),
      Stored(options_.dtype, absl::MakeConstSpan(sequence.keys).subspan(0, kv_elements), width),
      Stored(options_.dtype, absl::MakeConstSpan(sequence.values).subspan(0, kv_elements), width));
}

void SkipWithoutForm(const AttentionShape& shape) {
  const Bf16Unit used = UsedBf16Unit();
  if (shape.form == AttentionForm::kTiles && used != Bf16Unit::kTiles) {
    GTEST_SKIP() << "this machine multiplies no bf16 in tiles, or oneDNN is held back from it";
  }
  // A CPU with tiles has the vectors, too.
  if (shape.form == AttentionForm::kPairs && used == Bf16Unit::kNone) {
    GTEST_SKIP() << "this machine multiplies no bf16, or oneDNN is held back from it";
  }
}

Precision InForm(AttentionForm form, Precision precision) {
  const bool tiles = MultipliesBf16(form);
  precision.attention_operand = tiles ? kUnitBf16 : 0;
  precision.exp_units = tiles ? kTileExpUnits : kFunctionUnits;
  return precision;
}

double WorstAttentionRatio(const AttentionResult& reference, WeightDtype out_dtype,
                           absl::Span<const std::byte> actual, const Precision& precision) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto element_bytes = static_cast<size_t>(WeightDtypeBytes(out_dtype));
  if (actual.size() != reference.out.size() * element_bytes) return kInfinity;
  const double unit = out_dtype == WeightDtype::kF32 ? 0 : kUnitBf16;
  double worst = 0;
  for (size_t i = 0; i < reference.out.size(); ++i) {
    const double expected = reference.out[i];
    const double sums = reference.ErrorBound(static_cast<int64_t>(i), precision);
    const double bound = sums + unit * (std::abs(expected) + sums);
    const double error = std::abs(OutputElement(out_dtype, actual, i) - expected);
    const double ratio = error == 0 ? 0 : error / bound;  // stored values of 0: the bound is 0
    worst = std::isnan(ratio) ? kInfinity : std::max(worst, ratio);
  }
  return worst;
}

}  // namespace plumbline
