#include "engine/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/gguf_reader.h"

namespace plumbline {
namespace {

constexpr absl::string_view kTokensKey = "tokenizer.ggml.tokens";
constexpr absl::string_view kKindsKey = "tokenizer.ggml.token_type";
constexpr absl::string_view kScoresKey = "tokenizer.ggml.scores";
constexpr absl::string_view kBosKey = "tokenizer.ggml.bos_token_id";
constexpr absl::string_view kEosKey = "tokenizer.ggml.eos_token_id";
constexpr absl::string_view kUnknownKey = "tokenizer.ggml.unknown_token_id";
constexpr absl::string_view kAddBosKey = "tokenizer.ggml.add_bos_token";

// Keys of further tokens that end a turn or a message.
constexpr absl::string_view kEndKeys[] = {"tokenizer.ggml.eot_token_id",
                                          "tokenizer.ggml.eom_token_id"};

// Control tokens that end a text or a turn in well-known models, whose files often name only one
// of them by a key.
constexpr absl::string_view kEndTexts[] = {
    "<|eot_id|>",      "<|eom_id|>",    "<|im_end|>",         "<|end|>",
    "<|endoftext|>",   "<end_of_turn>", "<|end_of_text|>",    "<EOT>",
    "<|end_of_turn|>", "<|endofturn|>", "<end_of_utterance>", "<｜end▁of▁sentence｜>",
};

constexpr absl::string_view kWriteAgain = "write the file again with its whole tokenizer";

absl::Status Invalid(const GgufFile& file, absl::string_view field, absl::string_view needed,
                     absl::string_view had) {
  return GgufError(file.name(), {.field = field, .needed = needed, .had = had, .fix = kWriteAgain});
}

// The byte that a name like <0x0A> stands for, or -1.
int ParseByteName(absl::string_view name) {
  if (name.size() != 6 || name.substr(0, 3) != "<0x" || name[5] != '>') return -1;
  uint32_t byte = 0;
  const bool is_hex = absl::ascii_isxdigit(static_cast<unsigned char>(name[3])) &&
                      absl::SimpleHexAtoi(name.substr(3, 2), &byte) && byte < 256;
  return is_hex ? static_cast<int>(byte) : -1;
}

absl::Status WrongLength(const GgufFile& file, absl::string_view key, size_t had, size_t needed) {
  return Invalid(file, key, absl::StrCat(needed, " entries (one per token)"), absl::StrCat(had));
}

// The id under `key`, or `fallback` (where the vocabulary is large enough for it) without the key.
absl::StatusOr<int32_t> ReadSpecialId(const GgufFile& file, absl::string_view key, int32_t fallback,
                                      int32_t size) {
  if (!file.Has(key)) return fallback < size ? fallback : kNoToken;
  const absl::StatusOr<int64_t> id = file.GetInt(key);
  if (!id.ok()) return id.status();
  // Some writers say "none" so, as -1 in 32 bits with or without a sign.
  if (*id == -1 || *id == std::numeric_limits<uint32_t>::max()) return kNoToken;
  if (*id < 0 || *id >= size) {
    return Invalid(file, key, absl::StrCat("an id from 0 to ", size - 1), absl::StrCat(*id));
  }
  return static_cast<int32_t>(*id);
}

bool IsPlain(TokenKind kind) {
  return kind != TokenKind::kControl && kind != TokenKind::kUnknown && kind != TokenKind::kByte;
}

}  // namespace

absl::StatusOr<Vocabulary> Vocabulary::Load(const GgufFile& file,
                                            const VocabularyDefaults& defaults) {
  Vocabulary vocabulary;
  absl::Status status = vocabulary.LoadTexts(file);
  if (status.ok()) status = vocabulary.LoadScores(file, defaults.needs_scores);
  if (status.ok()) status = vocabulary.LoadSpecialIds(file, defaults);
  if (status.ok()) status = vocabulary.LoadKinds(file);
  if (status.ok()) status = vocabulary.LoadAddBos(file, defaults.add_bos);
  if (status.ok()) status = vocabulary.IndexTokens(file);
  if (!status.ok()) return status;
  return vocabulary;
}

absl::Status Vocabulary::LoadTexts(const GgufFile& file) {
  if (!file.Has(kTokensKey)) {
    return Invalid(file, kTokensKey, "a list of tokens", "no such key");
  }
  const absl::StatusOr<std::vector<absl::string_view>> texts = file.GetStrings(kTokensKey);
  if (!texts.ok()) return texts.status();
  constexpr size_t kMaxTokens = std::numeric_limits<int32_t>::max();
  if (texts->empty() || texts->size() > kMaxTokens) {
    return Invalid(file, kTokensKey, absl::StrCat("1 to ", kMaxTokens, " entries"),
                   absl::StrCat(texts->size()));
  }
  texts_.reserve(texts->size());
  for (const absl::string_view text : *texts) texts_.emplace_back(text);
  return absl::OkStatus();
}

absl::Status Vocabulary::LoadScores(const GgufFile& file, bool needed) {
  if (!file.Has(kScoresKey)) {
    if (!needed) return absl::OkStatus();
    return Invalid(file, kScoresKey, "a score per token, being of SentencePiece", "no such key");
  }
  absl::StatusOr<std::vector<float>> scores = file.GetFloats(kScoresKey);
  if (!scores.ok()) return scores.status();
  if (scores->size() != texts_.size()) {
    return WrongLength(file, kScoresKey, scores->size(), texts_.size());
  }
  for (size_t id = 0; id < scores->size(); ++id) {
    if (!std::isfinite((*scores)[id])) {
      return Invalid(file, absl::StrCat(kScoresKey, "[", id, "]"), "a finite number",
                     absl::StrCat((*scores)[id]));
    }
  }
  scores_ = *std::move(scores);
  return absl::OkStatus();
}

absl::Status Vocabulary::LoadSpecialIds(const GgufFile& file, const VocabularyDefaults& defaults) {
  const struct {
    absl::string_view key;
    int32_t fallback;
    int32_t* id;
  } named[] = {{kBosKey, defaults.bos_id, &bos_id_},
               {kEosKey, defaults.eos_id, &eos_id_},
               {kUnknownKey, defaults.unknown_id, &unknown_id_}};
  for (const auto& entry : named) {
    const absl::StatusOr<int32_t> id = ReadSpecialId(file, entry.key, entry.fallback, size());
    if (!id.ok()) return id.status();
    *entry.id = *id;
  }
  if (eos_id_ != kNoToken) end_ids_.insert(eos_id_);
  for (const absl::string_view key : kEndKeys) {
    const absl::StatusOr<int32_t> id = ReadSpecialId(file, key, kNoToken, size());
    if (!id.ok()) return id.status();
    if (*id != kNoToken) end_ids_.insert(*id);
  }
  return absl::OkStatus();
}

absl::Status Vocabulary::LoadKinds(const GgufFile& file) {
  if (!file.Has(kKindsKey)) {
    GuessKinds();
    return absl::OkStatus();
  }
  const absl::StatusOr<std::vector<int64_t>> kinds = file.GetInts(kKindsKey);
  if (!kinds.ok()) return kinds.status();
  if (kinds->size() != texts_.size()) {
    return WrongLength(file, kKindsKey, kinds->size(), texts_.size());
  }
  kinds_.reserve(kinds->size());
  for (const int64_t kind : *kinds) {
    if (kind < 0 || kind > static_cast<int64_t>(TokenKind::kByte)) {
      return Invalid(file, absl::StrCat(kKindsKey, "[", kinds_.size(), "]"), "a kind from 0 to 6",
                     absl::StrCat(kind));
    }
    kinds_.push_back(static_cast<TokenKind>(kind));
  }
  return absl::OkStatus();
}

void Vocabulary::GuessKinds() {
  kinds_.assign(texts_.size(), TokenKind::kNormal);
  for (size_t id = 0; id < texts_.size(); ++id) {
    if (ParseByteName(texts_[id]) >= 0) kinds_[id] = TokenKind::kByte;
  }
  if (unknown_id_ != kNoToken) kinds_[unknown_id_] = TokenKind::kUnknown;
  if (bos_id_ != kNoToken) kinds_[bos_id_] = TokenKind::kControl;
  for (const int32_t id : end_ids_) kinds_[id] = TokenKind::kControl;
}

absl::Status Vocabulary::LoadAddBos(const GgufFile& file, bool by_default) {
  if (!file.Has(kAddBosKey)) {
    add_bos_ = by_default && bos_id_ != kNoToken;
    return absl::OkStatus();
  }
  const absl::StatusOr<bool> add_bos = file.GetBool(kAddBosKey);
  if (!add_bos.ok()) return add_bos.status();
  if (*add_bos && bos_id_ == kNoToken) {
    return Invalid(file, kBosKey, absl::StrCat("an id, as ", kAddBosKey, " is true"), "none");
  }
  add_bos_ = *add_bos;
  return absl::OkStatus();
}

absl::Status Vocabulary::IndexTokens(const GgufFile& file) {
  byte_ids_.fill(kNoToken);
  plain_ids_.reserve(texts_.size());
  for (int32_t id = 0; id < size(); ++id) {
    const absl::string_view text = texts_[id];
    longest_text_bytes_ = std::max(longest_text_bytes_, text.size());
    if (IsPlain(kinds_[id]) && !text.empty()) plain_ids_[text] = id;
    if (kinds_[id] == TokenKind::kByte) {
      const int byte = ParseByteName(text);
      if (byte < 0) {
        return Invalid(file, absl::StrCat(kTokensKey, "[", id, "]"),
                       "a name from <0x00> to <0xFF>, being of the byte kind", GgufQuote(text));
      }
      byte_ids_[byte] = id;
    }
    if (kinds_[id] == TokenKind::kControl &&
        std::find(std::begin(kEndTexts), std::end(kEndTexts), text) != std::end(kEndTexts)) {
      end_ids_.insert(id);
    }
  }
  return absl::OkStatus();
}

int32_t Vocabulary::FindPlain(absl::string_view text) const {
  if (text.size() > longest_text_bytes_) return kNoToken;
  const auto found = plain_ids_.find(text);
  return found == plain_ids_.end() ? kNoToken : found->second;
}

uint8_t Vocabulary::ByteOf(int32_t id) const {
  return static_cast<uint8_t>(ParseByteName(texts_[id]));
}

}  // namespace plumbline
