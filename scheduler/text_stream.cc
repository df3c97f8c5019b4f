#include "scheduler/text_stream.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What a first byte allows: bytes that follow, and the range of the first of them (Unicode 15,
// table 3-7). No followers and an empty range: no character begins so.
struct Lead {
  size_t followers;
  uint8_t low;
  uint8_t high;
};

Lead LeadOf(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 1, 0};
}

// Moves whole characters from the front of `*bytes` to `*text`; the longest start of a character
// that turns out to be none becomes one U+FFFD (the WHATWG decoder's practice). An unfinished
// character at the end stays in `*bytes`, or is replaced too where `last` says nothing follows.
void DecodeUtf8(std::string* bytes, bool last, std::string* text) {
  size_t i = 0;
  while (i < bytes->size()) {
    const auto first = static_cast<uint8_t>((*bytes)[i]);
    if (first < 0x80) {
      text->push_back((*bytes)[i++]);
      continue;
    }
    const Lead lead = LeadOf(first);
    size_t length = 1;
    while (length <= lead.followers && i + length < bytes->size()) {
      const auto next = static_cast<uint8_t>((*bytes)[i + length]);
      const bool fits =
          length == 1 ? next >= lead.low && next <= lead.high : next >= 0x80 && next <= 0xBF;
      if (!fits) break;
      ++length;
    }
    const bool whole = lead.followers > 0 && length == lead.followers + 1;
    const bool cut = lead.followers > 0 && !whole && i + length == bytes->size();
    if (cut && !last) break;
    absl::StrAppend(text, whole ? absl::string_view(*bytes).substr(i, length) : kReplacement);
    i += length;
  }
  bytes->erase(0, i);
}

}  // namespace

TextStream::StopMatcher::StopMatcher(std::string stop)
    : pattern(std::move(stop)), border(pattern.size(), 0) {
  for (size_t i = 1; i < pattern.size(); ++i) {
    size_t length = border[i - 1];
    while (length > 0 && pattern[i] != pattern[length]) length = border[length - 1];
    border[i] = pattern[i] == pattern[length] ? length + 1 : length;
  }
}

// Knuth, Morris and Pratt 1977: linear time, whatever the string; `matched` afterwards is the
// longest start of the pattern that the text ends with.
bool TextStream::StopMatcher::Feed(char byte) {
  while (matched > 0 && pattern[matched] != byte) matched = border[matched - 1];
  if (pattern[matched] == byte) ++matched;
  return matched == pattern.size();
}

TextStream::TextStream(const Tokenizer& tokenizer, std::vector<std::string> stop)
    : tokenizer_(tokenizer), drop_space_(tokenizer.drops_leading_space()) {
  for (std::string& bytes : stop) {
    // Text holds U+FFFD where bytes were no character, so stop strings do.
    std::string pattern;
    DecodeUtf8(&bytes, /*last=*/true, &pattern);
    if (!pattern.empty()) stop_.emplace_back(std::move(pattern));
  }
}

std::string TextStream::Push(int32_t token) {
  if (stopped_ || tokenizer_.is_control(token) || tokenizer_.is_end(token)) return "";
  const std::string bytes = tokenizer_.TokenBytes(token);
  const size_t skip = drop_space_ && !bytes.empty() && bytes[0] == ' ' ? 1 : 0;
  drop_space_ = false;
  bytes_.append(bytes, skip);
  return Advance(/*last=*/false);
}

std::string TextStream::Finish() { return stopped_ ? "" : Advance(/*last=*/true); }

std::string TextStream::Advance(bool last) {
  std::string fresh;
  DecodeUtf8(&bytes_, last, &fresh);
  size_t keep = 0;
  for (const char byte : fresh) {
    held_.push_back(byte);
    size_t longest = 0;  // of the stop strings that end here
    keep = 0;
    for (StopMatcher& matcher : stop_) {
      if (matcher.Feed(byte)) longest = std::max(longest, matcher.matched);
      keep = std::max(keep, matcher.matched);
    }
    if (longest == 0) continue;
    stopped_ = true;
    held_.resize(held_.size() - longest);
    return Release(held_.size());
  }
  if (last) return Release(held_.size());
  // Without fresh text the held part stays what it was: all of it may begin a stop string.
  return Release(fresh.empty() ? 0 : held_.size() - keep);
}

std::string TextStream::Release(size_t count) {
  std::string shown = held_.substr(0, count);
  held_.erase(0, count);
  text_ += shown;
  return shown;
}

}  // namespace plumbline
