// SentencePiece-style byte-pair encoding, as Llama 1 and 2 have it: the pair whose merged token has
// the highest score merges first, over the whole text, with spaces written as U+2581.
#ifndef PLUMBLINE_ENGINE_SPM_TOKENIZER_H_
#define PLUMBLINE_ENGINE_SPM_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/gguf.h"
#include "engine/symbol_merger.h"
#include "engine/tokenizer.h"
#include "engine/vocabulary_tokenizer.h"

namespace plumbline {

// The space rule (tokenizer.ggml.add_space_prefix, true where the file says nothing): Encode puts a
// space before the text and after each special token in it; Decode takes one away from the front.
// So Decode gives back every text without special tokens, byte for byte, where the vocabulary has
// all the bytes, except that U+2581 itself comes back as a space.
class SpmTokenizer final : public VocabularyTokenizer {
 public:
  // InvalidArgument for a vocabulary that does not fit. The file is not needed afterwards.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const GgufFile& file);

  std::string Decode(absl::Span<const int32_t> ids) const override;
  // Only a space that Encode can have put there: not that of a user-defined token.
  bool drops_leading_space() const override { return adds_space_; }

 private:
  SpmTokenizer(Vocabulary vocabulary, SpecialTokens specials, bool adds_space)
      : VocabularyTokenizer(std::move(vocabulary), std::move(specials)), adds_space_(adds_space) {}

  std::string PlainBytes(absl::string_view text) const override;
  absl::Status EncodeText(absl::string_view text, std::vector<int32_t>& ids) const override;
  // Appends the tokens of a character that has none of its own.
  absl::Status EncodeBytes(absl::string_view character, std::vector<int32_t>& ids) const;

  bool adds_space_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_SPM_TOKENIZER_H_
