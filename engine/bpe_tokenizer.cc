#include "engine/bpe_tokenizer.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/byte_level.h"
#include "engine/gguf_reader.h"

namespace plumbline {
namespace {

constexpr absl::string_view kMergesKey = "tokenizer.ggml.merges";
constexpr absl::string_view kPreKey = "tokenizer.ggml.pre";

absl::Status BadMerge(const GgufFile& file, size_t rank, absl::string_view merge,
                      absl::string_view needed) {
  return GgufError(file.name(), {.field = absl::StrCat(kMergesKey, "[", rank, "]"),
                                 .needed = needed,
                                 .had = GgufQuote(merge),
                                 .fix = "write the file again with its own merges"});
}

absl::StatusOr<Pretokenizer> LoadPretokenizer(const GgufFile& file) {
  absl::string_view name = "default";
  if (file.Has(kPreKey)) {
    const absl::StatusOr<absl::string_view> given = file.GetString(kPreKey);
    if (!given.ok()) return given.status();
    name = *given;
  }
  return Pretokenizer::Make(name, file.name());
}

}  // namespace

uint64_t BpeTokenizer::PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> BpeTokenizer::Load(const GgufFile& file) {
  absl::StatusOr<Pretokenizer> pretokenizer = LoadPretokenizer(file);
  if (!pretokenizer.ok()) return pretokenizer.status();
  VocabularyDefaults defaults;
  defaults.add_bos = pretokenizer->adds_bos();
  absl::StatusOr<Vocabulary> vocabulary = Vocabulary::Load(file, defaults);
  if (!vocabulary.ok()) return vocabulary.status();
  absl::StatusOr<SpecialTokens> specials = SpecialTokens::Make(*vocabulary, file.name());
  if (!specials.ok()) return specials.status();
  absl::StatusOr<Merges> merges = LoadMerges(file, *vocabulary);
  if (!merges.ok()) return merges.status();
  return std::unique_ptr<Tokenizer>(new BpeTokenizer(*std::move(vocabulary), *std::move(specials),
                                                     *std::move(pretokenizer), *std::move(merges)));
}

absl::StatusOr<BpeTokenizer::Merges> BpeTokenizer::LoadMerges(const GgufFile& file,
                                                              const Vocabulary& vocabulary) {
  if (!file.Has(kMergesKey)) {
    return GgufError(file.name(), {.field = kMergesKey,
                                   .needed = "the merges of a byte-level BPE",
                                   .had = "no such key",
                                   .fix = "write the file again with its merges"});
  }
  const absl::StatusOr<std::vector<absl::string_view>> lines = file.GetStrings(kMergesKey);
  if (!lines.ok()) return lines.status();
  Merges merges;
  merges.reserve(lines->size());
  for (size_t rank = 0; rank < lines->size(); ++rank) {
    const absl::string_view line = (*lines)[rank];
    const size_t space = line.find(' ', 1);
    if (space == absl::string_view::npos || space + 1 == line.size()) {
      return BadMerge(file, rank, line, "two tokens with a space between them");
    }
    const absl::string_view left = line.substr(0, space);
    const absl::string_view right = line.substr(space + 1);
    const int32_t left_id = vocabulary.FindPlain(left);
    const int32_t right_id = vocabulary.FindPlain(right);
    const int32_t merged_id = vocabulary.FindPlain(absl::StrCat(left, right));
    if (left_id == kNoToken || right_id == kNoToken || merged_id == kNoToken) {
      return BadMerge(file, rank, line, "both parts, and the two joined, to be tokens");
    }
    // Where a pair comes twice, its first rank counts.
    merges.try_emplace(PairKey(left_id, right_id),
                       SymbolMerge{static_cast<double>(rank), merged_id});
  }
  return merges;
}

BpeTokenizer::BpeTokenizer(Vocabulary vocabulary, SpecialTokens specials, Pretokenizer pretokenizer,
                           Merges merges)
    : VocabularyTokenizer(std::move(vocabulary), std::move(specials)),
      pretokenizer_(std::move(pretokenizer)),
      merges_(std::move(merges)) {
  for (int byte = 0; byte < 256; ++byte) {
    const char as_char = static_cast<char>(byte);
    byte_ids_[byte] = this->vocabulary().FindPlain(ToByteLevel({&as_char, 1}));
  }
}

std::string BpeTokenizer::PlainBytes(absl::string_view text) const { return FromByteLevel(text); }

absl::Status BpeTokenizer::EncodeText(absl::string_view text, std::vector<int32_t>& ids) const {
  const absl::StatusOr<std::vector<absl::string_view>> pieces = pretokenizer_.Split(text);
  if (!pieces.ok()) return pieces.status();
  for (const absl::string_view piece : *pieces) {
    const absl::Status status = EncodePiece(piece, ids);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status BpeTokenizer::EncodePiece(absl::string_view piece, std::vector<int32_t>& ids) const {
  // A byte takes one character or more of a token's text, so a longer piece is no token.
  if (pretokenizer_.keeps_whole_tokens() && piece.size() <= vocabulary().longest_text_bytes()) {
    const int32_t id = vocabulary().FindPlain(ToByteLevel(piece));
    if (id != kNoToken) {
      ids.push_back(id);
      return absl::OkStatus();
    }
  }
  std::vector<TextSymbol> symbols;
  symbols.reserve(piece.size());
  for (uint32_t i = 0; i < piece.size(); ++i) {
    const auto byte = static_cast<uint8_t>(piece[i]);
    if (byte_ids_[byte] == kNoToken) {
      return absl::InvalidArgumentError(
          absl::StrFormat("the vocabulary has no token for byte 0x%02X of the text; take that "
                          "byte out or use a model with all 256 bytes",
                          byte));
    }
    symbols.push_back({i, 1, byte_ids_[byte]});
  }
  const auto find = [this](const TextSymbol& left,
                           const TextSymbol& right) -> std::optional<SymbolMerge> {
    const auto merge = merges_.find(PairKey(left.id, right.id));
    if (merge == merges_.end()) return std::nullopt;
    return merge->second;
  };
  MergeSymbols(find, symbols);
  for (const TextSymbol& symbol : symbols) ids.push_back(symbol.id);
  return absl::OkStatus();
}

}  // namespace plumbline
