// What all tokenizers with a vocabulary from a file share: special tokens, BOS and look-ups.
#ifndef PLUMBLINE_ENGINE_VOCABULARY_TOKENIZER_H_
#define PLUMBLINE_ENGINE_VOCABULARY_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/special_tokens.h"
#include "engine/tokenizer.h"
#include "engine/vocabulary.h"

namespace plumbline {

// Not for copying or moving: the special tokens point into the vocabulary.
class VocabularyTokenizer : public Tokenizer {
 public:
  VocabularyTokenizer(const VocabularyTokenizer&) = delete;
  VocabularyTokenizer& operator=(const VocabularyTokenizer&) = delete;

  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text,
                                              const EncodeOptions& options) const final;
  std::string TokenBytes(int32_t id) const final;
  std::string Decode(absl::Span<const int32_t> ids) const override;
  int32_t vocab_size() const final { return vocabulary_.size(); }
  bool is_end(int32_t id) const final { return vocabulary_.is_end(id); }
  bool is_control(int32_t id) const final;

 protected:
  VocabularyTokenizer(Vocabulary vocabulary, SpecialTokens specials)
      : vocabulary_(std::move(vocabulary)), specials_(std::move(specials)) {}

  // Appends the tokens of ordinary text: never empty, with no special token in it, and standing at
  // the start or right after a special token.
  virtual absl::Status EncodeText(absl::string_view text, std::vector<int32_t>& ids) const = 0;

  // The bytes that an ordinary token's text in the vocabulary stands for.
  virtual std::string PlainBytes(absl::string_view text) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  SpecialTokens specials_;  // points into the texts of vocabulary_, which moving left in place
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_VOCABULARY_TOKENIZER_H_
