// How `plumbline perplexity` cuts a text: windows of the context's length begin `stride` tokens
// apart, and each scores its last `stride` tokens, so that every token but the first few is scored
// once, with at least context - stride positions before it.
//
// A window begins with the start token where the vocabulary wants one; that is one of its
// positions. The last window may hold fewer tokens: it scores what no other has.
//
// Example: 10 tokens, context 5, start token, stride 2: windows hold 4 tokens of the text.
//   [0 1 (2 3)]  [2 3 (4 5)]  [4 5 (6 7)]  [6 7 (8 9)]      (scored)
#ifndef PLUMBLINE_TOOLS_PERPLEXITY_WINDOWS_H_
#define PLUMBLINE_TOOLS_PERPLEXITY_WINDOWS_H_

#include <cstdint>

#include "absl/status/status.h"

namespace plumbline {

// Plain data; all functions are pure. REQUIRES, but for Check: Check() is OK.
struct WindowLayout {
  int64_t text_tokens = 0;   // without the start token
  int64_t start_tokens = 0;  // 0 or 1, before every window
  int64_t context = 0;       // positions of a full window
  int64_t stride = 0;        // tokens from one window to the next, and scored by each

  // InvalidArgument, with the numbers, where the context is under 2, the stride is not from 1 to
  // context - 1 (the first position of a window has nothing before it), or the text has not one
  // token to score.
  absl::Status Check() const;

  // Tokens of the text in a full window, and those of the first one that are not scored.
  int64_t window_tokens() const { return context - start_tokens; }
  int64_t lead_tokens() const { return window_tokens() - stride; }
  int64_t scored_tokens() const { return text_tokens - lead_tokens(); }
  int64_t windows() const { return (scored_tokens() + stride - 1) / stride; }
  // Positions that all windows feed: the last token of a window is scored, but never fed.
  int64_t fed_positions() const;
};

struct PerplexityWindow {
  int64_t begin = 0;   // of its tokens in the text
  int64_t end = 0;     // behind the last
  int64_t scored = 0;  // of its last tokens
};

// REQUIRES: 0 <= index < layout.windows().
PerplexityWindow WindowAt(const WindowLayout& layout, int64_t index);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PERPLEXITY_WINDOWS_H_
