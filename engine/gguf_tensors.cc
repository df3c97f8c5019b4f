#include "engine/gguf_tensors.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace plumbline {
namespace {

constexpr size_t kMostDims = 4;

// The least bytes of a description: an empty name's length, the number of dims, one dim, a type,
// an offset.
constexpr uint64_t kLeastInfoBytes = 8 + 4 + 8 + 4 + 8;

constexpr TensorType kTypes[] = {TensorType::kF32, TensorType::kF16, TensorType::kQ4_0,
                                 TensorType::kQ8_0, TensorType::kBf16};

struct TensorInfo {
  absl::string_view name;
  GgufTensor tensor;    // data is set last
  uint64_t offset = 0;  // from the start of all data
  uint64_t bytes = 0;
};

absl::StatusOr<TensorType> ReadTensorType(GgufReader& reader, absl::string_view field) {
  const absl::StatusOr<uint32_t> number =
      reader.Read<uint32_t>(absl::StrCat("the element type of ", field));
  if (!number.ok()) return number.status();
  for (const TensorType type : kTypes) {
    if (static_cast<uint32_t>(type) == *number) return type;
  }
  const auto describe = [](std::string* out, TensorType type) {
    absl::StrAppend(out, static_cast<uint32_t>(type), " (", TensorTypeName(type), ")");
  };
  return reader.Error(
      {.field = absl::StrCat("the element type of ", field),
       .needed = absl::StrCat("to be one of ", absl::StrJoin(kTypes, ", ", describe)),
       .had = absl::StrCat("number ", *number),
       .fix = "convert the model to one of these types"});
}

absl::StatusOr<absl::InlinedVector<int64_t, 4>> ReadDims(GgufReader& reader,
                                                         absl::string_view field) {
  const absl::StatusOr<uint32_t> count =
      reader.Read<uint32_t>(absl::StrCat("the number of dims of ", field));
  if (!count.ok()) return count.status();
  if (*count < 1 || *count > kMostDims) {
    return reader.Error({.field = field,
                         .needed = absl::StrCat("1 to ", kMostDims, " dims"),
                         .had = absl::StrCat(*count)});
  }
  absl::InlinedVector<int64_t, 4> dims;
  for (uint32_t i = 0; i < *count; ++i) {
    const absl::StatusOr<uint64_t> dim =
        reader.Read<uint64_t>(absl::StrCat("dim ", i, " of ", field));
    if (!dim.ok()) return dim.status();
    if (*dim > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return reader.Error({.field = absl::StrCat("dim ", i, " of ", field),
                           .needed = "to be at most 9223372036854775807",
                           .had = absl::StrCat(*dim)});
    }
    dims.push_back(static_cast<int64_t>(*dim));
  }
  return dims;
}

absl::StatusOr<TensorInfo> ReadInfo(GgufReader& reader, uint64_t number) {
  TensorInfo info;
  const absl::StatusOr<absl::string_view> name =
      reader.ReadString(absl::StrCat("the name of tensor number ", number));
  if (!name.ok()) return name.status();
  info.name = *name;
  info.tensor.name = std::string(*name);
  const std::string field = absl::StrCat("tensor ", GgufQuote(*name));
  absl::StatusOr<absl::InlinedVector<int64_t, 4>> dims = ReadDims(reader, field);
  if (!dims.ok()) return dims.status();
  info.tensor.dims = *std::move(dims);
  const absl::StatusOr<TensorType> type = ReadTensorType(reader, field);
  if (!type.ok()) return type.status();
  info.tensor.type = *type;
  const absl::StatusOr<uint64_t> offset =
      reader.Read<uint64_t>(absl::StrCat("the offset of ", field));
  if (!offset.ok()) return offset.status();
  info.offset = *offset;
  const absl::StatusOr<int64_t> bytes =
      GgufTensorBytes(reader.file_name(), *name, *type, info.tensor.dims);
  if (!bytes.ok()) return bytes.status();
  info.bytes = static_cast<uint64_t>(*bytes);
  return info;
}

// Points the tensor at its bytes. `data_begin` may lie beyond the end of the file.
absl::Status Place(const GgufReader& reader, uint64_t data_begin, uint64_t alignment,
                   TensorInfo& info) {
  const std::string field = absl::StrCat("tensor ", GgufQuote(info.name));
  if (info.offset % alignment != 0) {
    return reader.Error(
        {.field = absl::StrCat("the offset of ", field),
         .needed = absl::StrCat("to be a multiple of ", alignment, " (general.alignment)"),
         .had = absl::StrCat(info.offset)});
  }
  const uint64_t file_bytes = reader.bytes().size();
  const uint64_t data_bytes = file_bytes < data_begin ? 0 : file_bytes - data_begin;
  if (info.offset > data_bytes || info.bytes > data_bytes - info.offset) {
    return reader.Error({.field = field,
                         .needed = absl::StrCat(info.bytes, " bytes at offset ", info.offset),
                         .had = absl::StrCat("only ", data_bytes, " bytes of data in the file"),
                         .fix = "the file is cut short or damaged, fetch it again"});
  }
  info.tensor.data = reader.bytes().subspan(data_begin + info.offset, info.bytes);
  return absl::OkStatus();
}

// REQUIRES: all were placed, so that no sum below overflows.
absl::Status CheckOverlap(const GgufReader& reader, absl::Span<const TensorInfo> infos) {
  std::vector<const TensorInfo*> ascending;
  ascending.reserve(infos.size());
  for (const TensorInfo& info : infos) ascending.push_back(&info);
  std::sort(ascending.begin(), ascending.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < ascending.size(); ++i) {
    const TensorInfo& before = *ascending[i - 1];
    const TensorInfo& info = *ascending[i];
    if (info.offset >= before.offset + before.bytes) continue;
    return reader.Error(
        {.field = absl::StrCat("tensor ", GgufQuote(info.name)),
         .needed = absl::StrCat("data without overlap, from offset ", before.offset + before.bytes,
                                " on (the end of ", GgufQuote(before.name), ")"),
         .had = absl::StrCat("offset ", info.offset)});
  }
  return absl::OkStatus();
}

}  // namespace

