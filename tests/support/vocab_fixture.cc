#include "tests/support/vocab_fixture.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "engine/byte_level.h"
#include "engine/gguf.h"

namespace plumbline {
namespace {

std::string Key(const std::string& name) { return "tokenizer.ggml." + name; }

}  // namespace

int32_t VocabFixture::Add(const std::string& text, TokenKind kind, float score) {
  tokens->push_back(text);
  kinds->push_back(static_cast<int32_t>(kind));
  if (scores) scores->push_back(score);
  return static_cast<int32_t>(tokens->size()) - 1;
}

int32_t VocabFixture::AddMerge(const std::string& left, const std::string& right) {
  merges->push_back(absl::StrCat(left, " ", right));
  const std::string merged = left + right;
  const bool is_new = std::find(tokens->begin(), tokens->end(), merged) == tokens->end();
  return is_new ? Add(merged) : Id(merged);
}

int32_t VocabFixture::Id(const std::string& text) const {
  return static_cast<int32_t>(std::find(tokens->begin(), tokens->end(), text) - tokens->begin());
}

GgufWriter VocabFixture::Writer() const {
  GgufWriter writer;
  if (model) writer.AddString(Key("model"), *model);
  if (pre) writer.AddString(Key("pre"), *pre);
  if (tokens) writer.AddStrings(Key("tokens"), *tokens);
  if (kinds) writer.AddInts(Key("token_type"), *kinds);
  if (scores) writer.AddFloats(Key("scores"), *scores);
  if (merges) writer.AddStrings(Key("merges"), *merges);
  for (const auto& [name, value] : numbers) writer.AddUint32(Key(name), value);
  for (const auto& [name, value] : switches) writer.AddBool(Key(name), value);
  return writer;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> VocabFixture::Load() const {
  const absl::StatusOr<std::string> bytes = Writer().Serialize();
  if (!bytes.ok()) return bytes.status();
  const absl::Span<const std::byte> span(reinterpret_cast<const std::byte*>(bytes->data()),
                                         bytes->size());
  const absl::StatusOr<std::unique_ptr<GgufFile>> file = GgufFile::Parse(span, "fixture.gguf");
  if (!file.ok()) return file.status();
  return LoadTokenizer(**file);
}

VocabFixture ByteLevelFixture() {
  VocabFixture fixture;
  fixture.model = "gpt2";
  fixture.pre = "gpt-2";
  fixture.tokens.emplace();
  fixture.kinds.emplace();
  fixture.merges.emplace();
  for (int byte = 0; byte < 256; ++byte) {
    const char as_char = static_cast<char>(byte);
    fixture.Add(ToByteLevel({&as_char, 1}));
  }
  const int32_t end = fixture.Add("<|endoftext|>", TokenKind::kControl);
  fixture.numbers["bos_token_id"] = static_cast<uint32_t>(end);
  fixture.numbers["eos_token_id"] = static_cast<uint32_t>(end);
  return fixture;
}

VocabFixture SentencePieceFixture() {
  VocabFixture fixture;
  fixture.model = "llama";
  fixture.tokens.emplace();
  fixture.kinds.emplace();
  fixture.scores.emplace();
  fixture.Add("<unk>", TokenKind::kUnknown);
  fixture.Add("<s>", TokenKind::kControl);
  fixture.Add("</s>", TokenKind::kControl);
  for (int byte = 0; byte < 256; ++byte) {
    fixture.Add(absl::StrFormat("<0x%02X>", byte), TokenKind::kByte);
  }
  for (const char* piece : {"\u2581", "a", "b", "c"}) fixture.Add(piece);
  return fixture;
}

}  // namespace plumbline
