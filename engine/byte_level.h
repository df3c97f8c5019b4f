// The alphabet of byte-level BPE vocabularies: each byte is written as one printable character, so
// that token texts are readable and hold no spaces (a space shows as U+0120).
#ifndef PLUMBLINE_ENGINE_BYTE_LEVEL_H_
#define PLUMBLINE_ENGINE_BYTE_LEVEL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace plumbline {

// Both are thread-safe and never fail.
std::string ToByteLevel(absl::string_view bytes);
// Undoes ToByteLevel. Characters outside the alphabet, and bytes that are no UTF-8, stay as they
// are.
std::string FromByteLevel(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_BYTE_LEVEL_H_
