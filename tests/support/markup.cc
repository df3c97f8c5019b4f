#include "tests/support/markup.h"

#include <algorithm>
#include <cstddef>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace plumbline {
namespace {

void LookAtAttribute(const std::string& name, const std::string& value, MarkupScan& scan) {
  if (name == "id") scan.ids.push_back(value);
  if (name == "aria-labelledby") {
    for (const absl::string_view id : absl::StrSplit(value, ' ')) scan.references.emplace_back(id);
  }
  const bool link = name == "href" || name == "xlink:href" || name == "src" || name == "data";
  const bool local = absl::StartsWith(value, "#");
  if (link && local) scan.references.push_back(value.substr(1));
  absl::string_view fragment = value;
  const bool local_url =
      absl::ConsumePrefix(&fragment, "url(#") && absl::ConsumeSuffix(&fragment, ")");
  if (local_url) scan.references.emplace_back(fragment);
  // The name of SVG's own language is no link.
  const bool language = name == "xmlns" && value == "http://www.w3.org/2000/svg";
  const bool leads_out = absl::StrContains(value, "://") || absl::StrContains(value, "file:") ||
                         (absl::StrContains(value, "url(") && !local_url) ||
                         absl::StartsWith(name, "on");
  if ((link && !local) || (leads_out && !language)) {
    scan.outside.push_back(absl::StrCat(name, "=", value));
  }
}

// Gives what is wrong with the tag's attributes, if anything.
std::string LookAtAttributes(std::string text, MarkupScan& scan) {
  static const std::regex kAttribute(R"(^\s+([A-Za-z][\w:-]*)\s*=\s*("[^"<]*"|'[^'<]*'))");
  std::smatch match;
  while (std::regex_search(text, match, kAttribute)) {
    const std::string quoted = match[2];
    LookAtAttribute(match[1], quoted.substr(1, quoted.size() - 2), scan);
    text = match.suffix();
  }
  return std::regex_match(text, std::regex(R"(\s*/?)")) ? "" : "attribute: " + text;
}

}  // namespace

MarkupScan ScanMarkup(absl::string_view text) {
  MarkupScan scan;
  std::vector<std::string> open;
  for (size_t at = text.find('<'); at != absl::string_view::npos; at = text.find('<', at + 1)) {
    const size_t end = text.find('>', at);
    if (end == absl::string_view::npos) return scan.fault = "open tag", scan;
    const std::string tag(text.substr(at + 1, end - at - 1));
    if (absl::StartsWith(tag, "!")) continue;
    const size_t name_at = absl::StartsWith(tag, "/") ? 1 : 0;
    const size_t name_end = std::min(tag.find_first_of(" \t\n/", name_at), tag.size());
    const std::string name = tag.substr(name_at, name_end - name_at);
    if (name.empty()) return scan.fault = absl::StrCat("a stray <", tag), scan;
    if (name_at == 1) {
      if (open.empty() || open.back() != name) return scan.fault = "closes " + name, scan;
      open.pop_back();
      continue;
    }
    scan.elements.push_back(name);
    scan.fault = LookAtAttributes(tag.substr(name_end), scan);
    if (!scan.fault.empty()) return scan;
    const bool is_empty = absl::EndsWith(tag, "/") || name == "meta";
    if (!is_empty) open.push_back(name);
    if (name == "style") {
      const absl::string_view style = text.substr(end, text.find("</style", end) - end);
      for (const char* way_out : {"@import", "url(", "://"}) {
        if (absl::StrContains(style, way_out)) scan.outside.emplace_back(way_out);
      }
    }
  }
  if (!open.empty()) scan.fault = "never closes " + open.back();
  return scan;
}

}  // namespace plumbline
