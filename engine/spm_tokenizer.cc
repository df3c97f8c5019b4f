#include "engine/spm_tokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/utf8.h"

namespace plumbline {
namespace {

constexpr absl::string_view kSpaceKey = "tokenizer.ggml.add_space_prefix";
constexpr absl::string_view kSpaceMark = "\u2581";  // stands for a space inside tokens

// One symbol per character; a byte that is no valid UTF-8 is one by itself.
std::vector<TextSymbol> SplitCharacters(absl::string_view text, const Vocabulary& vocabulary) {
  std::vector<TextSymbol> symbols;
  symbols.reserve(text.size());
  for (uint32_t at = 0; at < text.size();) {
    const auto num_bytes = static_cast<uint32_t>(std::max(1, Utf8CharBytes(text.substr(at))));
    symbols.push_back({at, num_bytes, vocabulary.FindPlain(text.substr(at, num_bytes))});
    at += num_bytes;
  }
  return symbols;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> SpmTokenizer::Load(const GgufFile& file) {
  // The ids that SentencePiece itself gives these tokens.
  VocabularyDefaults defaults;
  defaults.needs_scores = true;
  defaults.add_bos = true;
  defaults.unknown_id = 0;
  defaults.bos_id = 1;
  defaults.eos_id = 2;
  absl::StatusOr<Vocabulary> vocabulary = Vocabulary::Load(file, defaults);
  if (!vocabulary.ok()) return vocabulary.status();
  absl::StatusOr<SpecialTokens> specials = SpecialTokens::Make(*vocabulary, file.name());
  if (!specials.ok()) return specials.status();
  bool adds_space = true;
  if (file.Has(kSpaceKey)) {
    const absl::StatusOr<bool> given = file.GetBool(kSpaceKey);
    if (!given.ok()) return given.status();
    adds_space = *given;
  }
  return std::unique_ptr<Tokenizer>(
      new SpmTokenizer(*std::move(vocabulary), *std::move(specials), adds_space));
}

std::string SpmTokenizer::PlainBytes(absl::string_view text) const {
  return absl::StrReplaceAll(text, {{kSpaceMark, " "}});
}

std::string SpmTokenizer::Decode(absl::Span<const int32_t> ids) const {
  std::string bytes = VocabularyTokenizer::Decode(ids);
  const auto* first =
      std::find_if(ids.begin(), ids.end(), [this](int32_t id) { return !is_control(id); });
  const bool drops = adds_space_ && first != ids.end() &&
                     vocabulary().kind(*first) != TokenKind::kUserDefined &&
                     !TokenBytes(*first).empty() && bytes[0] == ' ';
  if (drops) bytes.erase(0, 1);
  return bytes;
}

absl::Status SpmTokenizer::EncodeText(absl::string_view text, std::vector<int32_t>& ids) const {
  const std::string escaped =
      absl::StrCat(adds_space_ ? kSpaceMark : "", absl::StrReplaceAll(text, {{" ", kSpaceMark}}));
  const auto text_of = [&escaped](uint32_t begin, uint32_t num_bytes) {
    return absl::string_view(escaped).substr(begin, num_bytes);
  };
  std::vector<TextSymbol> symbols = SplitCharacters(escaped, vocabulary());
  const auto find = [&](const TextSymbol& left,
                        const TextSymbol& right) -> std::optional<SymbolMerge> {
    const int32_t id =
        vocabulary().FindPlain(text_of(left.begin, left.num_bytes + right.num_bytes));
    if (id == kNoToken) return std::nullopt;
    return SymbolMerge{-static_cast<double>(vocabulary().score(id)), id};
  };
  MergeSymbols(find, symbols);
  for (const TextSymbol& symbol : symbols) {
    if (symbol.id != kNoToken) {
      ids.push_back(symbol.id);
      continue;
    }
    const absl::Status status = EncodeBytes(text_of(symbol.begin, symbol.num_bytes), ids);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SpmTokenizer::EncodeBytes(absl::string_view character,
                                       std::vector<int32_t>& ids) const {
  const absl::string_view bytes = character == kSpaceMark ? " " : character;
  const bool has_all = std::all_of(bytes.begin(), bytes.end(), [this](char byte) {
    return vocabulary().byte_id(static_cast<uint8_t>(byte)) != kNoToken;
  });
  if (has_all) {
    for (const char byte : bytes) ids.push_back(vocabulary().byte_id(static_cast<uint8_t>(byte)));
    return absl::OkStatus();
  }
  if (vocabulary().unknown_id() == kNoToken) {
    return absl::InvalidArgumentError(
        absl::StrCat("the vocabulary has no token for \"", absl::CHexEscape(bytes),
                     "\" of the text, nor one for the unknown; take it out or use another model"));
  }
  ids.push_back(vocabulary().unknown_id());
  return absl::OkStatus();
}

}  // namespace plumbline
