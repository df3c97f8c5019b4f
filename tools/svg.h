// Pictures in SVG, made fit to stand in a page.
#ifndef PLUMBLINE_TOOLS_SVG_H_
#define PLUMBLINE_TOOLS_SVG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// Text for HTML and XML, also within quotes. Control characters (but newline and tab) and bytes
// that are no UTF-8 become "?".
std::string EscapeMarkup(absl::string_view text);

struct SvgNames {
  absl::string_view id;  // opens every id of the picture
  absl::string_view title;
  absl::string_view description;
};

// A whole SVG document, as gnuplot writes it, as an element that may stand in one page with others:
// no prolog, scripts, event handlers or references to the outside; every id and reference to one
// starts with the name; wide as the page; title and description for who cannot see it.
// InvalidArgument: the id is not a letter followed by letters and digits. Internal: no <svg> with
// balanced tags is there, or it has no viewBox. Thread-safe.
absl::StatusOr<std::string> EmbedSvg(absl::string_view document, const SvgNames& names);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_SVG_H_
