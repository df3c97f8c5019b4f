// What a model does besides running: loading, checking batches, and saying what it is made of.
#include "engine/model.h"

#include <algorithm>
#include <new>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/machine.h"
#include "engine/process_memory.h"
#include "engine/transformer.h"

namespace plumbline {
namespace {

absl::Status CheckOptions(const ModelConfig& config, const ModelOptions& options) {
  const auto check = [](absl::string_view name, int64_t value, int64_t most) {
    if (value >= 1 && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " must be from 1 to ", most, ", not ", value));
  };
  absl::Status status = config.Validate();
  status.Update(check("the number of threads", options.threads, 1024));
  status.Update(check("tokens of a step", options.max_step_tokens, 1 << 20));
  status.Update(check("spans of a step", options.max_step_spans, 1 << 20));
  status.Update(check("logit rows of a step", options.max_logit_rows, 1 << 20));
  if (status.ok()) {
    status = config.CacheGeometry(options.kv_dtype, options.block_tokens).Validate();
  }
  return status;
}

absl::Status CheckMemory(const ModelConfig& config, const ModelOptions& options) {
  const int64_t needed = WeightBytesNeeded(config, options.weights);
  const Machine machine = DetectMachine();
  if (machine.free_memory_bytes == 0 || needed <= machine.free_memory_bytes) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("the weights need ", needed, " bytes as ", WeightDtypeName(options.weights),
                   " and ", machine.free_memory_bytes, " are free (", machine.memory_limit,
                   "): free some memory, or run a smaller model or --weights int8 or q4"));
}

bool SameGeometry(const KvGeometry& a, const KvGeometry& b) {
  const auto same = [](const LayerGroup& x, const LayerGroup& y) {
    return x.layers == y.layers && x.kv_heads == y.kv_heads && x.key_width == y.key_width &&
           x.value_width == y.value_width && x.dtype == y.dtype;
  };
  return a.block_tokens == b.block_tokens &&
         std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end(), same);
}

// InvalidArgument for arrays whose sizes do not fit each other: nothing may be read beyond them.
absl::Status CheckArrays(const StepBatch& batch) {
  int64_t rows = 0;
  int64_t logit_rows = 0;
  for (const BatchSpan& span : batch.spans) {
    if (span.row != rows || span.count < 1) {
      return absl::InvalidArgumentError("the rows of the spans do not follow one another");
    }
    if (span.table < 0 || span.blocks < 0 ||
        int64_t{span.table} + span.blocks > static_cast<int64_t>(batch.block_ids.size())) {
      return absl::InvalidArgumentError("a span's block table lies outside the batch's block ids");
    }
    rows += span.count;
    logit_rows += span.logit_rows;
  }
  if (rows != batch.num_tokens() || rows != static_cast<int64_t>(batch.positions.size()) ||
      logit_rows != batch.num_logit_rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the spans have ", rows, " rows and want ", logit_rows,
        " rows of logits, but the batch has ", batch.num_tokens(), " tokens, ",
        batch.positions.size(), " positions and ", batch.num_logit_rows, " rows of logits"));
  }
  return absl::OkStatus();
}

// InvalidArgument for a span that does not fit the model or its own table.
absl::Status CheckSpan(const StepBatch& batch, const BatchSpan& span, int context,
                       int block_tokens) {
  const int64_t end = int64_t{span.first_position} + span.count;
  if (span.first_position < 0 || end > context) {
    return absl::InvalidArgumentError(absl::StrCat("positions ", span.first_position, " to ", end,
                                                   " are outside the model's context of ", context,
                                                   " tokens: shorten the prompt"));
  }
  if (span.logit_rows < 0 || span.logit_rows > span.count) {
    return absl::InvalidArgumentError(absl::StrCat("a span of ", span.count, " tokens wants ",
                                                   span.logit_rows, " rows of logits"));
  }
  if (int64_t{span.blocks} * block_tokens < end) {
    return absl::InvalidArgumentError(absl::StrCat("a block table of ", span.blocks, " blocks of ",
                                                   block_tokens, " does not hold ", end,
                                                   " tokens"));
  }
  for (int i = 0; i < span.count; ++i) {
    if (batch.positions[span.row + i] != span.first_position + i) {
      return absl::InvalidArgumentError("a span's positions do not follow one another");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> Model::Load(const TensorSource& source,
                                                   const ModelOptions& options) {
  const ModelConfig& config = source.config();
  absl::Status status = CheckOptions(config, options);
  if (status.ok()) status = CheckMemory(config, options);
  if (!status.ok()) return status;
  try {
    auto context = MatmulContext::Create(options.threads);
    if (!context.ok()) return context.status();
    auto weights = LoadWeights(source, options.weights, **context);
    if (!weights.ok()) return weights.status();
    ModelOptions usable = options;
    usable.threads = (*context)->threads();
    auto model =
        std::make_unique<Transformer>(config, usable, *std::move(context), *std::move(weights));
    // Packing left holes behind: rows as they were read, and matrices before they were packed.
    ReleaseFreeMemory();
    return model;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for the scratch of a step of ",
                                                     options.max_step_tokens,
                                                     " tokens: use a smaller --chunk-tokens"));
  }
}

absl::Status Transformer::Check(const StepBatch& batch, const KvStore& store) const {
  if (batch.num_tokens() < 1 || batch.num_tokens() > options_.max_step_tokens ||
      static_cast<int>(batch.spans.size()) > options_.max_step_spans ||
      batch.num_logit_rows > options_.max_logit_rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a step of ", batch.num_tokens(), " tokens, ", batch.spans.size(), " spans and ",
        batch.num_logit_rows, " rows of logits is outside 1 to ", options_.max_step_tokens, ", ",
        options_.max_step_spans, " and ", options_.max_logit_rows));
  }
  if (!SameGeometry(store.geometry(),
                    config_.CacheGeometry(options_.kv_dtype, options_.block_tokens))) {
    return absl::InvalidArgumentError("the cache was not made for this model and its options");
  }
  for (const int32_t token : batch.token_ids) {
    if (token < 0 || token >= config_.vocab) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", token, " is outside the vocabulary of ", config_.vocab));
    }
  }
  absl::Status status = CheckArrays(batch);
  for (const BatchSpan& span : batch.spans) {
    if (status.ok()) status = CheckSpan(batch, span, config_.context, options_.block_tokens);
  }
  if (!status.ok()) return status;
  for (const BlockId block : batch.block_ids) {
    if (block < 0 || block >= store.num_blocks()) {
      return absl::InvalidArgumentError(absl::StrCat("block ", block, " is outside the cache of ",
                                                     store.num_blocks(), " blocks"));
    }
  }
  return absl::OkStatus();
}

