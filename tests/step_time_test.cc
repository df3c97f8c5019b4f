// Predictions worked out on paper: where one thing alone takes time, a step takes what the counts
// of that thing say.
#include "engine/step_time.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "tests/support/made_profile.h"
#include "tests/support/step_times.h"

namespace plumbline::step_time_test {
namespace {

std::vector<SpanShape> Decode(int64_t streams, int64_t context) {
  return std::vector<SpanShape>(static_cast<size_t>(streams), SpanShape{context - 1, 1, 1});
}

// What becomes of results, and keys' and values' way to the cache, take no time.
MachineProfile ProductsAlone(MachineProfile profile) {
  RowRates& rows = profile.rows;
  for (Rate* rate : {&rows.swiglu, &rows.gelu, &rows.rotate, &rows.widen}) {
    rate->per_second = kNoLimit;
  }
  for (CacheRates& cache : profile.caches) {
    cache.hot_write_elements.per_second = cache.cold_write_elements.per_second = kNoLimit;
  }
  return profile;
}

constexpr WorkClass kMatmuls[] = {WorkClass::kProjections, WorkClass::kFeedForward,
                                  WorkClass::kHead};

TEST(PredictStepTest, NothingTakesNoTime) {
  EXPECT_EQ(PredictStep(MadeProfile(1e9, 1e9, 1e6), StepTimeShape(), {}).seconds(), 0);
}

TEST(PredictStepTest, ComputeAloneTakesWhatTheProductsTake) {
  constexpr double kRate = 1e9;
  const CostShape shape = StepTimeShape();
  // Eight tasks of equal length on two threads: nobody waits.
  const std::vector<SpanShape> spans = Decode(2, 512);
  const StepTime time =
      PredictStep(ProductsAlone(MadeProfile(kRate, kNoLimit, kNoLimit)), shape, spans);
  MacCounts macs;
  int64_t pairs = 0;
  for (const SpanShape& span : spans) {
    macs += SpanMacs(shape, span);
    pairs += SpanSoftmaxPairs(shape, span);
  }
  for (const WorkClass c : {WorkClass::kProjections, WorkClass::kFeedForward, WorkClass::kHead,
                            WorkClass::kScores, WorkClass::kWeightedValues}) {
    SCOPED_TRACE(WorkClassName(c));
    ExpectClose(Of(time, c).seconds(),
                static_cast<double>(macs.executed[static_cast<size_t>(c)]) / kRate);
    EXPECT_EQ(Of(time, c).bound(), Bound::kCompute);
  }
  ExpectClose(Of(time, WorkClass::kSoftmax).seconds(), static_cast<double>(pairs) / kRate);
}

TEST(PredictStepTest, MemoryAloneTakesWhatTheBytesTake) {
  constexpr double kRate = 1e9;
  const CostShape shape = StepTimeShape();
  const std::vector<SpanShape> spans = Decode(2, 512);
  const StepTime time = PredictStep(MadeProfile(kNoLimit, kRate, kNoLimit), shape, spans);
  const ByteCounts bytes = StepBytes(shape, spans);
  for (const WorkClass c : {WorkClass::kProjections, WorkClass::kFeedForward, WorkClass::kHead,
                            WorkClass::kScores, WorkClass::kWeightedValues}) {
    SCOPED_TRACE(WorkClassName(c));
    ExpectClose(Of(time, c).seconds(), static_cast<double>(bytes[static_cast<size_t>(c)]) / kRate);
    EXPECT_EQ(Of(time, c).bound(), Bound::kMemory);
  }
}

TEST(PredictStepTest, OverheadAloneTakesWhatTheCallsTake) {
  constexpr double kRate = 1e3;
  const CostShape shape = StepTimeShape();
  for (const int64_t tokens : {1, 31, 48, 512, 700}) {
    const SpanShape span = {0, tokens, 1};
    const StepTime time =
        PredictStep(MadeProfile(kNoLimit, kNoLimit, kRate), shape, absl::MakeConstSpan(&span, 1));
    const double calls = static_cast<double>(2 * shape.L * MatmulCalls(shape, tokens));
    ExpectClose(Of(time, WorkClass::kProjections).seconds(), calls / kRate);
    ExpectClose(Of(time, WorkClass::kFeedForward).seconds(), calls / kRate);
    ExpectClose(Of(time, WorkClass::kHead).seconds(), 1 / kRate);
    for (const WorkClass c : kMatmuls) EXPECT_EQ(Of(time, c).bound(), Bound::kOverhead);
  }
}

TEST(PredictStepTest, ASecondThreadHelpsOnlyWhereThereIsASecondTask) {
  CostShape shape = StepTimeShape();
  shape.g = 1;
  // One segment of one KV head: one task.
  const StepTime one = PredictStep(MadeProfile(1e9, kNoLimit, kNoLimit), shape, Decode(1, 256));
  const StepTime two = PredictStep(MadeProfile(1e9, kNoLimit, kNoLimit), shape, Decode(2, 256));
  ExpectClose(Of(one, WorkClass::kScores).seconds(), Of(two, WorkClass::kScores).seconds());
}

// Sixteen tasks for each thread: 16 streams are 32 by their two stretches, which are merged in a
// second region; those of one stretch by runs of their heads.
TEST(PredictStepTest, StretchesAreSplitBeforeHeads) {
  constexpr double kRate = 1e6;
  const MachineProfile profile = MadeProfile(1e9, kNoLimit, kRate);
  const CostShape shape = StepTimeShape();
  const auto regions = [&](int64_t streams, int64_t context) {
    const StepTime time = PredictStep(profile, shape, Decode(streams, context));
    double overhead = 0;
    for (const WorkClass c :
         {WorkClass::kScores, WorkClass::kSoftmax, WorkClass::kWeightedValues}) {
      overhead += Of(time, c).overhead_seconds;
    }
    return overhead * kRate / static_cast<double>(shape.L);
  };
  ExpectClose(regions(16, 1024), 1);
  ExpectClose(regions(16, 2048), 2);
  ExpectClose(regions(32, 2048), 1);
}

TEST(PredictStepTest, MoreIsNeverFaster) {
  const MachineProfile profile = MadeProfile(1e11, 3e10, 3e5);
  double last = 0;
  for (const int64_t context : {16, 256, 1024, 4096, 16384}) {
    const double seconds = PredictStep(profile, StepTimeShape(), Decode(1, context)).seconds();
    EXPECT_GT(seconds, last) << context;
    last = seconds;
  }
  last = 0;
  for (const int64_t streams : {1, 2, 4, 8, 16, 32}) {
    const double seconds = PredictStep(profile, StepTimeShape(), Decode(streams, 1024)).seconds();
    EXPECT_GT(seconds, last) << streams;
    last = seconds;
  }
  last = 0;
  for (const int64_t tokens : {1, 8, 32, 64, 256, 512, 1024}) {
    const SpanShape span = {0, tokens, 1};
    const double seconds =
        PredictStep(profile, StepTimeShape(), absl::MakeConstSpan(&span, 1)).seconds();
    EXPECT_GT(seconds, last) << tokens;
    last = seconds;
  }
}

// Streams wait for memory while a prompt's chunk computes: in one step the two come one after the
// other, however little each asks of what bounds the other.
TEST(PredictStepTest, SpansOfUnlikeBoundsTakeTheirTimesInTurn) {
  const MachineProfile profile = MadeProfile(1e10, 4e9, kNoLimit);
  const std::vector<SpanShape> streams = Decode(2, 512);
  const std::vector<SpanShape> chunk = {{0, 96, 0}};
  std::vector<SpanShape> both = streams;
  both.push_back(chunk[0]);
  const StepTime of_streams = PredictStep(profile, StepTimeShape(), streams);
  const StepTime of_chunk = PredictStep(profile, StepTimeShape(), chunk);
  const StepTime of_both = PredictStep(profile, StepTimeShape(), both);
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kWeightedValues}) {
    SCOPED_TRACE(WorkClassName(c));
    EXPECT_EQ(Of(of_streams, c).bound(), Bound::kMemory);
    EXPECT_EQ(Of(of_chunk, c).bound(), Bound::kCompute);
    ExpectClose(Of(of_both, c).seconds(), Of(of_streams, c).seconds() + Of(of_chunk, c).seconds());
    EXPECT_GT(Of(of_both, c).in_turn_seconds, 0);
  }
}

