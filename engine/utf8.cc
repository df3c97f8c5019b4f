#include "engine/utf8.h"

#include <cstddef>
#include <cstdint>

namespace plumbline {
namespace {

struct LeadByte {
  int num_bytes;        // 0: cannot start a character
  uint8_t second_low;   // the second byte's range keeps out overlong forms, surrogates and
  uint8_t second_high;  // everything over U+10FFFF (RFC 3629, section 4)
};

LeadByte ClassifyLead(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

int Utf8CharBytes(absl::string_view text) {
  if (text.empty()) return 0;
  const LeadByte lead = ClassifyLead(static_cast<uint8_t>(text[0]));
  if (lead.num_bytes < 2) return lead.num_bytes;
  if (text.size() < static_cast<size_t>(lead.num_bytes)) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  if (second < lead.second_low || second > lead.second_high) return 0;
  for (int i = 2; i < lead.num_bytes; ++i) {
    if ((static_cast<uint8_t>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return lead.num_bytes;
}

}  // namespace plumbline
