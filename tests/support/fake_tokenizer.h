// A tokenizer whose vocabulary is a list of byte strings.
#ifndef PLUMBLINE_TESTS_SUPPORT_FAKE_TOKENIZER_H_
#define PLUMBLINE_TESTS_SUPPORT_FAKE_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/tokenizer.h"

namespace plumbline {

// Token i is words[i]; then come one control token and one end token, which have bytes here, so
// that a caller who shows them is found out.
class FakeTokenizer final : public Tokenizer {
 public:
  FakeTokenizer(std::vector<std::string> words, bool drops_leading_space)
      : words_(std::move(words)), drops_leading_space_(drops_leading_space) {}

  int32_t control() const { return static_cast<int32_t>(words_.size()); }
  int32_t end() const { return control() + 1; }

  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view,
                                              const EncodeOptions&) const override {
    return absl::UnimplementedError("the fake tokenizer only decodes");
  }
  std::string TokenBytes(int32_t id) const override {
    return id < control() ? words_[static_cast<size_t>(id)] : "<control>";
  }
  std::string Decode(absl::Span<const int32_t> ids) const override {
    std::string text;
    bool first = drops_leading_space_;
    for (const int32_t id : ids) {
      if (id >= control()) continue;
      std::string bytes = TokenBytes(id);
      if (first && !bytes.empty() && bytes[0] == ' ') bytes.erase(0, 1);
      first = false;
      text += bytes;
    }
    return text;
  }
  bool drops_leading_space() const override { return drops_leading_space_; }
  int32_t vocab_size() const override { return end() + 1; }
  bool is_end(int32_t id) const override { return id == end(); }
  bool is_control(int32_t id) const override { return id == control(); }

 private:
  std::vector<std::string> words_;
  bool drops_leading_space_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_FAKE_TOKENIZER_H_