// Memory brings a tile's keys while its first six rows run; the others find them in the caches.
TEST(PredictStepTest, OnlyTheFirstRowsOfATileWaitForMemory) {
  const std::vector<SpanShape> chunk = {{4096, 16, 0}};
  for (const double memory : {1e8, 1e9, 1e12}) {
    const StepTime time = PredictStep(MadeProfile(1e10, memory, kNoLimit), StepTimeShape(), chunk);
    for (const WorkClass c : {WorkClass::kScores, WorkClass::kWeightedValues}) {
      const ClassTime& part = Of(time, c);
      const double first = part.compute_seconds * 6 / 16;
      ExpectClose(part.seconds(),
                  part.compute_seconds - first + std::max(first, part.memory_seconds));
    }
  }
}

TEST(PredictStepTest, KeysAreWrittenToGroupsOfSixteenInBlocksOfAnySize) {
  MachineProfile profile = MadeProfile(1e9, 1e9, kNoLimit);
  for (CacheRates& cache : profile.caches) cache.cold_write_elements.per_second /= 100;
  const auto written = [&profile](int64_t block_tokens, SpanShape span) {
    CostShape shape = StepTimeShape();
    shape.block_tokens = block_tokens;
    return Of(PredictStep(profile, shape, absl::MakeConstSpan(&span, 1)), WorkClass::kProjections)
        .compute_seconds;
  };
  for (const SpanShape span : {SpanShape{0, 32, 0}, SpanShape{8, 32, 0}, SpanShape{2040, 64, 0}}) {
    ExpectClose(written(2048, span), written(16, span));
  }
  // Blocks of 24 have a group of 16 and one of 8: 17 to 24 tokens take two, as 17 to 32 elsewhere.
  ExpectClose(written(24, {0, 16, 0}), written(16, {0, 16, 0}));
  ExpectClose(written(24, {0, 24, 0}), written(16, {0, 24, 0}));
  EXPECT_GT(written(24, {0, 32, 0}), written(16, {0, 32, 0}));
}

