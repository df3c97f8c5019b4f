#include "tools/synth.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/byte_level.h"
#include "engine/gguf_writer.h"
#include "engine/tensor_source.h"

namespace plumbline {
namespace {

constexpr int kBytes = 256;

struct FileType {
  absl::string_view name;
  TensorType type;
  uint32_t file_type;  // general.file_type: the type most matrices have
};

constexpr FileType kFileTypes[] = {
    {"bf16", TensorType::kBf16, 32}, {"f32", TensorType::kF32, 0},   {"f16", TensorType::kF16, 1},
    {"q8_0", TensorType::kQ8_0, 7},  {"q4_0", TensorType::kQ4_0, 2},
};

absl::StatusOr<FileType> FindFileType(absl::string_view name) {
  for (const FileType& type : kFileTypes) {
    if (type.name == name) return type;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the type is \"", name, "\" but must be one of ",
      absl::StrJoin(kFileTypes, ", ",
                    [](std::string* out, const FileType& t) { absl::StrAppend(out, t.name); })));
}

void AddShape(const ModelConfig& config, GgufWriter& writer) {
  const auto add = [&](absl::string_view suffix, int value) {
    writer.AddUint32(absl::StrCat(config.architecture, ".", suffix), static_cast<uint32_t>(value));
  };
  const auto add_float = [&](absl::string_view suffix, double value) {
    writer.AddFloat(absl::StrCat(config.architecture, ".", suffix), static_cast<float>(value));
  };
  add("vocab_size", config.vocab);
  add("context_length", config.context);
  add("embedding_length", config.width);
  add("block_count", config.layers);
  add("feed_forward_length", config.ffn);
  add("attention.head_count", config.heads);
  add("attention.head_count_kv", config.kv_heads);
  add("attention.key_length", config.head_dim);
  add("attention.value_length", config.head_dim);
  if (config.norm == NormKind::kRms) {
    add_float("attention.layer_norm_rms_epsilon", config.norm_epsilon);
  } else {
    add_float("attention.layer_norm_epsilon", config.norm_epsilon);
  }
  if (config.position != PositionKind::kLearned) {
    add("rope.dimension_count", config.rope_dims);
    add_float("rope.freq_base", config.rope_base);
  }
}

// A byte-level BPE vocabulary that never merges, so that each byte stays the token of its value.
void AddTokenizer(int vocab, GgufWriter& writer) {
  enum Kind : int32_t {
    kNormal = 1,
    kControl = 3,
    kUnused = 5
  };  // as in tokenizer.ggml.token_type
  std::vector<std::string> tokens;
  std::vector<int32_t> kinds;
  tokens.reserve(static_cast<size_t>(vocab));
  kinds.reserve(static_cast<size_t>(vocab));
  for (int byte = 0; byte < kBytes; ++byte) {
    const char character = static_cast<char>(byte);
    tokens.push_back(ToByteLevel(absl::string_view(&character, 1)));
    kinds.push_back(kNormal);
  }
  const int end = vocab - 1;
  for (int id = kBytes; id < end; ++id) {
    tokens.push_back(absl::StrCat("<unused", id, ">"));
    kinds.push_back(kUnused);
  }
  tokens.emplace_back("<|endoftext|>");
  kinds.push_back(kControl);

  writer.AddString("tokenizer.ggml.model", "gpt2");
  writer.AddString("tokenizer.ggml.pre", "gpt-2");
  writer.AddStrings("tokenizer.ggml.tokens", tokens);
  writer.AddInts("tokenizer.ggml.token_type", kinds);
  writer.AddStrings("tokenizer.ggml.merges", {});
  writer.AddUint32("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(end));
  writer.AddUint32("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(end));
  writer.AddBool("tokenizer.ggml.add_bos_token", false);
}

bool IsVector(const TensorShape& shape) {
  return absl::EndsWith(shape.name, ".bias") || absl::EndsWith(shape.name, "_norm.weight");
}

// Reports the elements written so far; shared by the row sources of all tensors.
class WriteProgress {
 public:
  WriteProgress(const std::vector<TensorShape>& shapes, std::function<void(double)> report)
      : report_(std::move(report)) {
    for (const TensorShape& shape : shapes) total_ += shape.rows * shape.row_elements;
  }
  void Add(int64_t elements) {
    done_ += elements;
    if (report_) report_(static_cast<double>(done_) / static_cast<double>(total_));
  }

 private:
  std::function<void(double)> report_;
  int64_t total_ = 0;
  int64_t done_ = 0;
};

absl::Status AddTensors(const TensorSource& source, const std::vector<TensorShape>& shapes,
                        TensorType matrix_type, WriteProgress& progress, GgufWriter& writer) {
  for (const TensorShape& shape : shapes) {
    const TensorType type = IsVector(shape) ? TensorType::kF32 : matrix_type;
    const int block = TensorTypeBlockElements(type);
    if (shape.row_elements % block != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", shape.name, " has rows of ", shape.row_elements, " elements but ",
                       TensorTypeName(type), " needs a multiple of ", block,
                       ": choose another type, or a width and ffn that are multiples"));
    }
    absl::InlinedVector<int64_t, 4> dims = {shape.row_elements};
    if (!IsVector(shape)) dims.push_back(shape.rows);
    writer.AddTensor(shape.name, std::move(dims), type,
                     [&source, &progress, shape](int64_t row, int64_t num_rows, float* out) {
                       absl::Status status = source.ReadRows(shape, row, num_rows, out);
                       progress.Add(num_rows * shape.row_elements);
                       return status;
                     });
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunSynth(const SynthOptions& options) {
  if (!IsSyntheticName(options.model)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model is \"", options.model,
                     "\" but must be a synthetic one: write synthetic:NAME[,key=value...]"));
  }
  const absl::StatusOr<FileType> type = FindFileType(options.type);
  if (!type.ok()) return type.status();
  const auto source = OpenModel(options.model);
  if (!source.ok()) return source.status();
  const ModelConfig& config = (*source)->config();
  if (config.vocab <= kBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("key vocab of the synthetic model is ", config.vocab,
                     " but a file needs one more than the ", kBytes,
                     " bytes for its end token: write vocab=", kBytes + 1, " or more"));
  }
  GgufWriter writer;
  writer.AddString("general.architecture", config.architecture);
  writer.AddString("general.name", config.name);
  writer.AddUint32("general.file_type", type->file_type);
  if (TensorTypeBlockElements(type->type) > 1) writer.AddUint32("general.quantization_version", 2);
  AddShape(config, writer);
  AddTokenizer(config.vocab, writer);
  const std::vector<TensorShape> shapes = ExpectedTensors(config);
  WriteProgress progress(shapes, options.progress);
  if (absl::Status status = AddTensors(**source, shapes, type->type, progress, writer);
      !status.ok()) {
    return status;
  }
  return writer.Write(options.output);
}

}  // namespace plumbline
