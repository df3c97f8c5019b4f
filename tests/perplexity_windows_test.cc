// How a text is cut into windows, and how models are shared out over passes: arithmetic alone.
#include "tools/perplexity_windows.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/perplexity_setup.h"

namespace plumbline::perplexity_windows_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

WindowLayout Layout(int64_t text, int64_t start, int64_t context, int64_t stride) {
  return {text, start, context, stride};
}

TEST(PerplexityWindowsTest, TheExampleOfTheHeader) {
  const WindowLayout layout = Layout(10, 1, 5, 2);
  ASSERT_TRUE(layout.Check().ok());
  ASSERT_EQ(layout.windows(), 4);
  EXPECT_EQ(layout.scored_tokens(), 8);
  for (int64_t i = 0; i < 4; ++i) {
    const PerplexityWindow window = WindowAt(layout, i);
    EXPECT_EQ(window.begin, 2 * i);
    EXPECT_EQ(window.end, 2 * i + 4);
    EXPECT_EQ(window.scored, 2);
  }
  // Start token and three of four tokens, in each.
  EXPECT_EQ(layout.fed_positions(), 4 * 4);
}

TEST(PerplexityWindowsTest, TheLastWindowMayBeShorter) {
  const WindowLayout layout = Layout(11, 0, 6, 4);
  ASSERT_EQ(layout.windows(), 3);
  const PerplexityWindow last = WindowAt(layout, 2);
  EXPECT_EQ(last.begin, 8);
  EXPECT_EQ(last.end, 11);
  EXPECT_EQ(last.scored, 1);
  EXPECT_EQ(layout.fed_positions(), 5 + 5 + 2);
}

void CheckEveryTokenIsScoredOnce(const WindowLayout& layout) {
  std::vector<int> times(static_cast<size_t>(layout.text_tokens), 0);
  int64_t fed = 0;
  for (int64_t i = 0; i < layout.windows(); ++i) {
    const PerplexityWindow window = WindowAt(layout, i);
    const int64_t positions = layout.start_tokens + window.end - window.begin;
    EXPECT_LE(positions, layout.context);
    EXPECT_GE(window.scored, 1);
    EXPECT_LE(window.scored, layout.stride);
    EXPECT_EQ(window.scored == layout.stride, positions == layout.context);
    // Of the first token scored.
    EXPECT_EQ(positions - window.scored, layout.context - layout.stride);
    EXPECT_GE(positions - window.scored, 1);
    for (int64_t t = window.end - window.scored; t < window.end; ++t) {
      ++times[static_cast<size_t>(t)];
    }
    fed += positions - 1;
  }
  EXPECT_EQ(fed, layout.fed_positions());
  for (int64_t t = 0; t < layout.text_tokens; ++t) {
    EXPECT_EQ(times[static_cast<size_t>(t)], t < layout.lead_tokens() ? 0 : 1) << t;
  }
}

TEST(PerplexityWindowsTest, EveryTokenBehindTheFirstFewIsScoredOnce) {
  for (int64_t start : {0, 1}) {
    for (int64_t context = 2; context <= 7; ++context) {
      for (int64_t stride = 1; stride < context; ++stride) {
        for (int64_t text = 0; text <= 20; ++text) {
          const WindowLayout layout = Layout(text, start, context, stride);
          if (!layout.Check().ok()) {
            EXPECT_LE(text, layout.lead_tokens());
            continue;
          }
          SCOPED_TRACE(testing::Message() << text << " tokens, start " << start << ", context "
                                          << context << ", stride " << stride);
          CheckEveryTokenIsScoredOnce(layout);
        }
      }
    }
  }
}

TEST(PerplexityWindowsTest, RefusalsNameTheNumbers) {
  EXPECT_THAT(std::string(Layout(256, 0, 512, 256).Check().message()),
              AllOf(HasSubstr("256 tokens"), HasSubstr("at least 257")));
  EXPECT_TRUE(Layout(257, 0, 512, 256).Check().ok());
  EXPECT_THAT(std::string(Layout(0, 1, 2, 1).Check().message()), HasSubstr("0 tokens"));
  EXPECT_TRUE(Layout(1, 1, 2, 1).Check().ok());
  EXPECT_THAT(std::string(Layout(100, 0, 8, 8).Check().message()), HasSubstr("from 1 to 7"));
  EXPECT_FALSE(Layout(100, 0, 8, 0).Check().ok());
  EXPECT_FALSE(Layout(100, 0, 1, 1).Check().ok());
}

TEST(PerplexityPassesTest, AsManySideBySideAsFit) {
  EXPECT_THAT(CutPasses({3, 3, 3}, 9).ends, ElementsAre(3));
  EXPECT_THAT(CutPasses({3, 3, 3}, 8).ends, ElementsAre(2, 3));
  EXPECT_THAT(CutPasses({3, 4, 3}, 4).ends, ElementsAre(1, 2, 3));
  EXPECT_THAT(CutPasses({}, 0).ends, ElementsAre(0));
  const PassCut too_large = CutPasses({3, 5, 3}, 4);
  EXPECT_THAT(too_large.ends, ElementsAre());
  EXPECT_EQ(too_large.too_large, 1U);
}

TEST(PerplexityTypesTest, ListsAndPairs) {
  EXPECT_THAT(ParseWeightDtypes("bf16,f32,bf16").value(),
              ElementsAre(WeightDtype::kBf16, WeightDtype::kF32));
  EXPECT_THAT(ParseKvDtypes("f16").value(), ElementsAre(KvDtype::kF16));
  for (const char* bad : {"", "f32,", "q3", "f32 bf16"}) {
    EXPECT_THAT(std::string(ParseWeightDtypes(bad).status().message()), HasSubstr("f32,bf16"))
        << bad;
    EXPECT_FALSE(ParseKvDtypes(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseNumericTypes("bf16").value(), (NumericTypes{WeightDtype::kBf16, KvDtype::kF32}));
  EXPECT_EQ(ParseNumericTypes("f32/f16").value(), (NumericTypes{WeightDtype::kF32, KvDtype::kF16}));
  for (const char* bad : {"", "f32/", "f32/f16/f16", "/f16", "f16"}) {
    EXPECT_FALSE(ParseNumericTypes(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace plumbline::perplexity_windows_test
