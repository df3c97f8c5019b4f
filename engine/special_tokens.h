// Finds the tokens that are written out in a text, before anything else looks at it.
#ifndef PLUMBLINE_ENGINE_SPECIAL_TOKENS_H_
#define PLUMBLINE_ENGINE_SPECIAL_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/vocabulary.h"

namespace plumbline {

struct TextFragment {
  absl::string_view text;
  int32_t id = kNoToken;  // kNoToken: ordinary text, never empty
};

// Immutable; safe from any thread.
class SpecialTokens {
 public:
  // `vocabulary` must outlive the object. InvalidArgument where a special token is too long to look
  // for at every position of a text; `file_name` is for that message.
  static absl::StatusOr<SpecialTokens> Make(const Vocabulary& vocabulary,
                                            absl::string_view file_name);

  // Cuts `text` at the special tokens: at each position the longest. User-defined tokens always
  // count, control and unknown tokens only with `parse_special`. The fragments point into `text`
  // and cover it.
  std::vector<TextFragment> Split(absl::string_view text, bool parse_special) const;

 private:
  struct Entry {
    absl::string_view text;
    int32_t id = kNoToken;
  };
  // Sorted by text, so that the candidates for a growing prefix are a shrinking range.
  struct Table {
    std::vector<Entry> entries;
    std::array<std::pair<size_t, size_t>, 256> by_first_byte{};  // [begin, end) in entries
  };

  static Table MakeTable(std::vector<Entry> entries);
  static const Entry* LongestMatch(const Table& table, absl::string_view text);

  Table user_defined_;
  Table all_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_SPECIAL_TOKENS_H_
