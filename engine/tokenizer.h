// Text to token ids and back, from a GGUF file's own `tokenizer.*` keys (nothing else is looked
// at: vocabulary-only files of any architecture work).
#ifndef PLUMBLINE_ENGINE_TOKENIZER_H_
#define PLUMBLINE_ENGINE_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/gguf.h"

namespace plumbline {

struct EncodeOptions {
  bool add_bos = true;         // only where the vocabulary wants one (tokenizer.ggml.add_bos_token)
  bool parse_special = false;  // control tokens written out in the text become their ids
};

// Immutable; every method is safe from any thread.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Bytes that are no valid UTF-8 are tokenised as bytes; never an error by themselves.
  // InvalidArgument where the vocabulary cannot express the text at all.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text,
                                                      const EncodeOptions& options) const = 0;
  // The bytes one token stands for (control tokens: none). A token may hold a part of a UTF-8
  // character. REQUIRES: 0 <= id < vocab_size().
  virtual std::string TokenBytes(int32_t id) const = 0;
  // The bytes of a sequence, with the vocabulary's rule for the first token applied (SentencePiece
  // drops the space it put before the text).
  virtual std::string Decode(absl::Span<const int32_t> ids) const = 0;
  // Whether Decode drops one leading space of the first non-control token.
  virtual bool drops_leading_space() const = 0;

  virtual int32_t vocab_size() const = 0;
  virtual bool is_end(int32_t id) const = 0;  // end of text or of turn
  virtual bool is_control(int32_t id) const = 0;
};

// Byte-level BPE ("gpt2") or SentencePiece-style BPE by score ("llama"), by tokenizer.ggml.model.
// InvalidArgument lists what is known where the model or tokenizer.ggml.pre is not.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const GgufFile& file);

// Token b is byte b, for 0 <= b < 256; ids above that have no bytes; no end token. For synthetic
// models. REQUIRES: vocab_size >= 256.
std::unique_ptr<Tokenizer> MakeByteTokenizer(int32_t vocab_size);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_TOKENIZER_H_
