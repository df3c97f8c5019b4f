// Looks at HTML and SVG the way a strict parser would; written apart from the code that makes them.
#ifndef PLUMBLINE_TESTS_SUPPORT_MARKUP_H_
#define PLUMBLINE_TESTS_SUPPORT_MARKUP_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace plumbline {

struct MarkupScan {
  std::string fault;                    // empty: tags are balanced, attributes quoted
  std::vector<std::string> elements;    // names, in the order of their opening tags
  std::vector<std::string> ids;         // values of id, likewise
  std::vector<std::string> references;  // what #... in href, url() and aria-labelledby name
  std::vector<std::string> outside;     // attributes or style that lead out of the document
};

MarkupScan ScanMarkup(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_MARKUP_H_
