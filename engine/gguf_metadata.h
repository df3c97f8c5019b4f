// The keys of a GGUF file and their typed look-ups. Internal to the GGUF parser and writer.
#ifndef PLUMBLINE_ENGINE_GGUF_METADATA_H_
#define PLUMBLINE_ENGINE_GGUF_METADATA_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/gguf_reader.h"

namespace plumbline {

// Numbers as in the file.
enum class GgufValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// A value left where it lies in the file, checked already.
struct GgufValue {
  GgufValueType type = GgufValueType::kUint8;
  GgufValueType element_type = GgufValueType::kUint8;  // of an array
  uint64_t count = 1;                                  // of an array
  // Of a string: its text. Of an array: its elements, strings each with its length before it.
  absl::Span<const std::byte> bytes;
};

// Immutable after Read; safe from any thread. Views point into the reader's bytes.
class GgufMetadata {
 public:
  // Takes `num_keys` pairs. InvalidArgument (one sentence) for anything the format forbids, for
  // duplicate keys, and for arrays nested deeper than 4.
  static absl::StatusOr<GgufMetadata> Read(GgufReader& reader, uint64_t num_keys);

  bool Has(absl::string_view key) const { return values_.contains(key); }

  // As in GgufFile.
  absl::StatusOr<int64_t> GetInt(absl::string_view key) const;
  absl::StatusOr<double> GetFloat(absl::string_view key) const;
  absl::StatusOr<bool> GetBool(absl::string_view key) const;
  absl::StatusOr<absl::string_view> GetString(absl::string_view key) const;
  absl::StatusOr<std::vector<absl::string_view>> GetStrings(absl::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> GetInts(absl::string_view key) const;
  absl::StatusOr<std::vector<float>> GetFloats(absl::string_view key) const;

  // general.alignment, 32 where there is none. InvalidArgument unless it is a power of two.
  absl::StatusOr<uint64_t> Alignment() const;

 private:
  explicit GgufMetadata(absl::string_view file_name) : file_name_(file_name) {}

  absl::StatusOr<const GgufValue*> Find(absl::string_view key) const;
  absl::Status WrongType(absl::string_view key, absl::string_view wanted,
                         const GgufValue& value) const;
  absl::Status WrongValue(absl::string_view key, uint64_t index, absl::string_view wanted,
                          absl::string_view had) const;

  std::string file_name_;
  absl::flat_hash_map<absl::string_view, GgufValue> values_;  // keys are views into the file
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_GGUF_METADATA_H_
