// Which points the scale study measures.
#include "tools/scale_sweeps.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/synthetic_spec.h"
#include "engine/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::scale_sweeps_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ModelConfig Config(const std::string& name) { return ParseSyntheticName(name).value().config; }

ScalePlan Plan(const ScaleSweepOptions& options, const std::string& model) {
  return PlanScale(options, model, Config(model)).value();
}

// All points of the plan that belong to a sweep.
std::vector<ScalePoint> PointsOf(const ScalePlan& plan, ScaleSweep sweep) {
  std::vector<ScalePoint> points;
  for (const ScaleRun& run : plan.runs) {
    for (const ScalePoint& point : run.points) {
      if (point.sweep == sweep) points.push_back(point);
    }
  }
  return points;
}

TEST(ScaleSweepsTest, LengthsDoubleUpToTheLongest) {
  EXPECT_THAT(DoublingLengths(8192), ElementsAre(128, 256, 512, 1024, 2048, 4096, 8192));
  EXPECT_THAT(DoublingLengths(512), ElementsAre(32, 64, 128, 256, 512));
  // 512 lies within a quarter of 600, and gives way; 448 of 600 would not.
  EXPECT_THAT(DoublingLengths(600), ElementsAre(37, 74, 148, 296, 600));
  EXPECT_THAT(DoublingLengths(5000), ElementsAre(128, 256, 512, 1024, 2048, 5000));
  EXPECT_THAT(DoublingLengths(1), ElementsAre(1));
  for (int64_t max = 1; max < 3000; ++max) {
    const std::vector<int64_t> lengths = DoublingLengths(max);
    EXPECT_EQ(lengths.back(), max);
    EXPECT_TRUE(std::is_sorted(lengths.begin(), lengths.end(), std::less_equal<>())) << max;
    EXPECT_GE(lengths.front(), 1);
  }
}

TEST(ScaleSweepsTest, KeysAreReplacedInPlaceOrAdded) {
  EXPECT_EQ(WithKey("synthetic:13b", "layers", 2), "synthetic:13b,layers=2");
  EXPECT_EQ(WithKey("synthetic:13b,kv_heads=8,seed=3", "kv_heads", 1),
            "synthetic:13b,kv_heads=1,seed=3");
  // kv_heads=... is not heads=...
  EXPECT_EQ(WithKey("synthetic:13b,kv_heads=8", "heads", 4), "synthetic:13b,kv_heads=8,heads=4");
}

TEST(ScaleSweepsTest, PrefillAndDecodeStayInsideContextAndLimits) {
  ScaleSweepOptions options;
  options.sweeps = {"prefill", "decode"};
  options.max_prompt = 2048;
  options.max_context = 4096;
  const ScalePlan plan = Plan(options, "synthetic:gpt2-small,context=3000");
  ASSERT_EQ(plan.runs.size(), 1U);
  std::vector<int64_t> prompts, contexts;
  for (const ScalePoint& point : PointsOf(plan, ScaleSweep::kPrefill)) {
    prompts.push_back(point.tokens);
    EXPECT_EQ(point.chunk, std::min<int64_t>(512, point.tokens));
    EXPECT_FALSE(point.filled);
  }
  for (const ScalePoint& point : PointsOf(plan, ScaleSweep::kDecode)) {
    contexts.push_back(point.tokens);
    EXPECT_EQ(point.chunk, 0);
    EXPECT_TRUE(point.filled);
  }
  EXPECT_THAT(prompts, ElementsAre(128, 256, 512, 1024, 2048));
  EXPECT_THAT(contexts, ElementsAre(128, 256, 512, 1024, 2048, 3000));
}

TEST(ScaleSweepsTest, VariantsDifferInOneThingAndShareABase) {
  const std::string model = "synthetic:gpt2-small,context=4096";
  const ScalePlan plan = Plan({}, model);
  EXPECT_THAT(plan.left_out, IsEmpty());
  EXPECT_EQ(plan.runs.front().model, model);  // the model itself comes before its variants
  const CostShape base = plan.runs.front().points.front().shape;
  std::map<ScaleSweep, std::set<int64_t>> values;
  for (const ScaleRun& run : plan.runs) {
    for (const ScalePoint& p : run.points) {
      EXPECT_EQ(p.shape.d, base.d) << p.model;
      EXPECT_EQ(p.shape.h * p.shape.e, base.d) << p.model;
      EXPECT_EQ(p.shape.block_tokens, run.block_tokens);
      EXPECT_EQ(p.model, run.model);
      if (p.sweep == ScaleSweep::kLayers) values[p.sweep].insert(p.shape.L);
      if (p.sweep == ScaleSweep::kHeads) values[p.sweep].insert(p.shape.h);
      if (p.sweep == ScaleSweep::kKvHeads) values[p.sweep].insert(p.shape.g);
      if (p.sweep == ScaleSweep::kBlock) values[p.sweep].insert(p.shape.block_tokens);
      if (p.sweep == ScaleSweep::kHeads) {
        EXPECT_EQ(p.shape.g, p.shape.h);
      }
      if (p.sweep != ScaleSweep::kLayers) {
        EXPECT_EQ(p.shape.L, base.L);
      }
      EXPECT_EQ(Config(p.model).layers, p.shape.L);
      EXPECT_EQ(Config(p.model).kv_heads, p.shape.g);
    }
  }
  EXPECT_THAT(values[ScaleSweep::kLayers], ElementsAre(1, 3, 6, 12));
  EXPECT_THAT(values[ScaleSweep::kHeads], ElementsAre(3, 6, 12, 24));
  EXPECT_THAT(values[ScaleSweep::kKvHeads], ElementsAre(1, 4, 12));
  EXPECT_THAT(values[ScaleSweep::kBlock], ElementsAre(1, 4, 16, 64, 256));
}

