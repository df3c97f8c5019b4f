// `plumbline bench`: its lists and names, its statistics on samples made by hand, what is left out,
// and its outputs, of a run on a tiny model.
#include "tools/bench.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/tensor_sources.h"
#include "tools/table.h"

namespace plumbline::bench_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Names(const std::vector<BenchTest>& tests) {
  std::vector<std::string> names;
  names.reserve(tests.size());
  for (const BenchTest& test : tests) names.push_back(BenchTestName(test));
  return names;
}

TEST(BenchTestsTest, AreNamedAsInLlamaBench) {
  const auto tests = MakeBenchTests({{512, 0}, {32}, {{64, 8, 0, 1}}, {0, 4096}, {1, 8}});
  ASSERT_TRUE(tests.ok());
  EXPECT_THAT(Names(*tests), ElementsAre("pp512", "tg32", "tg32 x8", "pp64+tg8", "pp512 @ d4096",
                                         "tg32 @ d4096", "tg32 x8 @ d4096", "pp64+tg8 @ d4096"));
}

TEST(BenchTestsTest, NoneIsThereTwiceAndSomeMustBe) {
  EXPECT_THAT(Names(*MakeBenchTests({{8, 8}, {0}, {}, {0, 0}, {1}})), ElementsAre("pp8"));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeBenchTests({{0}, {0}, {}, {0}, {1}}).status()));
  std::vector<int64_t> many(101);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int64_t>(i) + 1;
  EXPECT_TRUE(absl::IsInvalidArgument(MakeBenchTests({{}, many, {}, {0}, many}).status()));
}

TEST(BenchTestsTest, ListsAreNumbersWithCommas) {
  EXPECT_THAT(*ParseBenchNumbers("512,0,7", 0, 512), ElementsAre(512, 0, 7));
  for (const char* bad : {"", "1,", ",1", "1;2", "x", "-1", "513", "1.5", "99999999999999999999"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseBenchNumbers(bad, 0, 512).status())) << bad;
  }
  EXPECT_EQ(*ParsePromptGenerate("512,32"), (BenchTest{512, 32, 0, 1}));
  for (const char* bad : {"512", "512,0", "0,3", "1,2,3", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParsePromptGenerate(bad).status())) << bad;
  }
}

// first, count and logit rows of each span, step by step.
std::vector<std::vector<int64_t>> Spans(const BenchTest& test, int64_t chunk_tokens) {
  std::vector<std::vector<int64_t>> steps;
  for (const auto& spans : BenchSteps(test, chunk_tokens)) {
    steps.emplace_back();
    for (const SpanShape& span : spans) {
      steps.back().insert(steps.back().end(), {span.first, span.count, span.logit_rows});
    }
  }
  return steps;
}

TEST(BenchTestsTest, StepsAreThoseOfAScheduler) {
  EXPECT_THAT(Spans({10, 2, 100, 1}, 4),
              ElementsAre(ElementsAre(100, 4, 0), ElementsAre(104, 4, 0), ElementsAre(108, 2, 1),
                          ElementsAre(110, 1, 1), ElementsAre(111, 1, 1)));
  EXPECT_THAT(Spans({0, 1, 7, 2}, 4), ElementsAre(ElementsAre(7, 1, 1, 7, 1, 1)));
  EXPECT_EQ((BenchTest{10, 2, 100, 1}).tokens(), 12);
  EXPECT_EQ((BenchTest{0, 3, 0, 8}).tokens(), 24);
}

TEST(BenchSetupsTest, EveryCombinationIsThereOnce) {
  BenchOptions options;
  options.models = {"a", "b"};
  options.weights = {"f32", "f32"};
  options.kv_dtypes = {"auto", "f16", "f32"};  // auto is f32 here
  options.threads = {1, 2};
  const auto setups = MakeBenchSetups(options);
  ASSERT_TRUE(setups.ok());
  EXPECT_EQ(setups->size(), 8u);
  EXPECT_EQ(setups->front().model, "a");
  EXPECT_EQ(setups->front().kv_dtype, KvDtype::kF32);
  EXPECT_THAT(Names(setups->front().tests), ElementsAre("pp512", "tg128"));
}

MemoryShape TinyShape() {
  MemoryShape shape;
  shape.config = OpenSource(kTinyLlama)->config();
  return shape;
}

TEST(BenchRoomTest, TakesWholeBlocksOfEveryStream) {
  BenchRoom room;
  room.Add({0, 1, 16, 3}, 512, 16);
  EXPECT_EQ(room.cache_tokens, 3 * 32);
  EXPECT_EQ(room.spans, 3);
  EXPECT_EQ(room.step_tokens, 3);
  room.Add({20, 0, 0, 1}, 8, 16);
  EXPECT_EQ(room.cache_tokens, 3 * 32);
  EXPECT_EQ(room.step_tokens, 8);
}

