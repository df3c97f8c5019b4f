#include "tools/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "engine/utf8.h"

namespace plumbline {
namespace {

constexpr size_t kGap = 2;        // blanks between columns
constexpr size_t kLeastText = 4;  // columns that a cut text keeps

std::vector<size_t> Widths(const std::vector<std::vector<Cell>>& rows, size_t columns) {
  std::vector<size_t> widths(columns, 0);
  for (const std::vector<Cell>& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::max(widths[c], DisplayWidth(row[c].exact));
    }
  }
  return widths;
}

size_t LineWidth(const std::vector<size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), size_t{0}) + kGap * (widths.size() - 1);
}

bool HasBrief(const std::vector<std::vector<Cell>>& rows, size_t column) {
  return std::any_of(rows.begin(), rows.end(), [column](const std::vector<Cell>& row) {
    return column < row.size() && !row[column].brief.empty();
  });
}

void MakeBrief(std::vector<std::vector<Cell>>& rows, size_t column) {
  for (std::vector<Cell>& row : rows) {
    if (column < row.size() && !row[column].brief.empty()) {
      row[column].exact = std::exchange(row[column].brief, "");
    }
  }
}

// Makes columns of numbers brief, the widest first, until the lines fit or none is left.
void Shorten(std::vector<std::vector<Cell>>& rows, std::vector<size_t>& widths, size_t max_width) {
  while (LineWidth(widths) > max_width) {
    size_t widest = widths.size();
    for (size_t c = 0; c < widths.size(); ++c) {
      if (HasBrief(rows, c) && (widest == widths.size() || widths[c] > widths[widest])) widest = c;
    }
    if (widest == widths.size()) return;
    MakeBrief(rows, widest);
    widths = Widths(rows, widths.size());
  }
}

// Narrows the widest columns until the lines fit; cells longer than that are cut when printed.
void Narrow(std::vector<size_t>& widths, size_t max_width) {
  while (LineWidth(widths) > max_width) {
    size_t& widest = *std::max_element(widths.begin(), widths.end());
    if (widest <= kLeastText) return;
    --widest;
  }
}

// As far as the lines allow: the widest of the widened columns gives way first.
void Widen(std::vector<size_t>& widths, const std::vector<size_t>& least, size_t max_width) {
  std::vector<size_t> wider = widths;
  for (size_t c = 0; c < least.size(); ++c) wider[c] = std::max(wider[c], least[c]);
  while (LineWidth(wider) > max_width) {
    size_t widest = widths.size();
    for (size_t c = 0; c < widths.size(); ++c) {
      const bool can_give = wider[c] > widths[c];
      if (can_give && (widest == widths.size() || wider[c] > wider[widest])) widest = c;
    }
    if (widest == widths.size()) return;
    --wider[widest];
  }
  widths = std::move(wider);
}

}  // namespace

std::string FormatCount(int64_t value) {
  const std::string digits = absl::StrCat(value);
  const size_t sign = value < 0 ? 1 : 0;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out.push_back(',');
    out.push_back(digits[i]);
  }
  return out;
}

std::string FormatThreads(int64_t threads) {
  return absl::StrCat(threads, threads == 1 ? " thread" : " threads");
}

std::string FormatSi(double value) {
  constexpr std::array<const char*, 7> kPrefixes = {"", " k", " M", " G", " T", " P", " E"};
  if (!std::isfinite(value)) return "-";
  size_t prefix = 0;
  // Not 1000: four digits would round it up to that.
  while (std::abs(value) >= 999.95 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  if (std::abs(value) >= 1e6) return absl::StrFormat("%.3e", value * 1e18);
  return absl::StrFormat("%.4g%s", value, kPrefixes[prefix]);
}

std::string FormatSeconds(double seconds) {
  if (!(seconds >= 0)) return "-";
  if (seconds < 999.5e-6) return absl::StrFormat("%.0f us", seconds * 1e6);
  if (seconds < 0.99995) return absl::StrFormat("%.4g ms", seconds * 1e3);
  if (seconds < 9999.5) return absl::StrFormat("%.4g s", seconds);
  return FormatSi(seconds) + "s";
}

std::string FormatBytes(int64_t bytes) {
  const std::string exact = FormatCount(bytes) + (bytes == 1 ? " byte" : " bytes");
  if (std::abs(static_cast<double>(bytes)) < 1000) return exact;
  return absl::StrCat(exact, " (", FormatSi(static_cast<double>(bytes)), "B)");
}

std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto bytes = static_cast<size_t>(Utf8CharBytes(text));
    const auto first = static_cast<unsigned char>(text[0]);
    // C1 control characters are two bytes, 0xC2 0x80 to 0x9F.
    const bool c1 = bytes == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    const bool control = bytes == 0 || c1 || first < 0x20 || first == 0x7F;
    absl::StrAppend(&out, control ? "?" : text.substr(0, bytes));
    text.remove_prefix(std::max<size_t>(1, bytes));
  }
  return out;
}

size_t DisplayWidth(absl::string_view text) {
  const auto starts_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string CutText(absl::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  std::string out;
  for (size_t used = 0; used + 1 < width; ++used) {
    const auto bytes = static_cast<size_t>(std::max(1, Utf8CharBytes(text)));
    absl::StrAppend(&out, text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return out + "~";
}

std::string WrapText(absl::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t used = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const size_t columns = DisplayWidth(word);
    if (used > 0 && used + 1 + columns > width) {
      absl::StrAppend(&out, "\n", std::string(indent, ' '));
      used = indent;
    } else if (used > 0) {
      out.push_back(' ');
      ++used;
    }
    absl::StrAppend(&out, word);
    used += columns;
  }
  return out + "\n";
}

Cell Cell::Count(int64_t value) {
  return {FormatCount(value), FormatSi(static_cast<double>(value))};
}

Cell Cell::Figure(double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53: integers up to here are exact
  if (!std::isfinite(value)) return None();
  if (std::abs(value) > kExact) return {FormatSi(value), FormatSi(value)};
  return Count(std::llround(value));
}

Table::Table(const std::vector<std::string>& headings, size_t max_width)
    : columns_(headings.size()), max_width_(max_width) {
  std::vector<Cell> row;
  row.reserve(headings.size());
  for (const std::string& heading : headings) row.push_back(Cell::Text(heading));
  rows_.push_back(std::move(row));
}

void Table::AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

std::string Table::ToString() const {
  std::vector<std::vector<Cell>> rows = rows_;
  std::vector<size_t> widths = Widths(rows, columns_);
  Shorten(rows, widths, max_width_);
  Narrow(widths, max_width_);
  Widen(widths, least_widths_, max_width_);
  std::string out;
  for (const std::vector<Cell>& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string text = CutText(row[c].exact, widths[c]);
      const std::string blanks(widths[c] - DisplayWidth(text), ' ');
      if (c > 0) line.append(kGap, ' ');
      line += c == 0 ? text + blanks : blanks + text;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

}  // namespace plumbline
