#include "tests/support/gguf_bytes.h"

#include <algorithm>
#include <utility>

namespace plumbline {

GgufBytes& GgufBytes::Raw(absl::string_view bytes) {
  bytes_.append(bytes.data(), bytes.size());
  return *this;
}

GgufBytes& GgufBytes::String(absl::string_view text) { return U64(text.size()).Raw(text); }

GgufBytes& GgufBytes::Header(uint64_t num_tensors, uint64_t num_keys, uint32_t version) {
  return Raw("GGUF").U32(version).U64(num_tensors).U64(num_keys);
}

GgufBytes& GgufBytes::Key(absl::string_view name, uint32_t type) { return String(name).U32(type); }

GgufBytes& GgufBytes::ArrayKey(absl::string_view name, uint32_t element_type, uint64_t count) {
  constexpr uint32_t kArray = 9;
  return Key(name, kArray).U32(element_type).U64(count);
}

GgufBytes& GgufBytes::Tensor(absl::string_view name, std::initializer_list<uint64_t> dims,
                             uint32_t type, uint64_t offset) {
  String(name).U32(static_cast<uint32_t>(dims.size()));
  for (const uint64_t dim : dims) U64(dim);
  return U32(type).U64(offset);
}

GgufBytes& GgufBytes::PadTo(size_t alignment) {
  while (bytes_.size() % alignment != 0) bytes_.push_back('\0');
  return *this;
}

GgufBytes& GgufBytes::Fill(size_t count, char value) {
  bytes_.append(count, value);
  return *this;
}

ParsedGguf ParseGguf(const std::string& bytes, const std::string& name) {
  auto copy = std::make_unique<std::byte[]>(bytes.size());
  std::transform(bytes.begin(), bytes.end(), copy.get(),
                 [](char byte) { return static_cast<std::byte>(byte); });
  auto file = GgufFile::Parse(absl::MakeConstSpan(copy.get(), bytes.size()), name);
  return {std::move(copy), std::move(file)};
}

}  // namespace plumbline
