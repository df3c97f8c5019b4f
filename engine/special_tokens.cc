#include "engine/special_tokens.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "engine/gguf_reader.h"

namespace plumbline {
namespace {

// Bounds the work per position of a text, whatever a file says.
constexpr size_t kMaxSpecialBytes = 1024;

}  // namespace

absl::StatusOr<SpecialTokens> SpecialTokens::Make(const Vocabulary& vocabulary,
                                                  absl::string_view file_name) {
  std::vector<Entry> user_defined;
  std::vector<Entry> all;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    const bool is_user_defined = kind == TokenKind::kUserDefined;
    if (!is_user_defined && kind != TokenKind::kControl && kind != TokenKind::kUnknown) continue;
    const absl::string_view text = vocabulary.text(id);
    if (text.empty()) continue;
    if (text.size() > kMaxSpecialBytes) {
      return GgufError(file_name,
                       {.field = absl::StrCat("special token tokenizer.ggml.tokens[", id, "]"),
                        .needed = absl::StrCat("1 to ", kMaxSpecialBytes, " bytes"),
                        .had = absl::StrCat(text.size()),
                        .fix = "write the file again with a shorter one"});
    }
    all.push_back({text, id});
    if (is_user_defined) user_defined.push_back({text, id});
  }
  SpecialTokens specials;
  specials.user_defined_ = MakeTable(std::move(user_defined));
  specials.all_ = MakeTable(std::move(all));
  return specials;
}

SpecialTokens::Table SpecialTokens::MakeTable(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.text, a.id) < std::tie(b.text, b.id);
  });
  Table table;
  for (size_t i = 0; i < entries.size(); ++i) {
    auto& range = table.by_first_byte[static_cast<uint8_t>(entries[i].text[0])];
    if (range.second == 0) range.first = i;
    range.second = i + 1;
  }
  table.entries = std::move(entries);
  return table;
}

const SpecialTokens::Entry* SpecialTokens::LongestMatch(const Table& table,
                                                        absl::string_view text) {
  const auto [begin, end] = table.by_first_byte[static_cast<uint8_t>(text[0])];
  const Entry* first = table.entries.data() + begin;
  const Entry* last = table.entries.data() + end;
  const Entry* longest = nullptr;
  // Here all of [first, last) start with text[0, depth); the entries that end there come first.
  for (size_t depth = 1; first != last; ++depth) {
    while (first != last && first->text.size() == depth) longest = first++;
    if (depth == text.size()) break;
    const auto byte = static_cast<uint8_t>(text[depth]);
    const auto byte_at = [depth](const Entry& entry) {
      return static_cast<uint8_t>(entry.text[depth]);
    };
    first = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e) < byte; });
    last = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e) == byte; });
  }
  return longest;
}

std::vector<TextFragment> SpecialTokens::Split(absl::string_view text, bool parse_special) const {
  const Table& table = parse_special ? all_ : user_defined_;
  std::vector<TextFragment> fragments;
  size_t begin = 0;  // of the ordinary text not yet in a fragment
  size_t at = 0;
  while (at < text.size()) {
    const Entry* match = LongestMatch(table, text.substr(at));
    if (match == nullptr) {
      ++at;
      continue;
    }
    if (begin < at) fragments.push_back({text.substr(begin, at - begin)});
    fragments.push_back({text.substr(at, match->text.size()), match->id});
    at += match->text.size();
    begin = at;
  }
  if (begin < text.size()) fragments.push_back({text.substr(begin)});
  return fragments;
}

}  // namespace plumbline