// Results are activated in the product's blocks, and heads rotated and written to the cache, where
// a block has whole ones: half of a head waits for the other.
TEST(PredictStepTest, WhatBecomesOfResultsIsPartOfTheProduct) {
  const MachineProfile profile = MadeProfile(1e9, kNoLimit, kNoLimit);
  CostShape shape = StepTimeShape();
  const SpanShape span = {0, 64, 0};
  const auto gained = [&](WorkClass c) {
    const auto seconds = [&](const MachineProfile& of) {
      return Of(PredictStep(of, shape, absl::MakeConstSpan(&span, 1)), c).compute_seconds;
    };
    return seconds(profile) - seconds(ProductsAlone(profile));
  };
  const double rows = 64.0 / profile.threads * static_cast<double>(shape.L);
  const double rate = profile.rows.swiglu.per_second;  // as all of them
  const auto heads = [&] {                             // rotated, and written
    return rows * static_cast<double>((shape.h + shape.g) * shape.e + 2 * shape.g * shape.e) / rate;
  };
  ExpectClose(gained(WorkClass::kFeedForward), rows * static_cast<double>(shape.F) / rate);
  ExpectClose(gained(WorkClass::kProjections), heads());
  const double between = gained(WorkClass::kOther);
  shape.e = 128;
  shape.h = shape.g = 2;
  EXPECT_EQ(gained(WorkClass::kProjections), 0);
  ExpectClose(gained(WorkClass::kOther) - between, heads());
}

