// Small vocabularies as GGUF files in memory, good ones and bad ones.
#ifndef PLUMBLINE_TESTS_SUPPORT_VOCAB_FIXTURE_H_
#define PLUMBLINE_TESTS_SUPPORT_VOCAB_FIXTURE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/gguf_writer.h"
#include "engine/tokenizer.h"
#include "engine/vocabulary.h"

namespace plumbline {

// The tokenizer.* keys of a file; what is empty or unset is left out of it. Not thread-safe.
struct VocabFixture {
  std::optional<std::string> model;
  std::optional<std::string> pre;
  std::optional<std::vector<std::string>> tokens;
  std::optional<std::vector<int32_t>> kinds;
  std::optional<std::vector<float>> scores;
  std::optional<std::vector<std::string>> merges;
  std::map<std::string, uint32_t> numbers;  // by what follows "tokenizer.ggml."
  std::map<std::string, bool> switches;     // likewise

  // Adds a token to tokens, kinds and (where the fixture has them) scores; returns its id.
  // REQUIRES: tokens and kinds are set.
  int32_t Add(const std::string& text, TokenKind kind = TokenKind::kNormal, float score = 0.0F);
  // Adds a merge, and its result as a token where there is none yet; returns that token's id.
  // REQUIRES: tokens, kinds and merges are set, and have the parts.
  int32_t AddMerge(const std::string& left, const std::string& right);
  // The first token with this text. REQUIRES: there is one.
  int32_t Id(const std::string& text) const;

  GgufWriter Writer() const;
  absl::StatusOr<std::unique_ptr<Tokenizer>> Load() const;
};

// "gpt2" with the 256 single bytes (byte b has id b), no merges, and <|endoftext|> (control, 256)
// as BOS and EOS.
VocabFixture ByteLevelFixture();

// "llama" with <unk>, <s>, </s>, the 256 byte tokens (byte b has id 3 + b), and the pieces U+2581,
// "a", "b" and "c" (ids from 259 on, scores 0).
VocabFixture SentencePieceFixture();

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_VOCAB_FIXTURE_H_
