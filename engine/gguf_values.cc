// The typed look-ups of GgufMetadata.
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "engine/gguf_metadata.h"

namespace plumbline {
namespace {

absl::string_view TypeName(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
      return "uint8";
    case GgufValueType::kInt8:
      return "int8";
    case GgufValueType::kUint16:
      return "uint16";
    case GgufValueType::kInt16:
      return "int16";
    case GgufValueType::kUint32:
      return "uint32";
    case GgufValueType::kInt32:
      return "int32";
    case GgufValueType::kFloat32:
      return "float32";
    case GgufValueType::kBool:
      return "bool";
    case GgufValueType::kString:
      return "string";
    case GgufValueType::kArray:
      return "array";
    case GgufValueType::kUint64:
      return "uint64";
    case GgufValueType::kInt64:
      return "int64";
    case GgufValueType::kFloat64:
      return "float64";
  }
  return "unknown";
}

template <typename T>
T Load(const std::byte* src) {
  T value;
  std::memcpy(&value, src, sizeof(T));
  return value;
}

// Bytes of an integer type, 0 for all others.
size_t IntegerBytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
      return 8;
    default:
      return 0;
  }
}

// None where a uint64 is too large. REQUIRES: IntegerBytes(type) != 0.
absl::optional<int64_t> LoadInteger(GgufValueType type, const std::byte* src) {
  switch (type) {
    case GgufValueType::kUint8:
      return Load<uint8_t>(src);
    case GgufValueType::kInt8:
      return Load<int8_t>(src);
    case GgufValueType::kUint16:
      return Load<uint16_t>(src);
    case GgufValueType::kInt16:
      return Load<int16_t>(src);
    case GgufValueType::kUint32:
      return Load<uint32_t>(src);
    case GgufValueType::kInt32:
      return Load<int32_t>(src);
    default:
      break;
  }
  const auto value = Load<int64_t>(src);
  if (type == GgufValueType::kUint64 && value < 0) return absl::nullopt;
  return value;
}

// Bytes of a floating-point type, 0 for all others.
size_t FloatBytes(GgufValueType type) {
  if (type == GgufValueType::kFloat32) return sizeof(float);
  return type == GgufValueType::kFloat64 ? sizeof(double) : 0;
}

double LoadFloat(GgufValueType type, const std::byte* src) {
  return type == GgufValueType::kFloat32 ? Load<float>(src) : Load<double>(src);
}

constexpr absl::string_view kIntegerRange = "an integer up to 9223372036854775807";

}  // namespace

absl::StatusOr<const GgufValue*> GgufMetadata::Find(absl::string_view key) const {
  const auto found = values_.find(key);
  if (found != values_.end()) return &found->second;
  return absl::NotFoundError(
      absl::StrCat(file_name_, ": the file needs a key ", GgufQuote(key),
                   " but has none of that name; convert the model again with a current converter"));
}

absl::Status GgufMetadata::WrongType(absl::string_view key, absl::string_view wanted,
                                     const GgufValue& value) const {
  const bool is_array = value.type == GgufValueType::kArray;
  return GgufError(file_name_,
                   {.field = absl::StrCat("key ", GgufQuote(key)),
                    .needed = wanted,
                    .had = is_array ? absl::StrCat("an array of ", TypeName(value.element_type))
                                    : absl::StrCat("a value of type ", TypeName(value.type)),
                    .fix = "convert the model again with a current converter"});
}

absl::Status GgufMetadata::WrongValue(absl::string_view key, uint64_t index,
                                      absl::string_view wanted, absl::string_view had) const {
  return GgufError(file_name_,
                   {.field = absl::StrCat("key ", GgufQuote(key), ", value number ", index, ","),
                    .needed = wanted,
                    .had = had,
                    .fix = "convert the model again with a current converter"});
}

absl::StatusOr<int64_t> GgufMetadata::GetInt(absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  const GgufValueType type = (*value)->type;
  if (IntegerBytes(type) == 0) return WrongType(key, "an integer", **value);
  const absl::optional<int64_t> integer = LoadInteger(type, (*value)->bytes.data());
  if (integer.has_value()) return *integer;
  return WrongValue(key, 0, kIntegerRange, absl::StrCat(Load<uint64_t>((*value)->bytes.data())));
}

absl::StatusOr<double> GgufMetadata::GetFloat(absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  const GgufValueType type = (*value)->type;
  if (FloatBytes(type) == 0) return WrongType(key, "a float32 or float64", **value);
  const double number = LoadFloat(type, (*value)->bytes.data());
  if (std::isfinite(number)) return number;
  return WrongValue(key, 0, "a finite number", absl::StrCat(number));
}

absl::StatusOr<bool> GgufMetadata::GetBool(absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  if ((*value)->type != GgufValueType::kBool) return WrongType(key, "a bool", **value);
  return (*value)->bytes[0] != std::byte{0};
}

absl::StatusOr<absl::string_view> GgufMetadata::GetString(absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  if ((*value)->type != GgufValueType::kString) return WrongType(key, "a string", **value);
  const absl::Span<const std::byte> bytes = (*value)->bytes;
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::StatusOr<std::vector<absl::string_view>> GgufMetadata::GetStrings(
    absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  const GgufValue& array = **value;
  if (array.type != GgufValueType::kArray || array.element_type != GgufValueType::kString) {
    return WrongType(key, "an array of strings", array);
  }
  std::vector<absl::string_view> strings;
  strings.reserve(array.count);  // each has its 8 bytes of length in the file
  const std::byte* next = array.bytes.data();
  for (uint64_t i = 0; i < array.count; ++i) {
    const auto length = Load<uint64_t>(next);  // checked when the file was read
    next += sizeof(uint64_t);
    strings.emplace_back(reinterpret_cast<const char*>(next), length);
    next += length;
  }
  return strings;
}

absl::StatusOr<std::vector<int64_t>> GgufMetadata::GetInts(absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  const GgufValue& array = **value;
  const size_t width = IntegerBytes(array.element_type);
  if (array.type != GgufValueType::kArray || width == 0) {
    return WrongType(key, "an array of integers", array);
  }
  std::vector<int64_t> integers;
  integers.reserve(array.count);
  for (uint64_t i = 0; i < array.count; ++i) {
    const std::byte* src = array.bytes.data() + i * width;
    const absl::optional<int64_t> integer = LoadInteger(array.element_type, src);
    if (!integer.has_value()) {
      return WrongValue(key, i, kIntegerRange, absl::StrCat(Load<uint64_t>(src)));
    }
    integers.push_back(*integer);
  }
  return integers;
}

absl::StatusOr<std::vector<float>> GgufMetadata::GetFloats(absl::string_view key) const {
  const absl::StatusOr<const GgufValue*> value = Find(key);
  if (!value.ok()) return value.status();
  const GgufValue& array = **value;
  const size_t width = FloatBytes(array.element_type);
  if (array.type != GgufValueType::kArray || width == 0) {
    return WrongType(key, "an array of float32 or float64", array);
  }
  std::vector<float> floats;
  floats.reserve(array.count);
  for (uint64_t i = 0; i < array.count; ++i) {
    const double number = LoadFloat(array.element_type, array.bytes.data() + i * width);
    // Also false for NaN; beyond float's range the conversion would be undefined.
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) {
      return WrongValue(key, i, "a finite number that fits a float32", absl::StrCat(number));
    }
    floats.push_back(static_cast<float>(number));
  }
  return floats;
}

}  // namespace plumbline
