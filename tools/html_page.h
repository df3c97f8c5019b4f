// One HTML page that needs nothing but itself: no scripts, no fonts, no pictures from elsewhere.
#ifndef PLUMBLINE_TOOLS_HTML_PAGE_H_
#define PLUMBLINE_TOOLS_HTML_PAGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace plumbline {

struct HtmlTable {
  std::string caption;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // cells that are missing are empty
  size_t text_columns = 1;                     // so many from the left are text, the others numbers
};

// Builds a page from top to bottom. Every text is escaped. Reads well on a phone (wide tables
// scroll by themselves) and on paper (nothing is torn apart by the end of a sheet). Not
// thread-safe.
class HtmlPage {
 public:
  // `lead` stands under the title; empty: nothing.
  explicit HtmlPage(absl::string_view title, absl::string_view lead = "");

  void AddHeading(absl::string_view text);
  void AddParagraph(absl::string_view text);
  void AddList(const std::vector<std::string>& items);
  void AddTable(const HtmlTable& table);
  // REQUIRES: `svg` comes from EmbedSvg (it stands in the page as it is).
  void AddPicture(absl::string_view svg, absl::string_view caption);
  // Text as it is (data, a command's output), shown when the reader asks for it.
  void AddDetails(absl::string_view summary, absl::string_view text);

  // The whole page so far.
  std::string ToString() const;

 private:
  std::string title_;
  std::string body_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_HTML_PAGE_H_
