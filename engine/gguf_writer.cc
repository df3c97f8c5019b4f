#include "engine/gguf_writer.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/gguf_metadata.h"
#include "engine/gguf_reader.h"
#include "engine/gguf_tensors.h"
#include "engine/replacing_file.h"

namespace plumbline {
namespace {

constexpr absl::string_view kNewFile = "the new GGUF file";  // as a file name in messages

// As it lies in memory, which is little-endian (gguf_reader.h checks that).
template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendString(absl::string_view text, std::string* out) {
  Append(static_cast<uint64_t>(text.size()), out);
  absl::StrAppend(out, text);
}

void AppendKey(absl::string_view key, GgufValueType type, std::string* out) {
  AppendString(key, out);
  Append(static_cast<uint32_t>(type), out);
}

void AppendArrayKey(absl::string_view key, GgufValueType element_type, size_t count,
                    std::string* out) {
  AppendKey(key, GgufValueType::kArray, out);
  Append(static_cast<uint32_t>(element_type), out);
  Append(static_cast<uint64_t>(count), out);
}

absl::Status CheckName(absl::string_view name) {
  constexpr size_t kMostBytes = 63;
  if (!name.empty() && name.size() <= kMostBytes) return absl::OkStatus();
  return GgufError(kNewFile, {.field = absl::StrCat("the name of tensor ", GgufQuote(name)),
                              .needed = absl::StrCat("1 to ", kMostBytes, " bytes"),
                              .had = absl::StrCat(name.size()),
                              .fix = "rename the tensor"});
}

absl::Status CheckRows(const GgufWriter::RowSource& rows, absl::string_view name) {
  if (rows) return absl::OkStatus();
  return GgufError(kNewFile, {.field = absl::StrCat("tensor ", GgufQuote(name)),
                              .needed = "a source of rows",
                              .had = "none",
                              .fix = "pass a function to AddTensor"});
}

}  // namespace

void GgufWriter::AddString(absl::string_view key, absl::string_view value) {
  AppendKey(key, GgufValueType::kString, &metadata_);
  AppendString(value, &metadata_);
  ++num_keys_;
}

void GgufWriter::AddUint32(absl::string_view key, uint32_t value) {
  AppendKey(key, GgufValueType::kUint32, &metadata_);
  Append(value, &metadata_);
  ++num_keys_;
}

void GgufWriter::AddFloat(absl::string_view key, float value) {
  AppendKey(key, GgufValueType::kFloat32, &metadata_);
  Append(value, &metadata_);
  ++num_keys_;
}

void GgufWriter::AddBool(absl::string_view key, bool value) {
  AppendKey(key, GgufValueType::kBool, &metadata_);
  Append(static_cast<uint8_t>(value ? 1 : 0), &metadata_);
  ++num_keys_;
}

void GgufWriter::AddStrings(absl::string_view key, const std::vector<std::string>& values) {
  AppendArrayKey(key, GgufValueType::kString, values.size(), &metadata_);
  for (const std::string& value : values) AppendString(value, &metadata_);
  ++num_keys_;
}

void GgufWriter::AddInts(absl::string_view key, const std::vector<int32_t>& values) {
  AppendArrayKey(key, GgufValueType::kInt32, values.size(), &metadata_);
  for (const int32_t value : values) Append(value, &metadata_);
  ++num_keys_;
}

void GgufWriter::AddFloats(absl::string_view key, const std::vector<float>& values) {
  AppendArrayKey(key, GgufValueType::kFloat32, values.size(), &metadata_);
  for (const float value : values) Append(value, &metadata_);
  ++num_keys_;
}

void GgufWriter::AddTensor(absl::string_view name, absl::InlinedVector<int64_t, 4> dims,
                           TensorType type, RowSource rows) {
  tensors_.push_back({std::string(name), std::move(dims), type, std::move(rows)});
}

absl::Status GgufWriter::AppendDescriptions(uint64_t alignment, std::string* header) const {
  absl::flat_hash_set<absl::string_view> names;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    absl::Status valid = CheckName(tensor.name);
    if (valid.ok()) valid = CheckRows(tensor.rows, tensor.name);
    if (!valid.ok()) return valid;
    if (!names.insert(tensor.name).second) {
      return GgufError(kNewFile, {.field = absl::StrCat("tensor ", GgufQuote(tensor.name)),
                                  .needed = "to be added once",
                                  .had = "been added twice",
                                  .fix = "rename one of the two"});
    }
    const absl::StatusOr<int64_t> bytes =
        GgufTensorBytes(kNewFile, tensor.name, tensor.type, tensor.dims);
    if (!bytes.ok()) return bytes.status();
    constexpr uint64_t kMostBytes = uint64_t{1} << 62;
    if (static_cast<uint64_t>(*bytes) > kMostBytes - offset) {
      return GgufError(kNewFile, {.field = "the data of all tensors",
                                  .needed = absl::StrCat("to be at most ", kMostBytes, " bytes"),
                                  .had = absl::StrCat(*bytes, " more at byte ", offset),
                                  .fix = "choose smaller dims"});
    }
    AppendString(tensor.name, header);
    Append(static_cast<uint32_t>(tensor.dims.size()), header);
    for (const int64_t dim : tensor.dims) Append(dim, header);
    Append(static_cast<uint32_t>(tensor.type), header);
    Append(offset, header);
    offset = GgufAlignUp(offset + static_cast<uint64_t>(*bytes), alignment);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> GgufWriter::Header(uint64_t* alignment) const {
  // Reading the keys back finds duplicates and the alignment.
  GgufReader reader(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(metadata_.data()), metadata_.size()),
      kNewFile);
  const absl::StatusOr<GgufMetadata> metadata = GgufMetadata::Read(reader, num_keys_);
  if (!metadata.ok()) return metadata.status();
  const absl::StatusOr<uint64_t> wanted = metadata->Alignment();
  if (!wanted.ok()) return wanted.status();
  *alignment = *wanted;

  constexpr uint32_t kVersion = 3;
  std::string header = "GGUF";
  Append(kVersion, &header);
  Append(static_cast<uint64_t>(tensors_.size()), &header);
  Append(num_keys_, &header);
  header += metadata_;
  absl::Status described = AppendDescriptions(*alignment, &header);
  if (!described.ok()) return described;
  header.resize(GgufAlignUp(header.size(), *alignment), '\0');
  return header;
}

absl::Status GgufWriter::EmitTensor(const Tensor& tensor, uint64_t alignment, Sink sink) {
  constexpr int64_t kChunkElements = 1 << 16;  // 256 KiB of floats, or one row if that is longer
  int64_t num_rows = 1;
  for (size_t i = 1; i < tensor.dims.size(); ++i) num_rows *= tensor.dims[i];
  const int64_t row_elements = tensor.dims[0];
  const int64_t row_bytes =
      row_elements / TensorTypeBlockElements(tensor.type) * TensorTypeBlockBytes(tensor.type);
  const int64_t chunk_rows =
      std::min(num_rows, std::max<int64_t>(1, kChunkElements / row_elements));
  std::vector<float> floats(static_cast<size_t>(chunk_rows * row_elements));
  std::string bytes(static_cast<size_t>(chunk_rows * row_bytes), '\0');
  for (int64_t row = 0; row < num_rows; row += chunk_rows) {
    const int64_t rows = std::min(chunk_rows, num_rows - row);
    absl::Status status = tensor.rows(row, rows, floats.data());
    if (!status.ok()) return status;
    QuantizeRow(tensor.type, floats.data(), rows * row_elements,
                reinterpret_cast<std::byte*>(bytes.data()));
    status = sink(absl::string_view(bytes).substr(0, static_cast<size_t>(rows * row_bytes)));
    if (!status.ok()) return status;
  }
  // Also after the last tensor: other engines read the data as one piece, padding included.
  const auto total_bytes = static_cast<uint64_t>(num_rows * row_bytes);
  return sink(std::string(GgufAlignUp(total_bytes, alignment) - total_bytes, '\0'));
}

absl::Status GgufWriter::Emit(Sink sink) const {
  uint64_t alignment = 1;
  const absl::StatusOr<std::string> header = Header(&alignment);
  if (!header.ok()) return header.status();
  absl::Status status = sink(*header);
  for (const Tensor& tensor : tensors_) {
    if (status.ok()) status = EmitTensor(tensor, alignment, sink);
  }
  return status;
}

absl::Status GgufWriter::Write(const std::string& path) const {
  ReplacingFile file(path);
  absl::Status status = file.Create();
  if (status.ok()) status = Emit([&file](absl::string_view bytes) { return file.Write(bytes); });
  return status.ok() ? file.Commit() : status;
}

absl::StatusOr<std::string> GgufWriter::Serialize() const {
  std::string out;
  absl::Status status = Emit([&out](absl::string_view bytes) {
    absl::StrAppend(&out, bytes);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace plumbline
