#include "tools/html_page.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "tools/svg.h"

namespace plumbline {
namespace {

// Text in pictures has a white rim, which keeps it readable where it crosses a line.
constexpr absl::string_view kStyle = R"(
:root { color-scheme: light; }
body { max-width: 46rem; margin: 0 auto; padding: 1rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.2rem 0 0.5rem; }
p, ul { margin: 0.5rem 0; }
ul { padding-left: 1.3rem; }
.lead, .caption, figcaption { color: #555; font-size: 0.92rem; }
figure { margin: 0.8rem 0; }
figure svg { display: block; max-width: 45rem; height: auto; }
figure svg text { paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round; }
.scroll { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
.caption { margin: 0.8rem 0 -0.4rem; break-after: avoid; }
th, td { padding: 0.2rem 0.7rem 0.2rem 0; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid #888; font-weight: 600; }
td { border-bottom: 1px solid #ddd; }
.text { text-align: left; }
td.text { white-space: normal; }
td.text:first-child { min-width: 7rem; }
summary { cursor: pointer; }
@media (max-width: 30rem) {
  table { font-size: 0.68rem; }
  th, td { padding-right: 0.25rem; }
  td.text:first-child { min-width: 0; }
}
pre { overflow-x: auto; padding: 0.6rem; background: #f5f5f5; font-size: 0.8rem; line-height: 1.35; }
@media print {
  @page { margin: 16mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure svg { max-width: 150mm; }
  h2, h2 + p { break-after: avoid; }
  figure, tr, li { break-inside: avoid; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
}
)";

void AppendElement(absl::string_view name, absl::string_view text, std::string& out) {
  absl::StrAppend(&out, "<", name, ">", EscapeMarkup(text), "</", name, ">\n");
}

void AppendRow(absl::string_view cell_name, const std::vector<std::string>& cells,
               const HtmlTable& table, std::string& out) {
  absl::StrAppend(&out, "<tr>");
  for (size_t c = 0; c < std::max(cells.size(), table.columns.size()); ++c) {
    absl::StrAppend(&out, "<", cell_name, c < table.text_columns ? " class=\"text\">" : ">",
                    c < cells.size() ? EscapeMarkup(cells[c]) : "", "</", cell_name, ">");
  }
  absl::StrAppend(&out, "</tr>\n");
}

}  // namespace

HtmlPage::HtmlPage(absl::string_view title, absl::string_view lead) : title_(EscapeMarkup(title)) {
  AppendElement("h1", title, body_);
  if (!lead.empty()) absl::StrAppend(&body_, "<p class=\"lead\">", EscapeMarkup(lead), "</p>\n");
}

void HtmlPage::AddHeading(absl::string_view text) { AppendElement("h2", text, body_); }

void HtmlPage::AddParagraph(absl::string_view text) { AppendElement("p", text, body_); }

void HtmlPage::AddList(const std::vector<std::string>& items) {
  if (items.empty()) return;
  absl::StrAppend(&body_, "<ul>\n");
  for (const std::string& item : items) AppendElement("li", item, body_);
  absl::StrAppend(&body_, "</ul>\n");
}

void HtmlPage::AddTable(const HtmlTable& table) {
  // Above the part that scrolls, so that it is read whole.
  if (!table.caption.empty()) {
    absl::StrAppend(&body_, "<p class=\"caption\">", EscapeMarkup(table.caption), "</p>\n");
  }
  absl::StrAppend(&body_, "<div class=\"scroll\"><table>\n<thead>\n");
  AppendRow("th", table.columns, table, body_);
  absl::StrAppend(&body_, "</thead>\n<tbody>\n");
  for (const std::vector<std::string>& row : table.rows) AppendRow("td", row, table, body_);
  absl::StrAppend(&body_, "</tbody>\n</table></div>\n");
}

void HtmlPage::AddPicture(absl::string_view svg, absl::string_view caption) {
  absl::StrAppend(&body_, "<figure>\n", svg, "\n");
  if (!caption.empty()) AppendElement("figcaption", caption, body_);
  absl::StrAppend(&body_, "</figure>\n");
}

void HtmlPage::AddDetails(absl::string_view summary, absl::string_view text) {
  absl::StrAppend(&body_, "<details>\n");
  AppendElement("summary", summary, body_);
  // The parser drops a newline right after <pre>; one of our own saves that of the text.
  absl::StrAppend(&body_, "<pre>\n", EscapeMarkup(text), "</pre>\n</details>\n");
}

std::string HtmlPage::ToString() const {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      title_, "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n", body_,
      "</body>\n</html>\n");
}

}  // namespace plumbline
