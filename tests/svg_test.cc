#include "tools/svg.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/markup.h"

namespace plumbline::svg_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr absl::string_view kDocument = R"svg(<?xml version="1.0"?>
<!-- a remark with <tags> -->
<svg width="3" onload="x()" viewBox="0 0 720 440" xmlns="http://www.w3.org/2000/svg"
 xmlns:xlink="http://www.w3.org/1999/xlink">
<title>Gnuplot</title>
<desc>Produced by GNUPLOT</desc>
<defs><circle id='gpPt0' r='1'/><filter id="box"/><use xlink:href='#gpPt0' id='gpPt1'/></defs>
<script type="text/ecmascript">if (a &lt; b) <b>alert('x')</b></script>
<script xlink:href="gnuplot_svg.js"/>
<g onclick='y()' filter="url(#box)"><title>gnuplot_plot_1</title><use href="#gpPt1"/>
<image href="http://elsewhere/x.png"/><a href="http://elsewhere/">text &lt;1&gt;</a>
<rect fill = 'url(http://elsewhere/)' width='1'/></g>
</svg>
)svg";

TEST(EmbedSvgTest, KeepsThePictureAndNothingElse) {
  const absl::StatusOr<std::string> svg =
      EmbedSvg(kDocument, {"p1", "Time & <length>", "It's \"so\""});
  ASSERT_TRUE(svg.ok()) << svg.status();
  const MarkupScan scan = ScanMarkup(*svg);
  EXPECT_EQ(scan.fault, "");
  EXPECT_THAT(scan.outside, IsEmpty());
  EXPECT_THAT(scan.elements, ElementsAre("svg", "title", "desc", "defs", "circle", "filter", "use",
                                         "g", "use", "a", "rect"));
  EXPECT_THAT(scan.ids, ElementsAre("p1-title", "p1-desc", "p1-gpPt0", "p1-box", "p1-gpPt1"));
  EXPECT_THAT(scan.references,
              ElementsAre("p1-title", "p1-desc", "p1-gpPt0", "p1-box", "p1-gpPt1"));
  EXPECT_THAT(*svg, StartsWith("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 440\" "
                               "width=\"100%\" role=\"img\""));
  EXPECT_THAT(*svg, HasSubstr(">Time &amp; &lt;length&gt;</title>"));
  EXPECT_THAT(*svg, HasSubstr("filter=\"url(#p1-box)\""));
  EXPECT_THAT(*svg, HasSubstr("text &lt;1&gt;"));
  for (const char* gone :
       {"alert", "Gnuplot", "gnuplot_plot", "GNUPLOT", "elsewhere", "onclick", "remark", "<?xml"}) {
    EXPECT_THAT(*svg, Not(HasSubstr(gone)));
  }
}

TEST(EmbedSvgTest, RefusesWhatIsNoPicture) {
  for (const char* document :
       {"", "text", "<html></html>", "<svg", "<svg viewBox='0 0 1 1'>", "<svg></svg>",
        "<svg viewBox='0 0 1 1'><g></svg>", "<svg viewBox='0 0 1 1'></g></svg>",
        "<svg viewBox='0 0 1 1'><g a=1/></svg>", "<svg viewBox='0 0 1 1'><g a='1/></svg>",
        "<svg viewBox='0 0 1 1'><!-- </svg>", "<svg viewBox='0 0 1 1'>< g/></svg>",
        "<svg viewBox='0 0 1 1'><script></svg>"}) {
    EXPECT_EQ(EmbedSvg(document, {"p", "", ""}).status().code(), absl::StatusCode::kInternal)
        << document;
  }
}

TEST(EmbedSvgTest, RefusesIdsThatAreNone) {
  for (const char* id : {"", "1a", "a b", "a-b", "a\"b", "\xC3\xA9"}) {
    EXPECT_EQ(EmbedSvg(kDocument, {id, "", ""}).status().code(), absl::StatusCode::kInvalidArgument)
        << id;
  }
}

TEST(EmbedSvgTest, CutDocumentsNeverPass) {
  const std::string whole = absl::StrCat(kDocument);
  for (size_t size = 0; size + 7 < whole.size(); ++size) {
    EXPECT_FALSE(EmbedSvg(whole.substr(0, size), {"p", "", ""}).ok()) << size;
  }
}

TEST(EscapeMarkupTest, EscapesAndCleans) {
  EXPECT_EQ(EscapeMarkup("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(EscapeMarkup("µ é\n\tx"), "µ é\n\tx");
  EXPECT_EQ(EscapeMarkup(absl::string_view("\0\x1B\x7F\xFF\xC2\x85\r", 7)), "??????");
}

}  // namespace
}  // namespace plumbline::svg_test
