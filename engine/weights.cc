#include "engine/weights.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/ops.h"
#include "engine/weight_rows.h"

namespace plumbline {
namespace {

constexpr char kEmbeddingName[] = "token_embd.weight";
constexpr char kPositionsName[] = "position_embd.weight";

// One tensor that gives some rows of a packed matrix.
using Parts = std::vector<TensorShape>;

class Loader {
 public:
  Loader(const TensorSource& source, WeightDtype dtype, MatmulContext& context)
      : source_(source), dtype_(dtype), context_(context) {}

  // Reads a vector: a tensor of one row, or several end to end.
  void Vector(const Parts& parts, std::vector<float>* out) {
    for (const TensorShape& part : parts) {
      if (!status_.ok()) return;
      const size_t start = out->size();
      out->resize(start + static_cast<size_t>(part.row_elements));
      status_ = source_.ReadRows(part, 0, 1, out->data() + start);
      source_.Release(part.name);
    }
  }

  // Packs a matrix whose rows are the parts' rows: one part behind the other, or with turns of so
  // many rows of each (then all have as many rows).
  void Matrix(const Parts& parts, std::unique_ptr<PackedMatrix>* out, int64_t turn = 0) {
    if (!status_.ok()) return;
    int64_t outputs = 0;
    for (const TensorShape& part : parts) outputs += part.rows;
    auto packed = PackedMatrix::Create(context_, outputs, parts[0].row_elements, dtype_,
                                       [&](int64_t row, int64_t num_rows, float* to) {
                                         return ReadParts(parts, turn, row, num_rows, to);
                                       });
    for (const TensorShape& part : parts) source_.Release(part.name);
    if (!packed.ok()) {
      status_ = packed.status();
      return;
    }
    *out = *std::move(packed);
  }

  // Reads a table of rows as it is, rounded to EmbeddingDtype.
  void Table(const TensorShape& shape, UntouchedArray<std::byte>* out) {
    if (!status_.ok()) return;
    const WeightDtype dtype = EmbeddingDtype(dtype_);
    const int64_t row_bytes = shape.row_elements * WeightDtypeBytes(dtype);
    try {
      *out = UntouchedArray<std::byte>(shape.rows * row_bytes);
      out->AskForHugePages();
      const auto read = [&](int64_t row, int64_t num_rows, float* to) {
        return source_.ReadRows(shape, row, num_rows, to);
      };
      const auto take = [&](int64_t row, int64_t num_rows, const float* values, int) {
        RoundWeights(dtype, shape.row_elements, row, num_rows, values, row_bytes,
                     out->get() + row * row_bytes, nullptr);
      };
      status_ = ForWeightRows(shape.rows, shape.row_elements, context_.threads(), read, take);
    } catch (const std::bad_alloc&) {
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("no memory for ", shape.name, " (", shape.rows * row_bytes, " bytes)"));
    }
    source_.Release(shape.name);
  }

  const absl::Status& status() const { return status_; }

 private:
  // Neighbouring rows of one part.
  struct PartRows {
    const TensorShape& part;
    int64_t row;
    int64_t count;
  };
  // A row of the matrix and those behind it that are of the same part.
  static PartRows Find(const Parts& parts, int64_t turn, int64_t row) {
    size_t part = 0;
    if (turn == 0) {
      for (; row >= parts[part].rows; ++part) row -= parts[part].rows;
      return {parts[part], row, parts[part].rows - row};
    }
    const auto num_parts = static_cast<int64_t>(parts.size());
    const int64_t first = row / (num_parts * turn) * turn;  // of the turn, in every part
    const int64_t rows = std::min(turn, parts[0].rows - first);
    row -= num_parts * first;
    return {parts[static_cast<size_t>(row / rows)], first + row % rows, rows - row % rows};
  }

  absl::Status ReadParts(const Parts& parts, int64_t turn, int64_t row, int64_t num_rows,
                         float* to) const {
    while (num_rows > 0) {
      const PartRows rows = Find(parts, turn, row);
      const int64_t count = std::min(num_rows, rows.count);
      absl::Status status = source_.ReadRows(rows.part, rows.row, count, to);
      if (!status.ok()) return status;
      to += count * rows.part.row_elements;
      num_rows -= count;
      row += count;
    }
    return absl::OkStatus();
  }