TEST(BenchRoomTest, SaysWhatDoesNotFitAndWhy) {
  const MemoryShape shape = TinyShape();  // a context of 64
  const auto why = [&shape](const BenchTest& test, int64_t free_bytes) {
    BenchRoom room;
    room.Add(test, 512, 16);
    return WhyLeftOut(shape, test, room, free_bytes);
  };
  EXPECT_THAT(why({48, 0, 16, 1}, 0), IsEmpty());
  EXPECT_THAT(why({48, 0, 16, 1}, int64_t{1} << 30), IsEmpty());
  EXPECT_THAT(why({49, 0, 16, 1}, 0), HasSubstr("65 positions"));
  EXPECT_THAT(why({49, 0, 16, 1}, 0), HasSubstr("context=65"));
  EXPECT_THAT(why({48, 0, 16, 1}, 1000), HasSubstr("1 kB are free"));
  EXPECT_THAT(why({0, 64, 0, 65536}, int64_t{1} << 30), HasSubstr("fewer streams"));
}

TEST(BenchAttainableTest, IsTheLargerOfOperationsAndBytesOverTheirRates) {
  const CostShape shape =
      CostShape::From(OpenSource(kTinyLlama)->config(), WeightDtype::kF32, KvDtype::kF32, 16);
  constexpr double kEndless = 1e30;
  const auto prompt = BenchSteps({20, 0, 0, 1}, 512);
  const auto compute = Attainable(shape, prompt, {1000, kEndless});
  EXPECT_TRUE(compute.compute_bound());
  EXPECT_DOUBLE_EQ(compute.seconds, 2.0 * static_cast<double>(PrefillMacs(shape, 20)) / 1000);
  const auto decode = BenchSteps({0, 2, 10, 1}, 512);
  const auto memory = Attainable(shape, decode, {kEndless, 1000});
  EXPECT_FALSE(memory.compute_bound());
  const auto bytes =
      static_cast<double>(Total(StepBytes(shape, decode[0])) + Total(StepBytes(shape, decode[1])));
  EXPECT_DOUBLE_EQ(memory.seconds, bytes / 1000);
  EXPECT_DOUBLE_EQ(memory.by_class_seconds, memory.seconds);
  // At rates that make both equal over the whole, some class is bound by the other.
  const auto both = Attainable(shape, prompt, {compute.compute_seconds * 1000, bytes});
  EXPECT_DOUBLE_EQ(both.seconds, std::max(both.compute_seconds, both.memory_seconds));
  EXPECT_GT(both.by_class_seconds, both.seconds);
}

BenchSample Sample(double seconds, double attainable) {
  BenchSample sample;
  sample.seconds = seconds;
  sample.limits = {1e11, 1e10};
  sample.attainable.seconds = attainable;
  sample.attainable.by_class_seconds = 2 * attainable;
  sample.attainable.memory_seconds = attainable;
  return sample;
}

TEST(BenchStatisticsTest, AreMeansMediansAndRatiosOfSamples) {
  const BenchResult result = {
      {0, 4, 0, 2}, {}, {Sample(1, 0.5), Sample(2, 0.5), Sample(4, 3), Sample(8, 4)}};
  const BenchSpread rate = TokensPerSecond(result);  // 8, 4, 2, 1
  EXPECT_DOUBLE_EQ(rate.mean, 3.75);
  EXPECT_DOUBLE_EQ(rate.median, 3);
  EXPECT_DOUBLE_EQ(rate.deviation * rate.deviation, (18.0625 + 0.0625 + 3.0625 + 7.5625) / 3);
  const BenchSpread share = AttainableShare(result);  // 0.5, 0.25, 0.75, 0.5
  EXPECT_DOUBLE_EQ(share.median, 0.5);
  EXPECT_DOUBLE_EQ(share.first_quartile, 0.4375);
  EXPECT_DOUBLE_EQ(share.third_quartile, 0.5625);
  EXPECT_DOUBLE_EQ(AttainableShareByClass(result).median, 1);
  EXPECT_EQ(BenchBound(result), "memory");
  EXPECT_EQ(SpreadOf(std::vector<double>{7}).deviation, 0);
  EXPECT_TRUE(std::isnan(SpreadOf(std::vector<double>{}).median));
  EXPECT_EQ(BenchBound({}), "-");
}

AnchorSizes SmallLimits(WeightDtype dtype) { return {dtype, 32, 64, 64, 1 << 16, 1}; }

// A prompt, a batch of streams, and one test that the context has no room for.
BenchRun TinyRun() {
  const BenchSetup setup = {kTinyLlama,
                            WeightDtype::kF32,
                            KvDtype::kF32,
                            1,
                            {{20, 0, 8, 1}, {0, 3, 8, 2}, {20, 0, 60, 1}}};
  BenchHow how;
  how.repetitions = 3;
  how.chunk_tokens = 8;
  absl::StatusOr<BenchRun> run = MeasureBench({setup}, how, &SmallLimits);
  EXPECT_TRUE(run.ok()) << run.status();
  return run.ok() ? *std::move(run) : BenchRun();
}

