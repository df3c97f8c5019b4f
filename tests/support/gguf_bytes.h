// Builds GGUF files byte by byte, good ones and bad ones, apart from the engine's writer.
#ifndef PLUMBLINE_TESTS_SUPPORT_GGUF_BYTES_H_
#define PLUMBLINE_TESTS_SUPPORT_GGUF_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/gguf.h"

namespace plumbline {

class GgufBytes {
 public:
  // Numbers as they lie in the file; nothing is checked.
  template <typename T>
  GgufBytes& Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  GgufBytes& U8(uint8_t value) { return Number(value); }
  GgufBytes& U32(uint32_t value) { return Number(value); }
  GgufBytes& U64(uint64_t value) { return Number(value); }
  GgufBytes& Raw(absl::string_view bytes);
  GgufBytes& String(absl::string_view text);  // with its length before it

  GgufBytes& Header(uint64_t num_tensors, uint64_t num_keys, uint32_t version = 3);
  // A key's name and value type; the value comes next.
  GgufBytes& Key(absl::string_view name, uint32_t type);
  GgufBytes& ArrayKey(absl::string_view name, uint32_t element_type, uint64_t count);
  GgufBytes& Tensor(absl::string_view name, std::initializer_list<uint64_t> dims, uint32_t type,
                    uint64_t offset);
  GgufBytes& PadTo(size_t alignment);
  GgufBytes& Fill(size_t count, char value = 0x11);

  operator std::string() const { return bytes_; }  // NOLINT(google-explicit-constructor)

 private:
  std::string bytes_;
};

// A parse of a copy that ends where its heap block ends, so that AddressSanitizer sees a read past
// the end.
struct ParsedGguf {
  std::unique_ptr<std::byte[]> bytes;
  absl::StatusOr<std::unique_ptr<GgufFile>> file;
};
ParsedGguf ParseGguf(const std::string& bytes, const std::string& name = "test.gguf");

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_GGUF_BYTES_H_
