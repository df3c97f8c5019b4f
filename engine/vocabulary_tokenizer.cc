#include "engine/vocabulary_tokenizer.h"

#include <cstddef>
#include <limits>

#include "absl/strings/str_cat.h"

namespace plumbline {

absl::StatusOr<std::vector<int32_t>> VocabularyTokenizer::Encode(
    absl::string_view text, const EncodeOptions& options) const {
  // Symbols count bytes in 32 bits, and escaping a space makes three bytes of one.
  constexpr size_t kMaxTextBytes = std::numeric_limits<int32_t>::max() / 3;
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", text.size(),
                                                   " bytes, but one call takes ", kMaxTextBytes,
                                                   "; tokenize it in parts"));
  }
  std::vector<int32_t> ids;
  if (options.add_bos && vocabulary_.add_bos()) ids.push_back(vocabulary_.bos_id());
  for (const TextFragment& fragment : specials_.Split(text, options.parse_special)) {
    if (fragment.id != kNoToken) {
      ids.push_back(fragment.id);
      continue;
    }
    const absl::Status status = EncodeText(fragment.text, ids);
    if (!status.ok()) return status;
  }
  return ids;
}

std::string VocabularyTokenizer::TokenBytes(int32_t id) const {
  switch (vocabulary_.kind(id)) {
    case TokenKind::kControl:
    case TokenKind::kUnknown:
      return "";
    case TokenKind::kUserDefined:
      return std::string(vocabulary_.text(id));
    case TokenKind::kByte:
      return {static_cast<char>(vocabulary_.ByteOf(id))};
    default:
      return PlainBytes(vocabulary_.text(id));
  }
}

std::string VocabularyTokenizer::Decode(absl::Span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) bytes += TokenBytes(id);
  return bytes;
}

bool VocabularyTokenizer::is_control(int32_t id) const {
  return vocabulary_.kind(id) == TokenKind::kControl;
}

}  // namespace plumbline