TEST(PredictStepTest, ClassesAddUpAndLayersMultiply) {
  const MachineProfile profile = MadeProfile(1e11, 3e10, 3e5);
  CostShape twice = StepTimeShape();
  twice.L *= 2;
  const StepTime time = PredictStep(profile, StepTimeShape(), Decode(3, 700));
  const StepTime twofold = PredictStep(profile, twice, Decode(3, 700));
  ExpectClose(time.seconds(), Total(time.class_seconds()));
  for (const WorkClass c : {WorkClass::kProjections, WorkClass::kFeedForward, WorkClass::kScores,
                            WorkClass::kSoftmax, WorkClass::kWeightedValues}) {
    ExpectClose(Of(twofold, c).seconds(), 2 * Of(time, c).seconds());
  }
  ExpectClose(Of(twofold, WorkClass::kHead).seconds(), Of(time, WorkClass::kHead).seconds());
}

TEST(ClassTimeTest, TheLargestBounds) {
  EXPECT_EQ((ClassTime{3, 2, 1}).bound(), Bound::kCompute);
  EXPECT_EQ((ClassTime{2, 3, 1}).bound(), Bound::kMemory);
  EXPECT_EQ((ClassTime{2, 1, 3}).bound(), Bound::kOverhead);
  EXPECT_EQ((ClassTime{2, 3, 1}).seconds(), 4);
  EXPECT_EQ((ClassTime{2, 3, 1, 0.5}).seconds(), 4.5);
}

// `profile` with rates of a dtype beside the others: all of them `rate`.
MachineProfile WithRates(MachineProfile profile, WeightDtype dtype, double rate) {
  const Rate all = {rate, 0};
  for (const int64_t rows : {1, 512}) profile.matmuls.push_back({dtype, rows, all, all, all, all});
  return profile;
}

// A profile that was measured before there was int8, or q4, still predicts: with the rates of the
// next dtype that was measured.
TEST(PredictStepTest, TakesTheRatesOfTheNextDtypeWhereOneWasNotMeasured) {
  const MachineProfile profile = MadeProfile(1e9, 1e9, 1e6);
  const std::vector<SpanShape> spans = {{0, 64, 1}};
  CostShape shape = StepTimeShape();
  shape.weight_dtype = WeightDtype::kBf16;
  const StepTime as_bf16 = PredictStep(profile, shape, spans);
  for (const auto& [dtype, next] : {std::pair{WeightDtype::kInt8, WeightDtype::kBf16},
                                    std::pair{WeightDtype::kQ4, WeightDtype::kInt8}}) {
    shape.weight_dtype = dtype;
    // In MadeProfile all matmuls go at one rate; twice that, where int8 is the next.
    const bool bf16 = next == WeightDtype::kBf16;
    const MachineProfile known = bf16 ? profile : WithRates(profile, next, 2e9);
    const StepTime unmeasured = PredictStep(known, shape, spans);
    const StepTime same = PredictStep(WithRates(known, dtype, bf16 ? 1e9 : 2e9), shape, spans);
    const StepTime faster = PredictStep(WithRates(known, dtype, 4e9), shape, spans);
    for (const WorkClass c : kMatmuls) {
      EXPECT_EQ(Of(unmeasured, c).seconds(), Of(same, c).seconds());
      EXPECT_LT(Of(faster, c).seconds(), Of(unmeasured, c).seconds());
    }
    // Its conversions come on top.
    EXPECT_GT(Of(unmeasured, WorkClass::kOther).compute_seconds,
              Of(as_bf16, WorkClass::kOther).compute_seconds);
  }
}

TEST(StepTimeTest, SamplingTakesOneThreadThroughEveryRowOfLogits) {
  MachineProfile profile = MadeProfile(1e9, 1e10, 1e6);
  profile.rows.largest.per_second = 4e9;
  CostShape shape;
  shape.V = 32000;
  const std::vector<SpanShape> spans = {{0, 20, 0}, {7, 1, 1}, {9, 3, 3}};
  EXPECT_DOUBLE_EQ(PredictSampling(profile, shape, spans), 4 * 32000 / 4e9);
  EXPECT_EQ(PredictSampling(profile, shape, {}), 0);
}

}  // namespace
}  // namespace plumbline::step_time_test
