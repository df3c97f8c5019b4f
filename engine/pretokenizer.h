// Cuts a text into the pieces that byte-level BPE may not merge across, by the regular expressions
// of each model family.
#ifndef PLUMBLINE_ENGINE_PRETOKENIZER_H_
#define PLUMBLINE_ENGINE_PRETOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// Immutable after Make; safe from any thread.
class Pretokenizer {
 public:
  // Steps of the pattern matcher for a single match, per byte of the text.
  static constexpr uint32_t kDefaultStepsPerByte = 64;

  // `name` as in tokenizer.ggml.pre. InvalidArgument lists the known names where this is none;
  // `file_name` is for that message.
  static absl::StatusOr<Pretokenizer> Make(absl::string_view name, absl::string_view file_name,
                                           uint32_t steps_per_byte = kDefaultStepsPerByte);

  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;
  ~Pretokenizer();

  // The pieces, in order and without gaps; they point into `text`. A byte that is no valid UTF-8
  // is a piece of its own. ResourceExhausted where the matcher gives up (its limit of steps or
  // its memory), Internal for any other fault of the matcher's.
  absl::StatusOr<std::vector<absl::string_view>> Split(absl::string_view text) const;

  // Whether a piece that is a token as it stands stays whole, whatever the merges would make of it.
  bool keeps_whole_tokens() const;
  // Whether the family puts a BOS before a text where the file says nothing.
  bool adds_bos() const;

 private:
  struct Impl;
  explicit Pretokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_PRETOKENIZER_H_
