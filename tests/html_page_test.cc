#include "tools/html_page.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/markup.h"

namespace plumbline::html_page_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr absl::string_view kOdd = "a<b> & \"c\" 'd' \\n \x01 </pre><script>alert(1)</script> µ";

TEST(HtmlPageTest, HoldsItsSectionsInOrder) {
  HtmlPage page("A study", "of two things");
  page.AddHeading("First");
  page.AddParagraph("words");
  page.AddList({"one", "two"});
  page.AddTable({"sizes", {"name", "bytes"}, {{"cache", "12"}, {"tiles"}}, 1});
  page.AddPicture("<svg viewBox=\"0 0 1 1\"></svg>", "a picture");
  page.AddDetails("Raw data", "\n1 2\n");
  const std::string html = page.ToString();
  size_t at = 0;
  for (const char* part :
       {"<!DOCTYPE html>", "<title>A study</title>", "<h1>A study</h1>", "of two things",
        "<h2>First</h2>", "<p>words</p>", "<li>one</li>", "<li>two</li>", "sizes",
        "<th class=\"text\">name</th><th>bytes</th>", "<td class=\"text\">cache</td><td>12</td>",
        "<td class=\"text\">tiles</td><td></td>", "<svg viewBox", "a picture",
        "<summary>Raw data</summary>", "<pre>\n\n1 2\n</pre>", "</html>"}) {
    const size_t found = html.find(part, at);
    ASSERT_NE(found, std::string::npos) << part << " after " << at;
    at = found;
  }
  EXPECT_EQ(ScanMarkup(html).fault, "");
}

TEST(HtmlPageTest, EscapesEveryText) {
  HtmlPage page(kOdd, kOdd);
  const std::string odd(kOdd);
  page.AddHeading(kOdd);
  page.AddParagraph(kOdd);
  page.AddList({odd});
  page.AddTable({odd, {odd}, {{odd}}, 1});
  page.AddPicture("<svg viewBox=\"0 0 1 1\"></svg>", kOdd);
  page.AddDetails(kOdd, kOdd);
  const MarkupScan scan = ScanMarkup(page.ToString());
  EXPECT_EQ(scan.fault, "");
  EXPECT_THAT(scan.outside, IsEmpty());
  EXPECT_EQ(std::count(scan.elements.begin(), scan.elements.end(), "script"), 0);
  EXPECT_EQ(std::count(scan.elements.begin(), scan.elements.end(), "b"), 0);
  EXPECT_THAT(page.ToString(), Not(HasSubstr("\x01")));
  EXPECT_THAT(page.ToString(), HasSubstr("µ"));
}

TEST(HtmlPageTest, FitsPhonesAndPaperWithoutHelp) {
  const std::string html = HtmlPage("x").ToString();
  EXPECT_THAT(html, HasSubstr("name=\"viewport\""));
  EXPECT_THAT(html, HasSubstr("@media print"));
  EXPECT_THAT(ScanMarkup(html).outside, IsEmpty());
  EXPECT_THAT(html, Not(HasSubstr("://")));
}

TEST(HtmlPageTest, EmptyPartsAreLeftOut) {
  HtmlPage page("x");
  page.AddList({});
  page.AddTable({});
  page.AddPicture("", "");
  const std::string html = page.ToString();
  EXPECT_EQ(ScanMarkup(html).fault, "");
  EXPECT_THAT(html, Not(HasSubstr("<ul>")));
  EXPECT_THAT(html, Not(HasSubstr("<figcaption>")));
}

}  // namespace
}  // namespace plumbline::html_page_test
