#include "engine/byte_level.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/utf8.h"

namespace plumbline {
namespace {

constexpr int kNumBytes = 256;
// One more than the largest code point of the alphabet: 256 bytes, of which 68 are not printable
// and take the code points from 256 on, in byte order.
constexpr int kAlphabetEnd = 256 + 68;

constexpr bool IsPrintable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<uint16_t, kNumBytes> MakeAlphabet() {
  std::array<uint16_t, kNumBytes> alphabet{};
  uint16_t next = kNumBytes;
  for (int byte = 0; byte < kNumBytes; ++byte) {
    alphabet[byte] = IsPrintable(byte) ? static_cast<uint16_t>(byte) : next++;
  }
  return alphabet;
}

constexpr std::array<uint16_t, kNumBytes> kAlphabet = MakeAlphabet();

constexpr std::array<int16_t, kAlphabetEnd> MakeInverse() {
  std::array<int16_t, kAlphabetEnd> inverse{};
  for (int16_t& byte : inverse) byte = -1;
  for (int byte = 0; byte < kNumBytes; ++byte) {
    inverse[kAlphabet[byte]] = static_cast<int16_t>(byte);
  }
  return inverse;
}

constexpr std::array<int16_t, kAlphabetEnd> kInverse = MakeInverse();

// The byte that the character `text` (whole, valid) stands for, or -1.
int AlphabetByte(absl::string_view text) {
  int code_point = static_cast<uint8_t>(text[0]);
  if (text.size() == 2) {
    code_point = (code_point & 0x1F) << 6 | (static_cast<uint8_t>(text[1]) & 0x3F);
  }
  return text.size() > 2 || code_point >= kAlphabetEnd ? -1 : kInverse[code_point];
}

}  // namespace

std::string ToByteLevel(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char byte : bytes) {
    const uint16_t code_point = kAlphabet[static_cast<uint8_t>(byte)];
    if (code_point < 0x80) {
      text.push_back(static_cast<char>(code_point));
    } else {
      text.push_back(static_cast<char>(0xC0 | code_point >> 6));
      text.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
    }
  }
  return text;
}

std::string FromByteLevel(absl::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const int num_bytes = Utf8CharBytes(text);
    const auto step = static_cast<size_t>(num_bytes == 0 ? 1 : num_bytes);
    const int byte = num_bytes == 0 ? -1 : AlphabetByte(text.substr(0, step));
    if (byte >= 0) {
      bytes.push_back(static_cast<char>(byte));
    } else {
      bytes.append(text.data(), step);
    }
    text.remove_prefix(step);
  }
  return bytes;
}

}  // namespace plumbline