  const TensorSource& source_;
  WeightDtype dtype_;
  MatmulContext& context_;
  absl::Status status_;
};

void LoadAttention(const ModelConfig& c, const std::string& prefix, Loader& loader,
                   LayerWeights* layer) {
  const auto name = [&](absl::string_view tensor) { return absl::StrCat(prefix, tensor); };
  const int64_t query = c.query_width();
  const int64_t kv = c.kv_width();
  const Parts matrices = c.fused_qkv() ? Parts{{name("attn_qkv.weight"), query + 2 * kv, c.width}}
                                       : Parts{{name("attn_q.weight"), query, c.width},
                                               {name("attn_k.weight"), kv, c.width},
                                               {name("attn_v.weight"), kv, c.width}};
  loader.Vector({{name("attn_norm.weight"), 1, c.width}}, &layer->attention_norm);
  loader.Matrix(matrices, &layer->qkv);
  loader.Matrix({{name("attn_output.weight"), c.width, query}}, &layer->output);
  if (c.fused_qkv()) {
    loader.Vector({{name("attn_qkv.bias"), 1, query + 2 * kv}}, &layer->qkv_bias);
  } else if (c.qkv_bias) {
    loader.Vector({{name("attn_q.bias"), 1, query},
                   {name("attn_k.bias"), 1, kv},
                   {name("attn_v.bias"), 1, kv}},
                  &layer->qkv_bias);
  }
  if (!c.linear_bias) return;
  loader.Vector({{name("attn_norm.bias"), 1, c.width}}, &layer->attention_norm_bias);
  loader.Vector({{name("attn_output.bias"), 1, c.width}}, &layer->output_bias);
}

void LoadFeedForward(const ModelConfig& c, const std::string& prefix, Loader& loader,
                     LayerWeights* layer) {
  const auto name = [&](absl::string_view tensor) { return absl::StrCat(prefix, tensor); };
  Parts up;
  if (c.feed_forward == FeedForwardKind::kSwiGlu) {
    up.push_back({name("ffn_gate.weight"), c.ffn, c.width});
  }
  up.push_back({name("ffn_up.weight"), c.ffn, c.width});
  loader.Vector({{name("ffn_norm.weight"), 1, c.width}}, &layer->ffn_norm);
  loader.Matrix(up, &layer->up, kGateTurn);
  loader.Matrix({{name("ffn_down.weight"), c.width, c.ffn}}, &layer->down);
  if (!c.linear_bias) return;
  loader.Vector({{name("ffn_norm.bias"), 1, c.width}}, &layer->ffn_norm_bias);
  loader.Vector({{name("ffn_up.bias"), 1, c.ffn}}, &layer->up_bias);
  loader.Vector({{name("ffn_down.bias"), 1, c.width}}, &layer->down_bias);
}

// Rows that are looked up.
bool IsTable(const TensorShape& shape) {
  return shape.name == kEmbeddingName || shape.name == kPositionsName;
}

int64_t MatrixBytesNeeded(const ModelConfig& config, WeightDtype dtype) {
  const auto matrix = [dtype](int64_t outputs, int64_t inputs) {
    return outputs * (WeightRowBytes(dtype, inputs) + WeightChannelBytes(dtype));
  };
  // A tied head is packed beside the rows that the embedding is read from.
  int64_t bytes = config.tied_head ? matrix(config.vocab, config.width) : 0;
  for (const TensorShape& shape : ExpectedTensors(config)) {
    if (shape.rows > 1 && !IsTable(shape)) bytes += matrix(shape.rows, shape.row_elements);
  }
  return bytes;
}

}  // namespace

absl::StatusOr<ModelWeights> LoadWeights(const TensorSource& source, WeightDtype dtype,
                                         MatmulContext& context) {
  const ModelConfig& c = source.config();
  // Packed matrices are padded to whole tiles, by less than this for all but toys.
  const int64_t bytes = MatrixBytesNeeded(c, dtype);
  context.ReserveWeights(bytes + bytes / 32);
  Loader loader(source, dtype, context);
  ModelWeights weights;
  const TensorShape embedding = {kEmbeddingName, c.vocab, c.width};
  loader.Table(embedding, &weights.embedding);
  if (c.position == PositionKind::kLearned) {
    loader.Table({kPositionsName, c.context, c.width}, &weights.positions);
  }
  for (int i = 0; i < c.layers && loader.status().ok(); ++i) {
    const std::string prefix = absl::StrCat("blk.", i, ".");
    LayerWeights& layer = weights.layers.emplace_back();
    LoadAttention(c, prefix, loader, &layer);
    LoadFeedForward(c, prefix, loader, &layer);
  }
  loader.Vector({{"output_norm.weight", 1, c.width}}, &weights.final_norm);
  if (c.linear_bias) loader.Vector({{"output_norm.bias", 1, c.width}}, &weights.final_norm_bias);
  const TensorShape head = {"output.weight", c.vocab, c.width};
  loader.Matrix({c.tied_head ? embedding : head}, &weights.head);
  if (!loader.status().ok()) return loader.status();
  return weights;
}

int64_t WeightBytesNeeded(const ModelConfig& config, WeightDtype dtype) {
  int64_t bytes = MatrixBytesNeeded(config, dtype);
  for (const TensorShape& shape : ExpectedTensors(config)) {
    if (shape.rows == 1) {
      bytes += shape.row_elements * static_cast<int64_t>(sizeof(float));
    } else if (IsTable(shape)) {
      bytes += shape.rows * shape.row_elements * WeightDtypeBytes(EmbeddingDtype(dtype));
    }
  }
  return bytes;
}

}  // namespace plumbline
