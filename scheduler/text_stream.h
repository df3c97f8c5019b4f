// Turns a request's tokens into text as they come: whole UTF-8 characters only, and a possible
// stop string is held back until it is decided.
#ifndef PLUMBLINE_SCHEDULER_TEXT_STREAM_H_
#define PLUMBLINE_SCHEDULER_TEXT_STREAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/tokenizer.h"

namespace plumbline {

// Belongs to one thread.
class TextStream {
 public:
  // `tokenizer` is not owned. `stop`: strings that end the text (they are not part of it).
  TextStream(const Tokenizer& tokenizer, std::vector<std::string> stop);

  // Adds a token and returns the text that can be shown now (valid UTF-8; bytes that can never
  // become a character come out as U+FFFD). Control and end tokens add nothing.
  std::string Push(int32_t token);
  // What was held back, once no token will follow.
  std::string Finish();
  // A stop string was met: text after (and of) it is dropped, Push returns nothing from then on.
  bool stopped() const { return stopped_; }
  // Everything returned so far.
  const std::string& text() const { return text_; }

 private:
  // Members are the implementer's to add.
  const Tokenizer& tokenizer_;
  std::vector<std::string> stop_;
  bool stopped_ = false;
  std::string text_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_TEXT_STREAM_H_