TEST(ScaleSweepsTest, GroupedHeadsKeepTheirGroups) {
  ScaleSweepOptions options;
  options.sweeps = {"heads"};
  const ScalePlan plan = Plan(options, "synthetic:tinyllama-1.1b,context=2048");
  const std::vector<ScalePoint> points = PointsOf(plan, ScaleSweep::kHeads);
  EXPECT_GE(points.size(), 4U);
  for (const ScalePoint& point : points) EXPECT_EQ(point.shape.h, 8 * point.shape.g);
}

TEST(ScaleSweepsTest, AFileHasNoVariants) {
  ScaleSweepOptions options;
  const ScalePlan plan = PlanScale(options, "some.gguf", Config("synthetic:llama-160m")).value();
  EXPECT_EQ(plan.left_out.size(), 1U);
  EXPECT_THAT(plan.left_out, Each(HasSubstr("a file has one shape")));
  EXPECT_THAT(PointsOf(plan, ScaleSweep::kLayers), IsEmpty());
  EXPECT_THAT(PointsOf(plan, ScaleSweep::kBlock), Not(IsEmpty()));
}

TEST(ScaleSweepsTest, UnknownSweepsAreRefused) {
  ScaleSweepOptions options;
  options.sweeps = {"prefill", "sideways"};
  const auto plan = PlanScale(options, "synthetic:llama-160m", Config("synthetic:llama-160m"));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(plan.status().message()), HasSubstr("kv_heads"));
}

// The smallest context there can be still gives a plan whose points all lie inside.
TEST(ScaleSweepsTest, TinyContexts) {
  for (int context = 1; context <= 40; ++context) {
    const std::string model = "synthetic:llama-160m,layers=1,context=" + std::to_string(context);
    for (const ScaleRun& run : Plan({}, model).runs) {
      for (const ScalePoint& point : run.points) {
        EXPECT_GE(point.tokens, 1);
        EXPECT_LE(point.tokens, context);
        EXPECT_GE(point.streams, 1);
      }
      for (const int64_t length : run.lengths) {
        EXPECT_GE(length, 1);
        EXPECT_LE(length, context);
      }
    }
  }
}

TEST(ScaleSweepsTest, StepsOfAPointCoverItOnce) {
  ScalePoint point;
  point.tokens = 1000;
  point.chunk = 300;
  const auto steps = PointSteps(point);
  ASSERT_EQ(steps.size(), 4U);
  int64_t next = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    ASSERT_EQ(steps[i].size(), 1U);
    EXPECT_EQ(steps[i][0].first, next);
    EXPECT_EQ(steps[i][0].logit_rows, i + 1 == steps.size() ? 1 : 0);
    next += steps[i][0].count;
  }
  EXPECT_EQ(next, 1000);

  point.chunk = 0;
  point.streams = 3;
  const auto decode = PointSteps(point);
  ASSERT_EQ(decode.size(), 1U);
  ASSERT_EQ(decode[0].size(), 3U);
  EXPECT_EQ(decode[0][2].first, 999);
  EXPECT_EQ(decode[0][2].count, 1);
  point.shape.block_tokens = 16;
  EXPECT_EQ(PointCacheTokens(point), 3 * 1008);
}

TEST(ScaleSweepsTest, LongerPointsCostMore) {
  ScaleSweepOptions options;
  options.sweeps = {"prefill", "decode"};
  for (const ScaleRun& run : Plan(options, "synthetic:gpt2-small").runs) {
    std::map<ScaleSweep, double> last;
    for (const ScalePoint& point : run.points) {
      EXPECT_GT(PointCost(point), last[point.sweep]);
      last[point.sweep] = PointCost(point);
    }
  }
}

}  // namespace
}  // namespace plumbline::scale_sweeps_test
