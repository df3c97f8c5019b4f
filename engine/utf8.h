// UTF-8 by hand, for text that may hold anything: nothing here fails on bad bytes.
#ifndef PLUMBLINE_ENGINE_UTF8_H_
#define PLUMBLINE_ENGINE_UTF8_H_

#include "absl/strings/string_view.h"

namespace plumbline {

// Bytes of the character that `text` starts with: 1 to 4, or 0 where `text` is empty or starts with
// no valid character (cut off, overlong, a surrogate, over U+10FFFF). Thread-safe.
int Utf8CharBytes(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_UTF8_H_
