#include "tools/perplexity_windows.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace plumbline {

absl::Status WindowLayout::Check() const {
  if (context < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a window of ", context, " positions scores nothing: raise --context to 2 or more"));
  }
  if (stride < 1 || stride >= context) {
    return absl::InvalidArgumentError(
        absl::StrCat("a stride of ", stride, " tokens does not go with windows of ", context,
                     " positions: give --stride from 1 to ", context - 1));
  }
  if (scored_tokens() < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the text is too short: it has ", text_tokens, " tokens, and windows of ",
                     context, " positions that score their last ", stride, " need at least ",
                     lead_tokens() + 1, ": give more text, or lower --context"));
  }
  return absl::OkStatus();
}

int64_t WindowLayout::fed_positions() const {
  // All windows but the last are full.
  const PerplexityWindow last = WindowAt(*this, windows() - 1);
  return (windows() - 1) * (context - 1) + start_tokens + last.end - last.begin - 1;
}

PerplexityWindow WindowAt(const WindowLayout& layout, int64_t index) {
  PerplexityWindow window;
  window.begin = index * layout.stride;
  window.end = std::min(window.begin + layout.window_tokens(), layout.text_tokens);
  window.scored = window.end - window.begin - layout.lead_tokens();
  return window;
}

}  // namespace plumbline