int64_t Transformer::RowBytes() const {
  const Buffers& b = buffers_;
  return b.residual.bytes() + b.normed.bytes() + b.qkv.bytes() + b.mixed.bytes() + b.delta.bytes() +
         b.hidden.bytes() + b.active.bytes() + b.unrounded.bytes() + b.scales.bytes() +
         b.cosines.bytes() + b.sines.bytes();
}

ScratchSizes Transformer::scratch_sizes() const {
  ScratchSizes sizes;
  sizes.activations = RowBytes();
  sizes.activations += static_cast<int64_t>(frequencies_.size() * sizeof(double) +
                                            row_span_.capacity() * sizeof(int) +
                                            written_.capacity() * sizeof(int64_t));
  sizes.logits = buffers_.last.bytes() + buffers_.logits.bytes() + buffers_.last_scales.bytes() +
                 static_cast<int64_t>(logit_rows_.capacity() * sizeof(int));
  sizes.attention = attention_.reserved_bytes();
  sizes.matmul = context_->scratch_bytes();
  return sizes;
}

void Transformer::TouchScratch() {
  Buffers& b = buffers_;
  for (auto* floats : {&b.residual, &b.qkv, &b.delta, &b.hidden, &b.unrounded, &b.scales,
                       &b.cosines, &b.sines, &b.logits, &b.last_scales}) {
    floats->Touch();
  }
  for (auto* bytes : {&b.normed, &b.mixed, &b.active, &b.last}) bytes->Touch();
  attention_.TouchScratch();
}

std::vector<const PackedMatrix*> Transformer::Matrices() const {
  std::vector<const PackedMatrix*> matrices;
  for (const LayerWeights& layer : weights_.layers) {
    for (const auto* m : {&layer.qkv, &layer.output, &layer.up, &layer.down}) {
      matrices.push_back(m->get());
    }
  }
  matrices.push_back(weights_.head.get());
  return matrices;
}

void Transformer::MeasureWeights() {
  const auto at = [this](WorkClass c) -> int64_t& { return sizes_.bytes[static_cast<int>(c)]; };
  const auto vectors = [&](std::initializer_list<const std::vector<float>*> list) {
    for (const std::vector<float>* vector : list) {
      at(WorkClass::kOther) += static_cast<int64_t>(vector->size() * sizeof(float));
      sizes_.parameters += static_cast<int64_t>(vector->size());
    }
  };
  for (const LayerWeights& layer : weights_.layers) {
    at(WorkClass::kProjections) += layer.qkv->packed_bytes() + layer.output->packed_bytes();
    at(WorkClass::kFeedForward) += layer.up->packed_bytes() + layer.down->packed_bytes();
    vectors({&layer.attention_norm, &layer.attention_norm_bias, &layer.qkv_bias, &layer.output_bias,
             &layer.ffn_norm, &layer.ffn_norm_bias, &layer.up_bias, &layer.down_bias});
  }
  vectors({&weights_.final_norm, &weights_.final_norm_bias});
  at(WorkClass::kHead) += weights_.head->packed_bytes();
  const int64_t table_bytes = weights_.embedding.bytes() + weights_.positions.bytes();
  at(WorkClass::kOther) += table_bytes;
  for (const PackedMatrix* m : Matrices()) sizes_.parameters += m->outputs() * m->inputs();
  // A tied head is the embedding: counted once.
  sizes_.parameters += table_bytes / WeightDtypeBytes(EmbeddingDtype(options_.weights));
  if (config_.tied_head) sizes_.parameters -= int64_t{1} * config_.vocab * config_.width;
}

std::string Transformer::matmul_implementations() const {
  std::set<std::string> names;
  for (const PackedMatrix* m : Matrices()) names.insert(m->implementation());
  return absl::StrJoin(names, ", ");
}

std::string Transformer::same_bits_exception() const {
  for (const PackedMatrix* m : Matrices()) {
    if (!m->rows_independent()) {
      return absl::StrCat("matmuls run as ", matmul_implementations(),
                          ", whose rows differ with their number");
    }
  }
  return "";
}

}  // namespace plumbline
