// Weights from a GGUF file: shapes are checked once, at opening; rows are converted as they are
// asked for.
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/tensor_source.h"
#include "spdlog/spdlog.h"

namespace plumbline {
namespace {

// Of a file, read at once: stays in the core's cache until it is converted.
constexpr int64_t kPieceBytes = int64_t{64} << 10;

absl::Status CheckShape(const GgufFile& file, const TensorShape& shape) {
  const GgufTensor* tensor = file.FindTensor(shape.name);
  const std::string wanted = shape.rows == 1
                                 ? absl::StrCat("[", shape.row_elements, "]")
                                 : absl::StrCat("[", shape.row_elements, ", ", shape.rows, "]");
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(file.name(), ": tensor ", shape.name,
                                                   " is missing but must have the shape ", wanted,
                                                   ": convert the model again"));
  }
  const int64_t second = tensor->dims.size() > 1 ? tensor->dims[1] : 1;
  if (tensor->row_elements() != shape.row_elements || second != shape.rows ||
      tensor->rows() != shape.rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": tensor ", shape.name, " must have the shape ", wanted, " but has [",
        absl::StrJoin(tensor->dims, ", "), "]: convert the model again"));
  }
  return absl::OkStatus();
}

// A tensor inside a layer that is not expected would have taken part in the arithmetic (a bias, a
// norm of Q and K, an expert); so would these of the whole model.
bool ChangesArithmetic(absl::string_view name) {
  if (absl::StrContains(name, "attn_rot_embd")) return false;  // tables of old files, unused since
  return absl::StartsWith(name, "blk.") || absl::StartsWith(name, "output") ||
         absl::StartsWith(name, "token_embd") || absl::StartsWith(name, "position_embd") ||
         absl::StartsWith(name, "rope_factors_");
}

absl::Status CheckTensors(const GgufFile& file, const ModelConfig& config) {
  absl::flat_hash_set<std::string> known = {"rope_freqs.weight"};  // read with the config
  for (TensorShape& shape : ExpectedTensors(config)) {
    if (absl::Status status = CheckShape(file, shape); !status.ok()) return status;
    known.insert(std::move(shape.name));
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (known.contains(tensor.name)) continue;
    if (ChangesArithmetic(tensor.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.name(), ": tensor ", tensor.name, " has no place in the architecture ",
                       config.architecture, " with ", config.layers,
                       " layers as supported here, and leaving it out would change the output"));
    }
    spdlog::info("{}: tensor {} is not used", file.name(), tensor.name);
  }
  return absl::OkStatus();
}

class GgufSource final : public TensorSource {
 public:
  GgufSource(std::unique_ptr<GgufFile> file, ModelConfig config)
      : file_(std::move(file)), config_(std::move(config)) {}

  const ModelConfig& config() const override { return config_; }
  std::string StoredType(absl::string_view name) const override {
    const GgufTensor* tensor = file_->FindTensor(name);
    return tensor == nullptr ? "" : absl::AsciiStrToLower(TensorTypeName(tensor->type));
  }
  bool Has(absl::string_view name) const override { return file_->FindTensor(name) != nullptr; }

  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    if (absl::Status status = CheckShape(*file_, shape); !status.ok()) return status;
    const GgufTensor& tensor = *file_->FindTensor(shape.name);
    const int64_t row_blocks = shape.row_elements / TensorTypeBlockElements(tensor.type);
    return ReadBlocks(tensor, row * row_blocks, num_rows * row_blocks, out);
  }

  void Release(absl::string_view name) const override {
    if (const GgufTensor* tensor = file_->FindTensor(name)) file_->Release(tensor->data);
  }

  absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer() const override {
    return LoadTokenizer(*file_);
  }

 private:
  // Rows lie end to end, here and there, so that they are read as one run of blocks.
  absl::Status ReadBlocks(const GgufTensor& tensor, int64_t block, int64_t num_blocks,
                          float* out) const {
    const int64_t block_bytes = TensorTypeBlockBytes(tensor.type);
    const int64_t block_elements = TensorTypeBlockElements(tensor.type);
    alignas(64) std::array<std::byte, kPieceBytes> piece;
    for (int64_t count = 0; num_blocks > 0; block += count, num_blocks -= count) {
      count = std::min(num_blocks, kPieceBytes / block_bytes);
      absl::Status status =
          file_->Read(tensor.data.subspan(static_cast<size_t>(block * block_bytes),
                                          static_cast<size_t>(count * block_bytes)),
                      piece.data());
      if (!status.ok()) return status;
      DequantizeRow(tensor.type, piece.data(), count * block_elements, out);
      out += count * block_elements;
    }
    return absl::OkStatus();
  }

  std::unique_ptr<GgufFile> file_;
  ModelConfig config_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TensorSource>> OpenGgufSource(const std::string& path) {
  auto file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<ModelConfig> config = ConfigFromGguf(**file);
  if (!config.ok()) return config.status();
  if (absl::Status status = CheckTensors(**file, *config); !status.ok()) return status;
  return std::make_unique<GgufSource>(*std::move(file), *std::move(config));
}

}  // namespace plumbline
