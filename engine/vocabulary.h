// The vocabulary of a GGUF file: token texts, kinds, scores and special ids, checked once.
#ifndef PLUMBLINE_ENGINE_VOCABULARY_H_
#define PLUMBLINE_ENGINE_VOCABULARY_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/gguf.h"

namespace plumbline {

// Values as in tokenizer.ggml.token_type.
enum class TokenKind : uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

inline constexpr int32_t kNoToken = -1;

// What holds where the file does not say otherwise.
struct VocabularyDefaults {
  bool needs_scores = false;  // a file without tokenizer.ggml.scores is refused
  bool add_bos = false;
  int32_t bos_id = kNoToken;
  int32_t eos_id = kNoToken;
  int32_t unknown_id = kNoToken;
};

// Immutable after Load, so safe from any thread. Views live as long as the object; moving it keeps
// them valid.
class Vocabulary {
 public:
  // InvalidArgument, one sentence: no tokens or too many for 32-bit ids, lists of different
  // lengths, an unknown kind, a byte token not named <0x00> to <0xFF>, a score that is no finite
  // number, a special id outside the vocabulary, a BOS wanted but not named.
  static absl::StatusOr<Vocabulary> Load(const GgufFile& file, const VocabularyDefaults& defaults);

  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;
  ~Vocabulary() = default;

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  // REQUIRES for the next three: 0 <= id < size().
  absl::string_view text(int32_t id) const { return texts_[id]; }
  TokenKind kind(int32_t id) const { return kinds_[id]; }
  float score(int32_t id) const { return scores_.empty() ? 0.0F : scores_[id]; }

  // The token that ordinary text may become: never a control, unknown or byte token, whatever the
  // text says. The last one where several have this text; kNoToken where there is none.
  int32_t FindPlain(absl::string_view text) const;
  // The token of kind kByte for `byte`, or kNoToken.
  int32_t byte_id(uint8_t byte) const { return byte_ids_[byte]; }
  // The byte of a token of kind kByte. REQUIRES: kind(id) is kByte.
  uint8_t ByteOf(int32_t id) const;
  // Bytes of the longest token text.
  size_t longest_text_bytes() const { return longest_text_bytes_; }

  bool add_bos() const { return add_bos_; }
  int32_t bos_id() const { return bos_id_; }          // kNoToken where there is none
  int32_t unknown_id() const { return unknown_id_; }  // kNoToken where there is none
  bool is_end(int32_t id) const { return end_ids_.contains(id); }

 private:
  Vocabulary() = default;
  absl::Status LoadTexts(const GgufFile& file);
  absl::Status LoadScores(const GgufFile& file, bool needed);
  absl::Status LoadSpecialIds(const GgufFile& file, const VocabularyDefaults& defaults);
  absl::Status LoadKinds(const GgufFile& file);
  absl::Status LoadAddBos(const GgufFile& file, bool by_default);
  // Kinds for a file that gives none: bytes by their names, special ids as such, the rest normal.
  void GuessKinds();
  absl::Status IndexTokens(const GgufFile& file);

  std::vector<std::string> texts_;                             // [size]
  std::vector<TokenKind> kinds_;                               // [size]
  std::vector<float> scores_;                                  // [size], or empty: all 0
  absl::flat_hash_map<absl::string_view, int32_t> plain_ids_;  // keys point into texts_
  std::array<int32_t, 256> byte_ids_{};
  absl::flat_hash_set<int32_t> end_ids_;
  size_t longest_text_bytes_ = 0;
  bool add_bos_ = false;
  int32_t bos_id_ = kNoToken;
  int32_t eos_id_ = kNoToken;
  int32_t unknown_id_ = kNoToken;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_VOCABULARY_H_