TEST(BenchRunTest, MeasuresWhatFitsAndListsTheRest) {
  const BenchRun run = TinyRun();
  ASSERT_EQ(run.groups.size(), 1u);
  const BenchGroup& group = run.groups[0];
  ASSERT_EQ(group.results.size(), 2u);
  for (const BenchResult& result : group.results) {
    EXPECT_EQ(result.samples.size(), 3u);
    EXPECT_TRUE(result.counts.agree());
    EXPECT_GT(Total(result.counts.bytes), 0);
    for (const BenchSample& sample : result.samples) {
      EXPECT_GT(sample.seconds, 0);
      EXPECT_GT(sample.attainable.seconds, 0);
    }
  }
  ASSERT_EQ(group.left_out.size(), 1u);
  EXPECT_THAT(group.left_out[0].reason, HasSubstr("80 positions"));
  EXPECT_FALSE(run.interrupted);
}

TEST(BenchRunTest, JsonHasTheFieldsOfLlamaBenchAndOurs) {
  const auto json = nlohmann::json::parse(BenchJson(TinyRun()));
  ASSERT_EQ(json.at("results").size(), 2u);
  const auto& result = json["results"][1];
  for (const char* name :
       {"model_filename", "model_type", "model_size", "model_n_params", "n_batch", "n_threads",
        "type_k", "type_v", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "median_ts", "q1_ts",
        "q3_ts", "attainable_by_class", "bytes_per_token", "macs_per_token"}) {
    EXPECT_TRUE(result.contains(name)) << name;
  }
  EXPECT_EQ(result.at("n_gen"), 3);
  EXPECT_EQ(result.at("n_depth"), 8);
  EXPECT_EQ(result.at("n_streams"), 2);
  EXPECT_EQ(result.at("test"), "tg3 x2 @ d8");
  EXPECT_EQ(result.at("weights"), "f32");
  EXPECT_EQ(result.at("samples_ts").size(), 3u);
  EXPECT_EQ(result.at("counts_equal_formulas"), true);
  EXPECT_TRUE(result.at("attainable").at("median").is_number());
  const auto& scores = result.at("classes").at("scores").at("macs");
  EXPECT_EQ(scores.at("measured"), scores.at("formula"));
  ASSERT_EQ(json.at("left_out").size(), 1u);
  EXPECT_THAT(json["left_out"][0].at("reason").get<std::string>(), HasSubstr("context"));
}

TEST(BenchRunTest, TablesHoldEveryTest) {
  BenchRun run = TinyRun();
  run.groups[0].results.push_back({{9, 0, 0, 1}, {}, {}});  // interrupted before its first sample
  run.interrupted = true;
  const std::string table = BenchTable(run);
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  for (const char* word : {"pp20 @ d8", "tg3 x2 @ d8", "pp9 ", "left out: pp20 @ d60",
                           "Interrupted", "equal their formulas"}) {
    EXPECT_THAT(table, HasSubstr(word));
  }
  const std::string markdown = BenchMarkdown(run);
  int rows = 0;
  for (const absl::string_view line : absl::StrSplit(markdown, '\n')) {
    if (!absl::StartsWith(line, "|")) continue;
    ++rows;
    EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 13) << line;
  }
  EXPECT_EQ(rows, 2 + 3);
  EXPECT_THAT(markdown, HasSubstr("left out: pp20 @ d60"));
}

// Commas between fields; those within quotes are text.
int64_t CsvCommas(absl::string_view line) {
  int64_t commas = 0;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++commas;
  }
  return commas;
}

TEST(BenchRunTest, CsvHasARowForEachTestEvenWhereNothingWasMeasured) {
  const std::string csv = BenchCsv(TinyRun());
  const std::vector<std::string> lines = absl::StrSplit(csv, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 1u + 2 + 1);
  for (const std::string& line : lines) EXPECT_EQ(CsvCommas(line), CsvCommas(lines[0])) << line;
  EXPECT_THAT(lines[1], HasSubstr("\"pp20 @ d8\""));
  EXPECT_THAT(lines[3], HasSubstr(",,,"));
  EXPECT_THAT(lines[3], HasSubstr("positions"));
}

TEST(BenchRunTest, FaultsThatAreNotTheMachinesAreErrors) {
  const BenchSetup setup = {"no/such/model.gguf", WeightDtype::kF32, KvDtype::kF32, 1, {{1}}};
  EXPECT_FALSE(MeasureBench({setup}, {}, &SmallLimits).ok());
}

}  // namespace
}  // namespace plumbline::bench_test
