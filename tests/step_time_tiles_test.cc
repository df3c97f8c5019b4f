// Predicted times of attention that runs in the CPU's tiles, worked out on paper.
#include <gtest/gtest.h>

#include <cstddef>

#include "engine/step_time.h"
#include "tests/support/made_profile.h"
#include "tests/support/step_times.h"

namespace plumbline::step_time_tiles_test {
namespace {

MachineProfile TiledProfile(double compute, double memory) {
  MachineProfile profile = MadeProfile(compute, memory, kNoLimit);
  profile.bf16_unit = Bf16Unit::kTiles;
  return profile;
}

CostShape TiledShape() {
  CostShape s = StepTimeShape();
  s.cache_dtype = KvDtype::kBf16;
  s.attention = AttentionForm::kTiles;
  return s;
}

// In tiles a call has up to 32 rows, and weighted values run in whole groups of 16 keys, too.
TEST(PredictTilesTest, TilesTakeWhatTheyExecute) {
  constexpr double kRate = 1e9;
  const SpanShape span = {4090, 64, 0};
  const StepTime time =
      PredictStep(TiledProfile(kRate, 1e3), TiledShape(), absl::MakeConstSpan(&span, 1));
  const MacCounts macs = SpanMacs(TiledShape(), span);
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kWeightedValues}) {
    const auto i = static_cast<size_t>(c);
    EXPECT_GT(macs.executed[i], macs.useful[i]);
    const ClassTime& part = Of(time, c);
    ExpectClose(part.compute_seconds, static_cast<double>(macs.executed[i]) / kRate);
    ExpectClose(part.seconds(), part.compute_seconds / 2 + part.memory_seconds);  // 32 of 64 rows
  }
}

TEST(PredictTilesTest, TilesOfRowsBetweenMeasuredOnesTakeTheMeanOnLogarithmicScales) {
  MachineProfile profile = TiledProfile(1e9, kNoLimit);
  for (AttentionRates& rates : profile.attention) {
    if (rates.rows == 6) rates.score_macs.per_second *= 6;
  }
  const auto rate = [&profile](int64_t rows) {
    const SpanShape span = {4096, rows, 0};
    const StepTime time = PredictStep(profile, TiledShape(), absl::MakeConstSpan(&span, 1));
    const auto i = static_cast<size_t>(WorkClass::kScores);
    return static_cast<double>(SpanMacs(TiledShape(), span).executed[i]) /
           Of(time, WorkClass::kScores).compute_seconds;
  };
  ExpectClose(rate(1), 1e9);
  ExpectClose(rate(2), 2e9);  // straight on both logarithms: as rows from 1 to 6
  ExpectClose(rate(6), 6e9);
  ExpectClose(rate(40), 6e9);
}

// 33 to 64 rows of a product are two strips of 32; f32 has no tiles.
TEST(PredictTilesTest, ProductsTakeWhatTheirStripsTake) {
  constexpr double kRate = 1e9;
  const auto seconds = [](WeightDtype weights, int64_t rows) {
    CostShape shape = TiledShape();
    shape.weight_dtype = weights;
    const SpanShape span = {0, rows, 0};
    MachineProfile profile = TiledProfile(kRate, kNoLimit);
    profile.rows.swiglu.per_second = profile.rows.widen.per_second = kNoLimit;  // products alone
    const StepTime time = PredictStep(profile, shape, absl::MakeConstSpan(&span, 1));
    return Of(time, WorkClass::kFeedForward).compute_seconds;
  };
  for (const WeightDtype weights : {WeightDtype::kBf16, WeightDtype::kInt8, WeightDtype::kQ4}) {
    ExpectClose(seconds(weights, 33), seconds(weights, 64));
    ExpectClose(seconds(weights, 65), seconds(weights, 64) * 3 / 2);
    ExpectClose(seconds(weights, 31), seconds(weights, 64) * 31 / 64);
  }
  ExpectClose(seconds(WeightDtype::kF32, 48), seconds(WeightDtype::kF32, 64) * 48 / 64);
}

// A profile from another machine predicts with that machine's form, whatever the shape has from
// this one; only caches and heads that tiles serve run in them.
TEST(PredictTilesTest, TheProfilesMachineTellsTheForm) {
  const SpanShape span = {4090, 64, 0};
  const auto scores = [&span](const MachineProfile& profile, const CostShape& shape) {
    return Of(PredictStep(profile, shape, absl::MakeConstSpan(&span, 1)), WorkClass::kScores)
        .compute_seconds;
  };
  const auto executed = [&span](const CostShape& shape) {
    return static_cast<double>(
        SpanMacs(shape, span).executed[static_cast<size_t>(WorkClass::kScores)]);
  };
  const MachineProfile tiled = TiledProfile(1e9, kNoLimit);
  const MachineProfile vectors = MadeProfile(1e9, kNoLimit, kNoLimit);
  CostShape in_vectors = TiledShape();
  in_vectors.attention = AttentionForm::kVectors;
  ASSERT_NE(executed(TiledShape()), executed(in_vectors));
  for (const CostShape& here : {TiledShape(), in_vectors}) {
    ExpectClose(scores(tiled, here), executed(TiledShape()) / 1e9);
    ExpectClose(scores(vectors, here), executed(in_vectors) / 1e9);
  }
  CostShape wide = in_vectors;
  wide.cache_dtype = KvDtype::kF32;
  ExpectClose(scores(tiled, wide), scores(vectors, wide));
  CostShape odd = in_vectors;
  odd.e = 48;
  ExpectClose(scores(tiled, odd), scores(vectors, odd));
}

}  // namespace
}  // namespace plumbline::step_time_tiles_test
