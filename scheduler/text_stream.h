// Turns a request's tokens into text as they come: whole UTF-8 characters only, and a possible
// stop string is held back until it is decided.
#ifndef PLUMBLINE_SCHEDULER_TEXT_STREAM_H_
#define PLUMBLINE_SCHEDULER_TEXT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/tokenizer.h"

namespace plumbline {

// Belongs to one thread.
class TextStream {
 public:
  // `tokenizer` is not owned. `stop`: strings that end the text (they are not part of it). The
  // one that is complete first ends it; of those complete at the same character, the longest. So
  // the text does not depend on where its tokens begin and end. Empty ones are ignored.
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
  struct StopMatcher {
    explicit StopMatcher(std::string stop);
    // Adds a byte of text; true where the pattern is complete. REQUIRES: it was not before.
    bool Feed(char byte);

    std::string pattern;         // not empty
    std::vector<size_t> border;  // [pattern]: longest proper start that ends there too
    size_t matched = 0;          // bytes of the pattern that the text ends with
  };

  std::string Advance(bool last);
  std::string Release(size_t count);

  const Tokenizer& tokenizer_;
  std::vector<StopMatcher> stop_;
  bool drop_space_;    // the next token is the first that is not a control token
  std::string bytes_;  // the start of a character
  std::string held_;   // whole characters that may begin a stop string
  bool stopped_ = false;
  std::string text_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_SCHEDULER_TEXT_STREAM_H_
