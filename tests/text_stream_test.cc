#include "scheduler/text_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/support/fake_tokenizer.h"

namespace plumbline::text_stream_test {
namespace {

const std::string kBad = "\xEF\xBF\xBD";  // U+FFFD

// What each token shows, then what Finish shows.
std::vector<std::string> Shown(const std::vector<std::string>& tokens,
                               const std::vector<std::string>& stop) {
  const FakeTokenizer tokenizer(tokens, /*drops_leading_space=*/false);
  TextStream stream(tokenizer, stop);
  std::vector<std::string> shown;
  std::string all;
  for (size_t i = 0; i < tokens.size(); ++i) shown.push_back(stream.Push(static_cast<int32_t>(i)));
  shown.push_back(stream.Finish());
  for (const std::string& part : shown) all += part;
  EXPECT_EQ(stream.text(), all);
  return shown;
}

using Strings = std::vector<std::string>;

TEST(TextStream, CharactersComeOutWhole) {
  EXPECT_EQ(Shown({"a\xE2", "\x82", "\xAC", "b"}, {}), (Strings{"a", "", "\xE2\x82\xAC", "b", ""}));
  EXPECT_EQ(Shown({"\xF0\x9F", "\x98\x80!"}, {}), (Strings{"", "\xF0\x9F\x98\x80!", ""}));
}

TEST(TextStream, InvalidBytesBecomeReplacementCharacters) {
  EXPECT_EQ(Shown({"\xFF", "a\x80z"}, {}), (Strings{kBad, "a" + kBad + "z", ""}));
  EXPECT_EQ(Shown({"\xE2\x82", "x"}, {}),
            (Strings{"", kBad + "x", ""}));  // one for the whole start
  EXPECT_EQ(Shown({"\xE2\x82"}, {}), (Strings{"", kBad}));
  EXPECT_EQ(Shown({"\xC0\xAF"}, {}), (Strings{kBad + kBad, ""}));             // overlong
  EXPECT_EQ(Shown({"\xED\xA0\x80"}, {}), (Strings{kBad + kBad + kBad, ""}));  // surrogate
  EXPECT_EQ(Shown({"\xF4\x90\x80\x80"}, {}), (Strings{kBad + kBad + kBad + kBad, ""}));
  EXPECT_EQ(Shown({"\xF0\x9F\x98", "\xE2\x82\xAC"}, {}), (Strings{"", kBad + "\xE2\x82\xAC", ""}));
}

TEST(TextStream, ControlAndEndTokensAddNothing) {
  const FakeTokenizer tokenizer({"a"}, false);
  TextStream stream(tokenizer, {});
  EXPECT_EQ(stream.Push(tokenizer.control()), "");
  EXPECT_EQ(stream.Push(0), "a");
  EXPECT_EQ(stream.Push(tokenizer.end()), "");
  EXPECT_EQ(stream.text(), "a");
}

TEST(TextStream, LeadingSpaceOfTheFirstTokenIsDroppedWhereTheVocabularyAddsOne) {
  const FakeTokenizer drops({" a", " "}, true);
  TextStream stream(drops, {});
  EXPECT_EQ(stream.Push(drops.control()), "");
  EXPECT_EQ(stream.Push(0), "a");
  EXPECT_EQ(stream.Push(0), " a");
  TextStream space(drops, {});
  EXPECT_EQ(space.Push(1), "");
  EXPECT_EQ(space.Push(0), " a");  // one space only
  const FakeTokenizer keeps({" a"}, false);
  TextStream kept(keeps, {});
  EXPECT_EQ(kept.Push(0), " a");
}

TEST(TextStream, StopStringIsHeldBackAndCut) {
  EXPECT_EQ(Shown({"one S", "TO", "P two"}, {"STOP"}), (Strings{"one ", "", "", ""}));
  EXPECT_EQ(Shown({"one S", "TO", "X"}, {"STOP"}), (Strings{"one ", "", "STOX", ""}));
  EXPECT_EQ(Shown({"one ST"}, {"STOP"}), (Strings{"one ", "ST"}));
  EXPECT_EQ(Shown({"aSTOPb"}, {"STOP"}), (Strings{"a", ""}));
}

TEST(TextStream, NothingFollowsAStop) {
  const FakeTokenizer tokenizer({"a.b", "c"}, false);
  TextStream stream(tokenizer, {"."});
  EXPECT_EQ(stream.Push(0), "a");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.Push(1), "");
  EXPECT_EQ(stream.Finish(), "");
  EXPECT_EQ(stream.text(), "a");
}

TEST(TextStream, TheStopStringThatIsCompleteFirstWins) {
  EXPECT_EQ(Shown({"xxabcd"}, {"cd", "b"}), (Strings{"xxa", ""}));
  EXPECT_EQ(Shown({"xxabcd"}, {"abcd", "b"}), (Strings{"xxa", ""}));  // b is complete first
  EXPECT_EQ(Shown({"xxabcd"}, {"c", "abc"}), (Strings{"xx", ""}));    // together: the longest
  EXPECT_EQ(Shown({"xx", "ab", "x"}, {"abc", "by"}), (Strings{"xx", "", "abx", ""}));
  EXPECT_EQ(Shown({"aab"}, {"ab"}), (Strings{"a", ""}));
  EXPECT_EQ(Shown({"aa", "ba"}, {"aaba", "nothing"}), (Strings{"", "", ""}));
  EXPECT_EQ(Shown({"ababab", "ac"}, {"ababac"}), (Strings{"ab", "", ""}));  // falls back by borders
}

TEST(TextStream, EmptyStopStringsAreIgnored) {
  EXPECT_EQ(Shown({"a", "b"}, {"", ""}), (Strings{"a", "b", ""}));
}

TEST(TextStream, StopStringsMeetWholeCharacters) {
  EXPECT_EQ(Shown({"a\xE2\x82",
                   "\xAC"
                   "b"},
                  {"\xE2\x82\xAC"}),
            (Strings{"a", "", ""}));
  // Bytes within a character are no stop.
  EXPECT_EQ(Shown({"\xE2\x82\xAC"}, {"\x82\xAC"}), (Strings{"\xE2\x82\xAC", ""}));
  // A character that never comes to its end can complete a stop string in Finish.
  EXPECT_EQ(Shown({"a!", "\xE2"}, {"!" + kBad}), (Strings{"a", "", ""}));
}

TEST(TextStream, AnUnfinishedCharacterDoesNotFreeAHeldStart) {
  EXPECT_EQ(Shown({"aS", "\xE2", "\x82\xAC"}, {"STOP"}), (Strings{"a", "", "S\xE2\x82\xAC", ""}));
  EXPECT_EQ(Shown({"aS", "", "TOP"}, {"STOP"}), (Strings{"a", "", "", ""}));
}

// Whether some continuation makes `bytes` a character: by the range of the code points that it can
// still become.
bool StartsACharacter(const std::string& bytes, bool* whole) {
  const auto first = static_cast<uint8_t>(bytes[0]);
  const size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if ((first >= 0x80 && first < 0xC0) || first >= 0xF8 || bytes.size() > length) return false;
  uint32_t low = length == 1 ? first : first & (0xFFu >> (length + 1));
  uint32_t high = low;
  for (size_t i = 1; i < length; ++i) {
    const bool known = i < bytes.size();
    const auto byte = known ? static_cast<uint8_t>(bytes[i]) : uint8_t{0x80};
    if ((byte & 0xC0) != 0x80) return false;
    low = low << 6 | (byte & 0x3Fu);
    high = high << 6 | (known ? byte & 0x3Fu : 0x3Fu);
  }
  const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  *whole = bytes.size() == length;
  const bool surrogates = low >= 0xD800 && high <= 0xDFFF;
  return high >= least[length] && low <= 0x10FFFF && !surrogates;
}

// The whole text at once, written apart from the stream: the longest start of a character that is
// none becomes one U+FFFD.
std::string Sanitise(const std::string& bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    size_t length = 1;
    bool whole = false;
    bool starts = StartsACharacter(bytes.substr(at, 1), &whole);
    while (starts && !whole && at + length < bytes.size() &&
           StartsACharacter(bytes.substr(at, length + 1), &whole)) {
      ++length;
    }
    text += starts && whole ? bytes.substr(at, length) : kBad;
    at += length;
  }
  return text;
}