int64_t GgufTensor::rows() const {
  int64_t rows = 1;
  for (size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
  return rows;
}

absl::StatusOr<int64_t> GgufTensorBytes(absl::string_view file_name, absl::string_view name,
                                        TensorType type, absl::Span<const int64_t> dims) {
  const std::string field = absl::StrCat("tensor ", GgufQuote(name));
  if (dims.empty() || dims.size() > kMostDims ||
      std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 1; })) {
    return GgufError(file_name,
                     {.field = field,
                      .needed = absl::StrCat("1 to ", kMostDims, " dims of at least 1 each"),
                      .had = absl::StrCat("[", absl::StrJoin(dims, ", "), "]")});
  }
  const int block_elements = TensorTypeBlockElements(type);
  if (dims[0] % block_elements != 0) {
    return GgufError(file_name, {.field = absl::StrCat("dim 0 of ", field),
                                 .needed = absl::StrCat("to be a multiple of ", block_elements,
                                                        " (", TensorTypeName(type), ")"),
                                 .had = absl::StrCat(dims[0]),
                                 .fix = "store this tensor in a type without blocks"});
  }
  // Elements have to fit as well as bytes: blocks may take fewer bytes than elements.
  int64_t elements = 1;
  int64_t bytes = dims[0] / block_elements;
  bool overflow = __builtin_mul_overflow(bytes, TensorTypeBlockBytes(type), &bytes);
  for (size_t i = 0; i < dims.size(); ++i) {
    overflow |= __builtin_mul_overflow(elements, dims[i], &elements);
    if (i > 0) overflow |= __builtin_mul_overflow(bytes, dims[i], &bytes);
  }
  if (!overflow) return bytes;
  return GgufError(file_name, {.field = field,
                               .needed = "fewer than 2^63 elements and bytes",
                               .had = absl::StrCat("dims [", absl::StrJoin(dims, ", "), "]")});
}

absl::StatusOr<GgufTensorDirectory> ReadGgufTensors(GgufReader& reader, uint64_t num_tensors,
                                                    uint64_t alignment) {
  absl::Status status = reader.CheckCount("tensors", num_tensors, kLeastInfoBytes);
  if (!status.ok()) return status;
  GgufTensorDirectory directory;
  std::vector<TensorInfo> infos;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    absl::StatusOr<TensorInfo> info = ReadInfo(reader, i);
    if (!info.ok()) return info.status();
    if (!directory.index.emplace(info->name, i).second) {
      return reader.Error({.field = absl::StrCat("tensor ", GgufQuote(info->name)),
                           .needed = "to be there once",
                           .had = "a second description",
                           .fix = "remove or rename one of the two"});
    }
    infos.push_back(*std::move(info));
  }
  const uint64_t data_begin = GgufAlignUp(reader.offset(), alignment);
  for (TensorInfo& info : infos) {
    status = Place(reader, data_begin, alignment, info);
    if (!status.ok()) return status;
  }
  status = CheckOverlap(reader, infos);
  if (!status.ok()) return status;
  directory.tensors.reserve(infos.size());
  for (TensorInfo& info : infos) directory.tensors.push_back(std::move(info.tensor));
  return directory;
}

}  // namespace plumbline
