// Text tables that fit a terminal, and numbers with their units.
#ifndef PLUMBLINE_TOOLS_TABLE_H_
#define PLUMBLINE_TOOLS_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace plumbline {

inline constexpr size_t kTerminalColumns = 80;

// "1,234,567".
std::string FormatCount(int64_t value);
// A value of 1000 or more with four digits and an SI prefix, e.g. "1.235 G" (1e9); below, as is.
std::string FormatSi(double value);
// "1 thread", "2 threads".
std::string FormatThreads(int64_t threads);
// "123 us", "12.35 ms", "1.235 s"; "-" for a negative time (there was none).
std::string FormatSeconds(double seconds);
// "12,345 bytes", with the size in kB, MB, GB (1e9) behind it where it has one.
std::string FormatBytes(int64_t bytes);
// Text as one line without control characters, so that a name from a file can't move the cursor.
std::string Printable(absl::string_view text);
// Columns a terminal takes for UTF-8 text, one for each character.
size_t DisplayWidth(absl::string_view text);
// The text where it fits in `width` columns, else its start and a "~" in the last one.
// REQUIRES: width > 0.
std::string CutText(absl::string_view text, size_t width);
// The text's words in lines of at most `width` columns (longer words stand alone), each line but
// the first behind `indent` blanks. Ends with a newline.
std::string WrapText(absl::string_view text, size_t indent = 0, size_t width = kTerminalColumns);

// What stands in one place of a table: text, or a number that is printed to the last unit where
// the table is wide enough and with an SI prefix where not.
struct Cell {
  std::string exact;
  std::string brief;  // empty: text, which is cut where it is too long

  static Cell Text(absl::string_view text) { return {Printable(text), ""}; }
  static Cell Count(int64_t value);
  // A figure that is no integer by nature: rounded to one where it is exact.
  static Cell Figure(double value);
  static Cell None() { return Text("-"); }
};

class Table {
 public:
  // The first column is aligned left, the others right.
  explicit Table(const std::vector<std::string>& headings, size_t max_width = kTerminalColumns);

  // Columns are made at least this wide as far as they fit, so that tables below each other line
  // up. REQUIRES: one width for each heading.
  void SetLeastWidths(std::vector<size_t> widths) { least_widths_ = std::move(widths); }

  // Cells that are missing are empty. REQUIRES: no more cells than headings.
  void AddRow(std::vector<Cell> cells);

  // One line for the headings and one for each row, none wider than max_width: where the exact
  // numbers do not fit, the widest column of numbers becomes brief, then the next; in the end
  // text is cut. Lines end with a newline and hold no trailing blanks.
  std::string ToString() const;

 private:
  std::vector<std::vector<Cell>> rows_;  // the headings first
  std::vector<size_t> least_widths_;     // empty: none
  size_t columns_;
  size_t max_width_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_TABLE_H_
