#include "engine/tokenizer.h"

#include <cstddef>

#include "absl/status/status.h"
#include "engine/bpe_tokenizer.h"
#include "engine/gguf_reader.h"
#include "engine/spm_tokenizer.h"

namespace plumbline {
namespace {

constexpr absl::string_view kModelKey = "tokenizer.ggml.model";
constexpr int32_t kByteValues = 256;

class ByteTokenizer final : public Tokenizer {
 public:
  explicit ByteTokenizer(int32_t vocab_size) : vocab_size_(vocab_size) {}

  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text,
                                              const EncodeOptions& /*options*/) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size());
    for (const char byte : text) ids.push_back(static_cast<uint8_t>(byte));
    return ids;
  }

  std::string TokenBytes(int32_t id) const override {
    return id < kByteValues ? std::string(1, static_cast<char>(id)) : "";
  }

  std::string Decode(absl::Span<const int32_t> ids) const override {
    std::string bytes;
    for (const int32_t id : ids) bytes += TokenBytes(id);
    return bytes;
  }

  bool drops_leading_space() const override { return false; }
  int32_t vocab_size() const override { return vocab_size_; }
  bool is_end(int32_t /*id*/) const override { return false; }
  bool is_control(int32_t /*id*/) const override { return false; }

 private:
  int32_t vocab_size_;
};

absl::Status UnknownModel(const GgufFile& file, absl::string_view had) {
  return GgufError(file.name(), {.field = kModelKey,
                                 .needed = "gpt2 (byte-level BPE) or llama (SentencePiece BPE)",
                                 .had = had,
                                 .fix = "use a file with a tokenizer of one of these kinds"});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const GgufFile& file) {
  if (!file.Has(kModelKey)) {
    return UnknownModel(file, "no such key");
  }
  const absl::StatusOr<absl::string_view> model = file.GetString(kModelKey);
  if (!model.ok()) return model.status();
  if (*model == "gpt2") return BpeTokenizer::Load(file);
  if (*model == "llama") return SpmTokenizer::Load(file);
  return UnknownModel(file, GgufQuote(*model));
}

std::unique_ptr<Tokenizer> MakeByteTokenizer(int32_t vocab_size) {
  return std::make_unique<ByteTokenizer>(vocab_size);
}

}  // namespace plumbline
