// Takes the fields of a GGUF file one after another from bytes in memory. Internal to the GGUF
// parser and writer.
#ifndef PLUMBLINE_ENGINE_GGUF_READER_H_
#define PLUMBLINE_ENGINE_GGUF_READER_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace plumbline {

// What is wrong with a file, as parts of one sentence.
struct GgufFault {
  absl::string_view field;
  absl::string_view needed;
  absl::string_view had;
  absl::string_view fix = "the file is damaged, fetch or convert it again";
};

// InvalidArgument: "FILE: FIELD needs NEEDED but has HAD; FIX".
absl::Status GgufError(absl::string_view file_name, const GgufFault& fault);

// A name out of a file as it may stand in a message: quoted, shortened, without control bytes.
std::string GgufQuote(absl::string_view name);

// A cursor that never passes the end. `field` arguments are names for messages. Not thread-safe;
// bytes and name are the caller's and must outlive the reader and all it returns.
class GgufReader {
 public:
  GgufReader(absl::Span<const std::byte> bytes, absl::string_view file_name)
      : bytes_(bytes), file_name_(file_name) {}

  // A little-endian number. InvalidArgument where the file ends first.
  template <typename T>
  absl::StatusOr<T> Read(absl::string_view field) {
    static_assert(std::endian::native == std::endian::little, "fields are copied as they lie");
    if (remaining() < sizeof(T)) return CutShort(field, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  // A length of 8 bytes and as many bytes of text.
  absl::StatusOr<absl::string_view> ReadString(absl::string_view field);

  // `count` elements of `element_bytes` each. REQUIRES: element_bytes > 0.
  absl::StatusOr<absl::Span<const std::byte>> ReadElements(absl::string_view field, uint64_t count,
                                                           uint64_t element_bytes);

  // InvalidArgument where what is left of the file cannot hold `count` items of at least
  // `least_bytes` each. REQUIRES: least_bytes > 0.
  absl::Status CheckCount(absl::string_view field, uint64_t count, uint64_t least_bytes) const;

  absl::Status Error(const GgufFault& fault) const { return GgufError(file_name_, fault); }

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }
  absl::Span<const std::byte> bytes() const { return bytes_; }
  absl::string_view file_name() const { return file_name_; }

 private:
  absl::Status CutShort(absl::string_view field, uint64_t needed_bytes) const;

  absl::Span<const std::byte> bytes_;
  absl::string_view file_name_;
  uint64_t offset_ = 0;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_GGUF_READER_H_
