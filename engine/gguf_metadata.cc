#include "engine/gguf_metadata.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

// Nothing known nests arrays; the limit keeps a hostile file from using up the stack.
constexpr int kMaxArrayDepth = 4;

// The least bytes of a pair: an empty key's length, a type, a value of one byte.
constexpr uint64_t kLeastPairBytes = 8 + 4 + 1;

// Bytes of a number or bool; 0 for strings, arrays and types that do not exist.
uint64_t FixedBytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      return 8;
    case GgufValueType::kString:
    case GgufValueType::kArray:
      break;
  }
  return 0;
}

absl::StatusOr<GgufValueType> ReadValueType(GgufReader& reader, absl::string_view field) {
  const absl::StatusOr<uint32_t> number = reader.Read<uint32_t>(field);
  if (!number.ok()) return number.status();
  if (*number > static_cast<uint32_t>(GgufValueType::kFloat64)) {
    return reader.Error({.field = absl::StrCat("the value type of ", field),
                         .needed = "a number from 0 to 12",
                         .had = absl::StrCat(*number)});
  }
  return static_cast<GgufValueType>(*number);
}

// Numbers, bools: `count` of them.
absl::StatusOr<absl::Span<const std::byte>> ReadFixed(GgufReader& reader, absl::string_view field,
                                                      GgufValueType type, uint64_t count) {
  absl::StatusOr<absl::Span<const std::byte>> bytes =
      reader.ReadElements(field, count, FixedBytes(type));
  if (!bytes.ok() || type != GgufValueType::kBool) return bytes;
  const auto bad = std::find_if(bytes->begin(), bytes->end(),
                                [](std::byte value) { return value > std::byte{1}; });
  if (bad == bytes->end()) return bytes;
  return reader.Error({.field = field,
                       .needed = "bools of 0 or 1",
                       .had = absl::StrCat(std::to_integer<int>(*bad))});
}

absl::StatusOr<GgufValue> ReadArray(GgufReader& reader, absl::string_view field, int depth) {
  if (depth > kMaxArrayDepth) {
    return reader.Error({.field = field,
                         .needed = absl::StrCat("arrays nested at most ", kMaxArrayDepth, " deep"),
                         .had = "deeper ones"});
  }
  const absl::StatusOr<GgufValueType> type = ReadValueType(reader, field);
  if (!type.ok()) return type.status();
  const absl::StatusOr<uint64_t> count = reader.Read<uint64_t>(field);
  if (!count.ok()) return count.status();
  GgufValue array;
  array.type = GgufValueType::kArray;
  array.element_type = *type;
  array.count = *count;
  if (FixedBytes(*type) != 0) {
    const absl::StatusOr<absl::Span<const std::byte>> bytes =
        ReadFixed(reader, field, *type, *count);
    if (!bytes.ok()) return bytes.status();
    array.bytes = *bytes;
    return array;
  }
  const bool nested = *type == GgufValueType::kArray;
  absl::Status fits = reader.CheckCount(field, *count, nested ? 4 + 8 : 8);
  if (!fits.ok()) return fits;
  const uint64_t begin = reader.offset();
  for (uint64_t i = 0; i < *count; ++i) {
    absl::Status status =
        nested ? ReadArray(reader, field, depth + 1).status() : reader.ReadString(field).status();
    if (!status.ok()) return status;
  }
  array.bytes = reader.bytes().subspan(begin, reader.offset() - begin);
  return array;
}

absl::StatusOr<GgufValue> ReadValue(GgufReader& reader, absl::string_view field) {
  const absl::StatusOr<GgufValueType> type = ReadValueType(reader, field);
  if (!type.ok()) return type.status();
  if (*type == GgufValueType::kArray) return ReadArray(reader, field, 1);
  GgufValue value;
  value.type = *type;
  if (*type == GgufValueType::kString) {
    const absl::StatusOr<absl::string_view> text = reader.ReadString(field);
    if (!text.ok()) return text.status();
    value.bytes =
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text->data()), text->size());
    return value;
  }
  const absl::StatusOr<absl::Span<const std::byte>> bytes = ReadFixed(reader, field, *type, 1);
  if (!bytes.ok()) return bytes.status();
  value.bytes = *bytes;
  return value;
}

}  // namespace

absl::StatusOr<GgufMetadata> GgufMetadata::Read(GgufReader& reader, uint64_t num_keys) {
  absl::Status fits = reader.CheckCount("keys", num_keys, kLeastPairBytes);
  if (!fits.ok()) return fits;
  GgufMetadata metadata(reader.file_name());
  for (uint64_t i = 0; i < num_keys; ++i) {
    const absl::StatusOr<absl::string_view> key =
        reader.ReadString(absl::StrCat("the name of key number ", i));
    if (!key.ok()) return key.status();
    const std::string field = absl::StrCat("key ", GgufQuote(*key));
    const absl::StatusOr<GgufValue> value = ReadValue(reader, field);
    if (!value.ok()) return value.status();
    if (!metadata.values_.emplace(*key, *value).second) {
      return reader.Error({.field = field,
                           .needed = "to be there once",
                           .had = "a second value",
                           .fix = "remove one of the two"});
    }
  }
  return metadata;
}

absl::StatusOr<uint64_t> GgufMetadata::Alignment() const {
  constexpr absl::string_view kKey = "general.alignment";
  constexpr uint64_t kDefault = 32;
  if (!Has(kKey)) return kDefault;
  const absl::StatusOr<int64_t> alignment = GetInt(kKey);
  if (!alignment.ok()) return alignment.status();
  constexpr int64_t kMost = int64_t{1} << 31;
  if (*alignment < 1 || *alignment > kMost || (*alignment & (*alignment - 1)) != 0) {
    return GgufError(file_name_, {.field = "key 'general.alignment'",
                                  .needed = "a power of two from 1 to 2147483648",
                                  .had = absl::StrCat(*alignment),
                                  .fix = "write the file with a valid alignment, such as 32"});
  }
  return static_cast<uint64_t>(*alignment);
}

}  // namespace plumbline
