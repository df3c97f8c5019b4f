// CSV as our reports write it.
#ifndef PLUMBLINE_TOOLS_CSV_TEXT_H_
#define PLUMBLINE_TOOLS_CSV_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace plumbline {

// A field of any text, in quotes (RFC 4180).
std::string QuotedCsv(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CSV_TEXT_H_
