// The counter-examples of the scale study on small shapes: what they append, and that counters
// equal formulas. Times are not judged.
#include "tools/scale_counter.h"

#include <string>
#include <vector>

#include "engine/counter_cost.h"
#include "engine/machine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::scale_counter_test {
namespace {

constexpr const char* kModel =
    "synthetic:llama-160m,width=64,heads=4,kv_heads=2,layers=2,ffn=96,vocab=300";
constexpr const char* kGpt2 = "synthetic:gpt2-small,width=64,heads=4,layers=2,ffn=96,vocab=300";

CounterOptions Options(const std::string& model) {
  CounterOptions options;
  options.model = model;
  options.threads = 2;
  options.repetitions = 2;
  return options;
}

// Points come in turn, every repetition of all before the next; counters equal their formulas.
void ExpectWhole(const ScaleData& data, const std::vector<ScaleSweep>& sweeps, int repetitions) {
  ASSERT_EQ(data.samples.size(), data.points.size() * static_cast<size_t>(repetitions));
  ASSERT_EQ(data.points.size() % sweeps.size(), 0U);
  for (size_t i = 0; i < data.points.size(); ++i) {
    EXPECT_EQ(data.points[i].sweep, sweeps[i % sweeps.size()]);
    EXPECT_GT(data.points[i].tokens, 0);
    EXPECT_FALSE(data.points[i].model.empty());
  }
  const size_t ways = sweeps.size();
  double last = 0;
  for (size_t i = 0; i < data.samples.size(); ++i) {
    const ScaleSample& sample = data.samples[i];
    const size_t group = i / (ways * static_cast<size_t>(repetitions));
    EXPECT_EQ(sample.point, static_cast<int64_t>(group * ways + i % ways));
    EXPECT_EQ(sample.repetition, static_cast<int>(i / ways) % repetitions);
    EXPECT_GT(sample.seconds, 0);
    EXPECT_GE(sample.start_seconds, last);
    last = sample.start_seconds;
    EXPECT_EQ(sample.macs, sample.formula_macs) << i;
    EXPECT_EQ(sample.bytes, sample.formula_bytes) << i;
    EXPECT_GT(Total(sample.bytes), 0) << i;
  }
}

TEST(ScaleCounterTest, AttentionThreeWays) {
  for (const KvDtype dtype : {KvDtype::kF32, KvDtype::kBf16}) {
    CounterOptions options = Options(kModel);
    options.kv_dtype = dtype;
    ScaleData data;
    std::vector<CounterLeftOut> left_out;
    // The last one would need 16 TB and more.
    const absl::Status status = MeasureAttention(options, {1, 17, 300, 1000000}, &data, &left_out);
    ASSERT_TRUE(status.ok()) << status;
    ExpectWhole(data, {ScaleSweep::kStoredFull, ScaleSweep::kStoredCausal, ScaleSweep::kTiled}, 2);
    ASSERT_EQ(data.points.size(), 9U);
    for (size_t i = 0; i < data.points.size(); i += 3) {
      const int64_t n = data.points[i].tokens;
      const CostShape& shape = data.points[i].shape;
      EXPECT_EQ(shape.L, 1);
      EXPECT_EQ(data.points[i].peak_score_bytes, StoredScoreBytes(shape, n));
      EXPECT_EQ(data.points[i + 1].peak_score_bytes, StoredScoreBytes(shape, n));
      // The short ones are split over threads.
      if (n == 300) {
        EXPECT_EQ(data.points[i + 2].peak_score_bytes, TiledScratchBytes(shape, 2));
      }
    }
    ASSERT_EQ(left_out.size(), 1U);
    EXPECT_EQ(left_out[0].tokens, 1000000);
    EXPECT_THAT(left_out[0].reason, testing::HasSubstr("need 16000000000000 bytes"));
  }
}

TEST(ScaleCounterTest, SoftmaxFusedAndNot) {
  ScaleData data;
  std::vector<CounterLeftOut> left_out;
  const absl::Status status = MeasureSoftmaxFusion(Options(kModel), {17, 130}, &data, &left_out);
  ASSERT_TRUE(status.ok()) << status;
  ExpectWhole(data, {ScaleSweep::kFusedSoftmax, ScaleSweep::kUnfusedSoftmax}, 2);
  EXPECT_TRUE(left_out.empty());
}

TEST(ScaleCounterTest, ActivationFusedAndNot) {
  for (const char* model : {kModel, kGpt2}) {
    for (const WeightDtype weights : {WeightDtype::kF32, WeightDtype::kBf16}) {
      CounterOptions options = Options(model);
      options.weights = weights;
      ScaleData data;
      const absl::Status status = MeasureActivationFusion(options, {1, 50}, &data);
      ASSERT_TRUE(status.ok()) << status;  // it compares the bits itself
      ExpectWhole(data, {ScaleSweep::kFusedFfn, ScaleSweep::kUnfusedFfn}, 2);
    }
  }
}

TEST(ScaleCounterTest, PagedAndContiguous) {
  ScaleData data;
  const absl::Status status = MeasurePaging(Options(kModel), {100, 1, 17, 300}, &data);
  ASSERT_TRUE(status.ok()) << status;
  ExpectWhole(data, {ScaleSweep::kPaged, ScaleSweep::kContiguous}, 2);
  const ScalePoint& paged = data.points[0];
  const ScalePoint& contiguous = data.points[1];
  EXPECT_EQ(paged.tokens, 300);
  EXPECT_EQ(paged.streams, 4);
  const int64_t token = KvTokenBytes(paged.shape);
  EXPECT_EQ(paged.cache_used_bytes, (100 + 1 + 17 + 300) * token);
  EXPECT_EQ(contiguous.cache_used_bytes, paged.cache_used_bytes);
  EXPECT_EQ(paged.cache_bytes, (7 + 1 + 2 + 19) * 16 * token);  // D_KV_PAGED_BYTES
  EXPECT_EQ(contiguous.cache_bytes, 4 * 304 * token);
}

TEST(ScaleCounterTest, ChunkedAndWhole) {
  for (const char* model : {kModel, kGpt2}) {
    ScaleData data;
    const absl::Status status = MeasureChunking(Options(model), 300, 64, &data);
    ASSERT_TRUE(status.ok()) << status;  // it compares the bits itself
    ExpectWhole(data, {ScaleSweep::kChunk, ScaleSweep::kChunk}, 2);
    EXPECT_EQ(data.points[0].chunk, 64);
    EXPECT_EQ(data.points[1].chunk, 300);
    EXPECT_LT(data.points[0].scratch_bytes, data.points[1].scratch_bytes);
    const CostShape& shape = data.points[0].shape;
    for (const ScalePoint& point : data.points) {
      EXPECT_EQ(point.cache_used_bytes, KvUsedBytes(shape, 300));
      EXPECT_EQ(point.cache_bytes, KvAllocatedBytes(shape, 300));
    }
    for (const ScaleSample& sample : data.samples) {
      EXPECT_EQ(sample.macs.TotalUseful(), PrefillMacs(shape, 300));
    }
  }
}

TEST(ScaleCounterTest, WithAndWithoutACache) {
  ScaleData data;
  const absl::Status status = MeasureNoCache(Options(kModel), {1, 16, 17, 200}, &data);
  ASSERT_TRUE(status.ok()) << status;  // it compares the bits itself
  ExpectWhole(data, {ScaleSweep::kNoCache, ScaleSweep::kNoCache}, 2);
  for (const ScaleSample& sample : data.samples) {
    const ScalePoint& point = data.points[static_cast<size_t>(sample.point)];
    const int64_t t = point.tokens;
    EXPECT_EQ(sample.macs.TotalUseful(),
              point.chunk == 0 ? DecodeMacs(point.shape, t) : PrefillMacs(point.shape, t));
  }
}

TEST(ScaleCounterTest, StopsWhenToldAndKeepsWhatThereIs) {
  CounterOptions options = Options(kModel);
  int left = 7;  // a warm-up of two, then five of the four passes that follow
  options.repetitions = 5;
  options.keep_going = [&left] { return left-- > 0; };
  ScaleData data;
  const absl::Status status = MeasurePaging(options, {20, 30}, &data);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(data.points.size(), 2U);
  EXPECT_EQ(data.samples.size(), 5U);
}

TEST(ScaleCounterTest, RefusesLengthsThatCannotBe) {
  const CounterOptions options = Options(kModel);
  ScaleData data;
  std::vector<CounterLeftOut> left_out;
  for (const int64_t n : {int64_t{0}, int64_t{-1}, int64_t{1} << 40}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MeasureAttention(options, {n}, &data, &left_out))) << n;
    EXPECT_TRUE(absl::IsInvalidArgument(MeasureSoftmaxFusion(options, {n}, &data, &left_out)));
    EXPECT_TRUE(absl::IsInvalidArgument(MeasureActivationFusion(options, {n}, &data)));
    EXPECT_TRUE(absl::IsInvalidArgument(MeasurePaging(options, {n}, &data)));
    EXPECT_TRUE(absl::IsInvalidArgument(MeasureChunking(options, n, 4, &data)));
    EXPECT_TRUE(absl::IsInvalidArgument(MeasureChunking(options, 4, n, &data)));
    EXPECT_TRUE(absl::IsInvalidArgument(MeasureNoCache(options, {n}, &data)));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(MeasurePaging(options, {}, &data)));
  EXPECT_TRUE(data.points.empty());
  EXPECT_TRUE(left_out.empty());
  EXPECT_TRUE(absl::IsNotFound(MeasureNoCache(Options("no-such-file.gguf"), {4}, &data)));
}

}  // namespace
}  // namespace plumbline::scale_counter_test
