#include "tools/table.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::table_test {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(absl::StripSuffix(text, "\n"), '\n');
}

void ExpectFits(const std::string& text, size_t width) {
  for (const std::string& line : Lines(text)) {
    EXPECT_LE(DisplayWidth(line), width) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
}

TEST(FormatCountTest, GroupsDigits) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(-1234567), "-1,234,567");
  EXPECT_EQ(FormatCount(-123), "-123");
  EXPECT_EQ(FormatCount(kLargest), "9,223,372,036,854,775,807");
  EXPECT_EQ(FormatCount(kLeast), "-9,223,372,036,854,775,808");
}

TEST(FormatSiTest, KeepsFourDigitsAndNeverPrintsAThousand) {
  EXPECT_EQ(FormatSi(0), "0");
  EXPECT_EQ(FormatSi(12.5), "12.5");
  EXPECT_EQ(FormatSi(999.94), "999.9");
  EXPECT_EQ(FormatSi(999.96), "1 k");
  EXPECT_EQ(FormatSi(999949), "999.9 k");
  EXPECT_EQ(FormatSi(999951), "1 M");
  EXPECT_EQ(FormatSi(1234567890.0), "1.235 G");
  EXPECT_EQ(FormatSi(-2e18), "-2 E");
  EXPECT_EQ(FormatSi(std::numeric_limits<double>::infinity()), "-");
  EXPECT_LE(FormatSi(std::numeric_limits<double>::max()).size(), 10u);
}

TEST(FormatSecondsTest, ChoosesTheUnit) {
  EXPECT_EQ(FormatSeconds(-1), "-");
  EXPECT_EQ(FormatSeconds(std::numeric_limits<double>::quiet_NaN()), "-");
  EXPECT_EQ(FormatSeconds(0), "0 us");
  EXPECT_EQ(FormatSeconds(0.0001234), "123 us");
  EXPECT_EQ(FormatSeconds(0.0009996), "0.9996 ms");
  EXPECT_EQ(FormatSeconds(0.01234), "12.34 ms");
  EXPECT_EQ(FormatSeconds(1.5), "1.5 s");
  EXPECT_EQ(FormatSeconds(98765), "98.77 ks");
}

TEST(FormatBytesTest, ShowsTheUnitBehindTheNumber) {
  EXPECT_EQ(FormatBytes(1), "1 byte");
  EXPECT_EQ(FormatBytes(999), "999 bytes");
  EXPECT_EQ(FormatBytes(2000000000), "2,000,000,000 bytes (2 GB)");
}

TEST(PrintableTest, ReplacesWhatMovesTheCursor) {
  EXPECT_EQ(Printable("a\033[2Jb\n\x7F\xC2\x9B"), "a?[2Jb???");
  EXPECT_EQ(Printable("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(Printable("\xFF\xC3"), "??");
}

TEST(CutTextTest, CutsAtCharacters) {
  EXPECT_EQ(CutText("abcdef", 6), "abcdef");
  EXPECT_EQ(CutText("abcdefg", 6), "abcde~");
  EXPECT_EQ(CutText("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "\xC3\xA9~");
}

TEST(WrapTextTest, BreaksBetweenWords) {
  EXPECT_EQ(WrapText("one two three", 2, 7), "one two\n  three\n");
  EXPECT_EQ(WrapText("", 2, 7), "\n");
  EXPECT_EQ(WrapText("longer-than-that x", 0, 4), "longer-than-that\nx\n");
}

TEST(TableTest, AlignsTextLeftAndNumbersRight) {
  Table table({"MACs", "measured", ""});
  table.AddRow({Cell::Text("scores"), Cell::Count(1234), Cell::Text("!=")});
  table.AddRow({Cell::Text("x"), Cell::None(), Cell::Text("")});
  EXPECT_EQ(table.ToString(),
            "MACs    measured\n"
            "scores     1,234  !=\n"
            "x              -\n");
}

TEST(TableTest, KeepsNumbersExactWhereTheyFit) {
  Table table({"class", "measured", "formula", "article"});
  table.AddRow({Cell::Text("total"), Cell::Count(99999999999999), Cell::Count(99999999999999),
                Cell::Figure(1e14)});
  EXPECT_THAT(table.ToString(), testing::HasSubstr("99,999,999,999,999  99,999,999,999,999"));
  ExpectFits(table.ToString(), kTerminalColumns);
}

TEST(TableTest, WidestNumbersBecomeBriefFirst) {
  Table table({"class", "a", "b"}, 30);
  table.AddRow({Cell::Text("total"), Cell::Count(kLargest), Cell::Count(123456)});
  EXPECT_EQ(table.ToString(),
            "class        a        b\n"
            "total  9.223 E  123,456\n");
}

TEST(TableTest, ExtremeValuesFit) {
  for (const int64_t value : {kLargest, kLeast}) {
    Table table({"a class of work with a long name", "measured", "formula", "article", ""});
    table.AddRow({Cell::Text("weighted values"), Cell::Count(value), Cell::Count(value),
                  Cell::Figure(std::numeric_limits<double>::max()), Cell::Text("!=")});
    table.AddRow({Cell::Text("x"), Cell::Count(1)});
    ExpectFits(table.ToString(), kTerminalColumns);
    EXPECT_THAT(table.ToString(), testing::HasSubstr("weighted values"));
  }
}

TEST(TableTest, LeastWidthsGiveWayToTheTerminal) {
  Table table({"a", "b"}, 12);
  table.AddRow({Cell::Text("x"), Cell::Count(1)});
  table.SetLeastWidths({4, 5});
  EXPECT_EQ(table.ToString(), "a         b\nx         1\n");
  table.SetLeastWidths({40, 50});
  for (const std::string& line : Lines(table.ToString())) EXPECT_EQ(line.size(), 12u) << line;
}

TEST(TableTest, ManyColumnsAndLongTextsFit) {
  std::vector<std::string> headings(8, "a long heading");
  Table table(headings);
  std::vector<Cell> row(7, Cell::Count(kLeast));
  row.insert(row.begin(), Cell::Text(std::string(200, 'x')));
  table.AddRow(row);
  ExpectFits(table.ToString(), kTerminalColumns);
}

TEST(CellTest, FiguresBeyondExactIntegersAreBrief) {
  EXPECT_EQ(Cell::Figure(1048576).exact, "1,048,576");
  EXPECT_EQ(Cell::Figure(1e18).exact, "1 E");
  EXPECT_EQ(Cell::Figure(std::numeric_limits<double>::quiet_NaN()).exact, "-");
}

}  // namespace
}  // namespace plumbline::table_test