// The stop string that ends first (of those, the longest), by trying every end.
std::string CutAtStop(const std::string& text, const Strings& stop, bool* stopped) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& s : stop) {
      if (!s.empty() && s.size() <= end && text.compare(end - s.size(), s.size(), s) == 0) {
        longest = std::max(longest, s.size());
      }
    }
    *stopped = longest > 0;
    if (*stopped) return text.substr(0, end - longest);
  }
  return text;
}

// Random pieces of characters, some broken, and the letters of the stop strings.
TEST(TextStream, PushesAddUpToTheWholeText) {
  const uint32_t seed = 20240608;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string bytes = " abAB\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xA0\xC3\xA9\xF4\x90\xFF";
  const Strings stops = {"", "ab", "aab", "bA", "\xE2\x82\xAC", "BB" + kBad, "abAB"};
  int stopped_runs = 0;
  for (int run = 0; run < 4000; ++run) {
    Strings words(1 + random() % 12);
    std::vector<int32_t> ids;
    for (std::string& word : words) {
      ids.push_back(static_cast<int32_t>(ids.size()));
      for (size_t n = random() % 4; n > 0; --n) {
        word += bytes[random() % (random() % 2 == 0 ? 5 : bytes.size())];  // letters, or anything
      }
    }
    const FakeTokenizer tokenizer(words, random() % 2 == 0);
    if (random() % 4 == 0) ids.insert(ids.begin(), tokenizer.control());
    Strings stop;
    for (size_t n = random() % 3; n > 0; --n) stop.push_back(stops[random() % stops.size()]);
    TextStream stream(tokenizer, stop);
    std::string shown;
    for (const int32_t id : ids) {
      const std::string part = stream.Push(id);
      ASSERT_EQ(part, Sanitise(part)) << "a part of a character was shown in run " << run;
      shown += part;
    }
    shown += stream.Finish();
    bool stopped = false;
    ASSERT_EQ(shown, CutAtStop(Sanitise(tokenizer.Decode(ids)), stop, &stopped)) << "run " << run;
    ASSERT_EQ(stream.stopped(), stopped);
    ASSERT_EQ(stream.text(), shown);
    stopped_runs += stopped ? 1 : 0;
  }
  EXPECT_GT(stopped_runs, 100);
}

}  // namespace
}  // namespace plumbline::text_stream_test
