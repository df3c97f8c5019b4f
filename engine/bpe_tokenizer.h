// Byte-level byte-pair encoding, as GPT-2, Llama 3, Qwen 2 and others have it: a pre-tokenizer cuts
// the text, then the pair with the lowest rank merges first within each piece.
#ifndef PLUMBLINE_ENGINE_BPE_TOKENIZER_H_
#define PLUMBLINE_ENGINE_BPE_TOKENIZER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/gguf.h"
#include "engine/pretokenizer.h"
#include "engine/symbol_merger.h"
#include "engine/tokenizer.h"
#include "engine/vocabulary_tokenizer.h"

namespace plumbline {

// Decode gives back every encoded text, byte for byte.
class BpeTokenizer final : public VocabularyTokenizer {
 public:
  // InvalidArgument for a vocabulary, a pre-tokenizer's name or merges that do not fit. The file is
  // not needed afterwards.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const GgufFile& file);

  bool drops_leading_space() const override { return false; }

 private:
  using Merges = absl::flat_hash_map<uint64_t, SymbolMerge>;  // by the pair's ids

  BpeTokenizer(Vocabulary vocabulary, SpecialTokens specials, Pretokenizer pretokenizer,
               Merges merges);
  static absl::StatusOr<Merges> LoadMerges(const GgufFile& file, const Vocabulary& vocabulary);
  static uint64_t PairKey(int32_t left, int32_t right);

  std::string PlainBytes(absl::string_view text) const override;
  absl::Status EncodeText(absl::string_view text, std::vector<int32_t>& ids) const override;
  absl::Status EncodePiece(absl::string_view piece, std::vector<int32_t>& ids) const;

  Pretokenizer pretokenizer_;
  Merges merges_;
  std::array<int32_t, 256> byte_ids_{};  // the token of each single byte, or kNoToken
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_BPE_TOKENIZER_H_
