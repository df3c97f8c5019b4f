#include "tools/csv_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace plumbline {

std::string QuotedCsv(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace plumbline
