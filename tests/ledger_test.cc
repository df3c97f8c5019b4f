#include "scheduler/ledger.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "tests/support/scheduler_harness.h"

namespace plumbline::ledger_test {
namespace {

constexpr auto kScores = static_cast<size_t>(WorkClass::kScores);
constexpr auto kValues = static_cast<size_t>(WorkClass::kWeightedValues);
constexpr auto kProjections = static_cast<size_t>(WorkClass::kProjections);
constexpr auto kHead = static_cast<size_t>(WorkClass::kHead);

TEST(RecordStep, PutsCountersAndFormulasInTheirOwnColumns) {
  CostShape shape = FakeExecutor({}, nullptr).cost_shape();
  Sequence a(4);
  Sequence b(4);
  StepPlan plan;
  plan.spans = {{&a, 9, 1, 1}, {&b, 2, 5, 0}};
  StepWork work;
  work.Reset(2);
  work.spans[0].useful[kScores] = 11;
  work.spans[1].executed[kHead] = 22;
  work.bytes[kHead] = 33;
  RecordStep(plan, work, shape);
  ASSERT_EQ(a.result.steps.size(), 1u);
  ASSERT_EQ(b.result.steps.size(), 1u);
  const RequestStep& of_a = a.result.steps[0];
  const RequestStep& of_b = b.result.steps[0];
  EXPECT_EQ(of_a.new_tokens, 1);
  EXPECT_EQ(of_a.context_tokens, 10);
  EXPECT_EQ(of_b.new_tokens, 5);
  EXPECT_EQ(of_b.context_tokens, 7);
  EXPECT_EQ(of_a.step_tokens, 6);
  EXPECT_EQ(of_b.step_tokens, 6);
  EXPECT_EQ(of_a.measured_macs, work.spans[0]);
  EXPECT_EQ(of_b.measured_macs, work.spans[1]);
  EXPECT_EQ(of_a.formula_macs, SpanMacs(shape, {9, 1, 1}));
  EXPECT_EQ(of_b.formula_macs, SpanMacs(shape, {2, 5, 0}));
  const SpanShape spans[] = {{9, 1, 1}, {2, 5, 0}};
  for (const RequestStep* step : {&of_a, &of_b}) {
    EXPECT_EQ(step->measured_bytes, work.bytes);
    EXPECT_EQ(step->formula_bytes, StepBytes(shape, spans));
    EXPECT_EQ(step->end_seconds, -1);
  }
}

TEST(RecordCache, MeasuresBlocksAndTokensAndNotTheFormula) {
  const FakeExecutor executor({.block_tokens = 4}, nullptr);
  CostShape shape = executor.cost_shape();
  BlockPool pool(8);
  Sequence sequence(4);
  sequence.tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  sequence.computed_tokens = 9;
  ASSERT_TRUE(sequence.table.Grow(9, pool).ok());
  RecordCache(sequence, shape, executor.geometry());
  const RequestCache& cache = sequence.result.cache;
  EXPECT_EQ(cache.block_tokens, 4);
  EXPECT_EQ(cache.blocks, 3);
  EXPECT_EQ(cache.token_bytes, 64);  // 2 layers x 1 head x (4 + 4) x 4 bytes
  EXPECT_EQ(cache.used_bytes_measured, 9 * 64);
  EXPECT_EQ(cache.used_bytes_formula, 9 * 64);
  EXPECT_EQ(cache.allocated_bytes_measured, 12 * 64);
  EXPECT_EQ(cache.allocated_bytes_formula, 12 * 64);
  EXPECT_EQ(cache.waste_tokens, 3);
  // A block too many and a token too few move the measured side alone.
  ASSERT_TRUE(sequence.table.Grow(13, pool).ok());
  sequence.computed_tokens = 8;
  RecordCache(sequence, shape, executor.geometry());
  EXPECT_EQ(cache.used_bytes_measured, 8 * 64);
  EXPECT_EQ(cache.used_bytes_formula, 9 * 64);
  EXPECT_EQ(cache.allocated_bytes_measured, 16 * 64);
  EXPECT_EQ(cache.allocated_bytes_formula, 12 * 64);
  EXPECT_EQ(cache.waste_tokens, 8);
  // A wrong shape moves the formula alone.
  shape.L = 3;
  RecordCache(sequence, shape, executor.geometry());
  EXPECT_EQ(cache.used_bytes_measured, 8 * 64);
  EXPECT_EQ(cache.used_bytes_formula, 9 * 96);
  sequence.table.Clear(pool);
}

Request TenTokens(int max_new_tokens) {
  Request request;
  request.prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  request.max_new_tokens = max_new_tokens;
  return request;
}

TEST(Ledger, StepsOfARequestAddUpToItsCost) {
  SchedulerHarness harness({}, /*step_tokens=*/4);
  const auto id = harness.scheduler.Add(TenTokens(5));
  ASSERT_TRUE(id.ok());
  ASSERT_TRUE(harness.scheduler.Add(TenTokens(3)).ok());
  harness.RunUntilIdle();
  const RequestResult& result = harness.finished[*id];
  MacCounts measured;
  MacCounts formula;
  int tokens = 0;
  for (const RequestStep& step : result.steps) {
    measured += step.measured_macs;
    formula += step.formula_macs;
    tokens += step.new_tokens;
    EXPECT_EQ(step.context_tokens, tokens);
    EXPECT_EQ(step.measured_bytes[kHead], 1000 + step.step_tokens);  // what the fake says
  }
  EXPECT_EQ(tokens, 14);
  for (const size_t part : {kScores, kValues, kProjections}) {
    EXPECT_EQ(measured.useful[part], formula.useful[part]);
    EXPECT_GT(measured.useful[part], 0);
  }
  EXPECT_EQ(result.cache.used_bytes_measured, result.cache.used_bytes_formula);
  EXPECT_EQ(result.cache.allocated_bytes_measured, result.cache.allocated_bytes_formula);
  EXPECT_EQ(result.cache.used_bytes_measured, 14 * 64);
  EXPECT_EQ(result.cache.waste_tokens, 2);
}

TEST(Ledger, TimesComeFromTheClock) {
  SchedulerHarness harness({.seconds_per_token = 0.5}, /*step_tokens=*/8);
  harness.clock.Advance(3);
  Request request = TenTokens(2);
  request.arrival_seconds = 1;
  const auto id = harness.scheduler.Add(request);
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(harness.Step().size(), 1u);  // 3 to 7
  harness.clock.Advance(1);
  EXPECT_EQ(harness.Step().size(), 1u);  // 8 to 9
  harness.clock.Advance(1);
  EXPECT_EQ(harness.Step().size(), 1u);  // 10 to 10.5
  const RequestResult& result = harness.finished[*id];
  ASSERT_EQ(result.steps.size(), 3u);
  EXPECT_EQ(result.arrival_seconds, 1);
  EXPECT_EQ(result.first_scheduled_seconds, 3);
  EXPECT_EQ(result.first_token_seconds, 9);
  EXPECT_EQ(result.finish_seconds, 10.5);
  EXPECT_EQ(result.queue_seconds(), 2);
  EXPECT_EQ(result.ttft_seconds(), 8);
  EXPECT_EQ(result.steps[0].end_seconds, 7);
  EXPECT_EQ(result.steps[0].seconds, 4);
  EXPECT_EQ(result.steps[1].end_seconds, 9);
  EXPECT_EQ(result.steps[1].seconds, 1);
  EXPECT_EQ(result.steps[2].seconds, 0.5);
}

}  // namespace
}  // namespace plumbline::ledger_test
