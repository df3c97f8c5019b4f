// Reads the reference's weights by their GGUF names.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engine/q4_rows.h"
#include "tests/reference/error_bounds.h"
#include "tests/reference/reference_model.h"

namespace plumbline {

class ReferenceModel::Loader {
 public:
  enum class Rounding : uint8_t { kNone, kBf16, kInt8, kQ4 };

  Loader(const TensorSource& source, const ReferenceOptions& options)
      : source_(source), options_(options) {}

  // Appends [rows, row_elements] to *linear, so that separate Q, K and V become one matrix.
  void ReadLinear(const std::string& name, int64_t rows, int64_t row_elements, bool bias,
                  Linear* linear) {
    linear->rows += rows;
    linear->row_elements = row_elements;
    const Rounding rounding = options_.q4_weights     ? Rounding::kQ4
                              : options_.int8_weights ? Rounding::kInt8
                              : options_.bf16_weights ? Rounding::kBf16
                                                      : Rounding::kNone;
    Read(name + ".weight", rows, row_elements, rounding, &linear->weight);
    if (bias) Read(name + ".bias", 1, rows, Rounding::kNone, &linear->bias);
  }

  // Rows that are looked up.
  void ReadTable(const std::string& name, int64_t rows, int64_t row_elements, Linear* table) {
    table->rows = rows;
    table->row_elements = row_elements;
    const bool round = options_.bf16_weights || options_.int8_weights || options_.q4_weights;
    Read(name + ".weight", rows, row_elements, round ? Rounding::kBf16 : Rounding::kNone,
         &table->weight);
  }

  void ReadNorm(const std::string& name, int64_t width, bool bias, Norm* norm) {
    Read(name + ".weight", 1, width, Rounding::kNone, &norm->weight);
    if (bias) Read(name + ".bias", 1, width, Rounding::kNone, &norm->bias);
  }

  void ReadLayer(const ModelConfig& config, int index, Layer* layer) {
    const std::string prefix = absl::StrCat("blk.", index, ".");
    const bool bias = config.linear_bias;
    const int64_t width = config.width;
    ReadNorm(prefix + "attn_norm", width, bias, &layer->attention_norm);
    ReadNorm(prefix + "ffn_norm", width, bias, &layer->ffn_norm);
    if (source_.Has(prefix + "attn_qkv.weight")) {
      ReadLinear(prefix + "attn_qkv", config.query_width() + 2 * config.kv_width(), width,
                 config.qkv_bias, &layer->qkv);
    } else {
      ReadLinear(prefix + "attn_q", config.query_width(), width, config.qkv_bias, &layer->qkv);
      ReadLinear(prefix + "attn_k", config.kv_width(), width, config.qkv_bias, &layer->qkv);
      ReadLinear(prefix + "attn_v", config.kv_width(), width, config.qkv_bias, &layer->qkv);
    }
    ReadLinear(prefix + "attn_output", width, config.query_width(), bias, &layer->attention_output);
    if (config.feed_forward == FeedForwardKind::kSwiGlu) {
      ReadLinear(prefix + "ffn_gate", config.ffn, width, bias, &layer->gate);
    }
    ReadLinear(prefix + "ffn_up", config.ffn, width, bias, &layer->up);
    ReadLinear(prefix + "ffn_down", width, config.ffn, bias, &layer->down);
  }

  // The first error met; nothing is read after it.
  const absl::Status& status() const { return status_; }

 private:
  // kInt8: the quotients by the scale are rounded as f32 has them, since a tie may turn either way.
  static void RoundInt8(float* row, int64_t count) {
    float most = 0;
    for (int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(row[i]));
    if (most == 0) return;
    const float factor = 127.0F / most;
    const float scale = most / 127.0F;
    for (int64_t i = 0; i < count; ++i) row[i] = std::nearbyint(row[i] * factor) * scale;
  }

  // kQ4: which numbers are chosen is no matter of precision, and the quantiser has tests of its
  // own.
  static void RoundQ4(float* row, int64_t count) {
    Q4Row chosen;
    QuantizeQ4Row(absl::MakeConstSpan(row, static_cast<size_t>(count)), &chosen);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const int whole = chosen.values[i] * chosen.scales[i / kQ4BlockInputs];
      row[i] = static_cast<float>(whole) * chosen.scale;
    }
  }

  void Read(const std::string& name, int64_t rows, int64_t row_elements, Rounding rounding,
            Vector* values) {
    if (!status_.ok()) return;
    std::vector<float> floats(static_cast<size_t>(rows * row_elements));
    status_ = source_.ReadRows({name, rows, row_elements}, 0, rows, floats.data());
    for (int64_t row = 0; row < rows; ++row) {
      float* const of_row = floats.data() + row * row_elements;
      if (rounding == Rounding::kInt8) RoundInt8(of_row, row_elements);
      if (rounding == Rounding::kQ4) RoundQ4(of_row, row_elements);
    }
    for (float value : floats) {
      values->push_back(rounding == Rounding::kBf16 ? RoundToUnit(value, kUnitBf16)
                                                    : static_cast<double>(value));
    }
  }

  const TensorSource& source_;
  const ReferenceOptions& options_;
  absl::Status status_;
};

absl::StatusOr<ReferenceModel> ReferenceModel::Load(const TensorSource& source,
                                                    const ReferenceOptions& options) {
  ReferenceModel model;
  model.config_ = source.config();
  const ModelConfig& config = model.config_;
  Loader loader(source, options);
  loader.ReadTable("token_embd", config.vocab, config.width, &model.token_embedding_);
  if (config.position == PositionKind::kLearned) {
    loader.ReadTable("position_embd", config.context, config.width, &model.positions_);
  }
  model.layers_.resize(static_cast<size_t>(config.layers));
  for (int i = 0; i < config.layers; ++i) {
    loader.ReadLayer(config, i, &model.layers_[static_cast<size_t>(i)]);
  }
  loader.ReadNorm("output_norm", config.width, config.linear_bias, &model.output_norm_);
  if (!config.tied_head || options.int8_weights || options.q4_weights) {
    const char* name = config.tied_head ? "token_embd" : "output";
    loader.ReadLinear(name, config.vocab, config.width, false, &model.head_);
  }
  if (!loader.status().ok()) return loader.status();
  return model;
}

}  // namespace plumbline
