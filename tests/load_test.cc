// `plumbline load` from its options to its report, and the search for the highest rate.
#include "tools/load.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/gnuplot.h"
#include "tests/support/made_profile.h"
#include "tests/support/tiny_load.h"
#include "tools/load_json.h"
#include "tools/load_search.h"
#include "tools/machine_file.h"
#include "tools/table.h"

namespace plumbline::load_test {
namespace {

using testing::HasSubstr;

LoadOptions TinyLoad() {
  LoadOptions options = TinyModelLoad();
  options.requests = 30;
  options.prompt = "uniform:4,40";
  options.output = "uniform:2,10";
  options.salt = 5;
  options.predict = false;
  return options;
}

std::string Perform(const LoadOptions& options) {
  std::ostringstream out;
  const absl::Status status = RunLoad(options, out);
  EXPECT_TRUE(status.ok()) << status;
  return out.str();
}

void ExpectFitsTerminal(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
}

// A profile of this machine's name, where steps cost their products alone.
std::string ProfilePath() {
  const std::string path = testing::TempDir() + "/load-profile.json";
  EXPECT_TRUE(SaveMachineProfile(MadeProfile(1e8, kNoLimit, kNoLimit), path).ok());
  return path;
}

std::string ContentsOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

LoadOptions TinySimulation() {
  LoadOptions options = TinyLoad();
  options.simulate = true;
  options.machine = ProfilePath();
  options.arrivals = "poisson:20";
  return options;
}

TEST(Load, ReportsARealRunAndWritesItsFiles) {
  LoadOptions options = TinyLoad();
  options.arrivals = "closed:4";
  options.slo = "ttft=10,itl=10";
  options.files.json = testing::TempDir() + "/load-run.json";
  options.files.csv = testing::TempDir() + "/load-run";
  const std::string report = Perform(options);
  ExpectFitsTerminal(report);
  for (const char* words : {"30 completed", "first token", "preempted", "goodput", "between tokens",
                            "goals: ttft=10,itl=10", "100.00%", "decode alone", "article"}) {
    EXPECT_THAT(report, HasSubstr(words));
  }
  const auto file = ReadLoadFile(options.files.json);
  ASSERT_TRUE(file.ok()) << file.status();
  const LoadRecord& record = file->record;
  EXPECT_EQ(record.target, "engine");
  EXPECT_EQ(record.salt, 5u);
  ASSERT_EQ(record.repetitions.size(), 1u);
  EXPECT_FALSE(record.repetitions[0].anchors_before.has_value());
  for (const RequestRecord& request : record.repetitions[0].requests) {
    EXPECT_EQ(request.outcome, LoadOutcome::kCompleted) << request.error;
    EXPECT_EQ(static_cast<int64_t>(request.token_seconds.size()), request.output_tokens);
    EXPECT_GE(request.sent_seconds, request.intended_seconds);
  }
  for (const StepRecord& step : record.repetitions[0].steps) {
    EXPECT_EQ(step.cached_tokens + step.waste_tokens, step.blocks_used * 16);
  }
  EXPECT_TRUE(std::filesystem::exists(options.files.csv + "-requests.csv"));
  EXPECT_TRUE(std::filesystem::exists(options.files.csv + "-steps.csv"));
  // Its step times, repeated: the same report of requests and tokens.
  LoadOptions replay = TinyLoad();
  replay.simulate = true;
  replay.replay = options.files.json;
  replay.json = true;
  const auto again = ParseLoadJson(Perform(replay));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->record.target, "replay");
  const RepetitionRecord& first = record.repetitions[0];
  const RepetitionRecord& second = again->record.repetitions[0];
  EXPECT_EQ(second.steps.size(), first.steps.size());
  EXPECT_NEAR(second.end_seconds, first.end_seconds, 1e-3 + 1e-3 * first.end_seconds);
}

TEST(Load, SimulationsAreTheSameForTheSameSeed) {
  LoadOptions options = TinySimulation();
  options.json = true;
  options.replicas = 3;
  options.route = "least-loaded";
  const auto first = ParseLoadJson(Perform(options));
  const auto second = ParseLoadJson(Perform(options));
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->record.repetitions, second->record.repetitions);
  EXPECT_EQ(first->record.replicas, 3);
  options.seed = 2;
  const auto other = ParseLoadJson(Perform(options));
  EXPECT_NE(first->record.repetitions, other->record.repetitions);
}

TEST(Load, RepetitionsHaveSeedsOfTheirOwn) {
  LoadOptions options = TinySimulation();
  options.repetitions = 3;
  options.files.json = testing::TempDir() + "/load-repetitions.json";
  EXPECT_THAT(Perform(options), HasSubstr("by resampling repetitions"));
  const auto file = ReadLoadFile(options.files.json);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->record.repetitions.size(), 3u);
  EXPECT_NE(file->record.repetitions[0].requests, file->record.repetitions[1].requests);
}

TEST(Load, FindsTheHighestRate) {
  LoadOptions options = TinySimulation();
  options.find_max_rate = true;
  options.requests = 200;
  options.slo = "e2e=0.2";
  const std::string report = Perform(options);
  ExpectFitsTerminal(report);
  options.json = true;
  const auto json = nlohmann::json::parse(Perform(options));
  EXPECT_GT(json["search"]["highest_rate"], 0);
  EXPECT_GT(json["search"]["probes"].size(), 3u);
  EXPECT_THAT(report, HasSubstr("highest rate at which 99% meet e2e=0.2: "));
  EXPECT_THAT(report, HasSubstr("too fast"));
  EXPECT_THAT(report, HasSubstr("keeps them"));
}

TEST(Load, LeavesEverythingInAFolderAndReportsItAgain) {
  LoadOptions options = TinySimulation();
  const std::string folder = testing::TempDir() + "/load-out/deeper";
  std::filesystem::remove_all(testing::TempDir() + "/load-out");
  options.slo = "ttft=10";
  options.files.folder = folder;
  const std::string report = Perform(options);
  for (const char* name : {"run.json", "run-requests.csv", "run-steps.csv", "trace.json"}) {
    EXPECT_TRUE(std::filesystem::exists(folder + "/" + name)) << name;
  }
  EXPECT_EQ(std::filesystem::exists(folder + "/page.html"), HasGnuplot());
  // The saved run gives the same report and files, and runs nothing.
  LoadOptions again;
  again.model = "/nonexistent/model";
  again.from = folder + "/run.json";
  again.files.trace = folder + "/trace-again.json";
  again.files.json = folder + "/run-again.json";
  EXPECT_EQ(Perform(again), report);
  EXPECT_EQ(ContentsOf(folder + "/trace-again.json"), ContentsOf(folder + "/trace.json"));
  EXPECT_EQ(ContentsOf(folder + "/run-again.json"), ContentsOf(folder + "/run.json"));
  again.slo = "e2e=0.000001";
  EXPECT_THAT(Perform(again), HasSubstr("goals: e2e=0.000001"));
}

TEST(Load, WritesWhatItCanAndSaysWhatItCannot) {
  LoadOptions options = TinySimulation();
  options.files.trace = "/nonexistent/trace.json";
  options.files.json = testing::TempDir() + "/load-beside.json";
  std::filesystem::remove(options.files.json);
  std::ostringstream out;
  const absl::Status status = RunLoad(options, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/trace.json"));
  EXPECT_TRUE(std::filesystem::exists(options.files.json));
  EXPECT_THAT(out.str(), HasSubstr("30 completed"));
  // A folder that cannot be made is refused before anything runs.
  options = TinySimulation();
  options.files.folder = options.machine + "/folder";
  std::ostringstream nothing;
  EXPECT_FALSE(RunLoad(options, nothing).ok());
  EXPECT_EQ(nothing.str(), "");
}

TEST(Load, OptionsThatDoNotFitAreRefused) {
  const auto refused = [](const LoadOptions& options) {
    std::ostringstream out;
    const absl::Status status = RunLoad(options, out);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(out.str(), "");
    return std::string(status.message());
  };
  LoadOptions options = TinyLoad();
  options.arrivals = "poisson:x";
  EXPECT_THAT(refused(options), HasSubstr("arrivals \"poisson:x\""));
  options = TinyLoad();
  options.prompt = "uniform:9";
  EXPECT_THAT(refused(options), HasSubstr("lengths \"uniform:9\""));
  options = TinyLoad();
  options.slo = "speed=3";
  EXPECT_THAT(refused(options), HasSubstr("goals \"speed=3\""));
  options = TinyLoad();
  options.arrivals = "trace:/nonexistent/trace";
  EXPECT_THAT(refused(options), HasSubstr("cannot be read"));
  options = TinyLoad();
  options.find_max_rate = true;
  options.slo = "ttft=1";
  EXPECT_THAT(refused(options), HasSubstr("needs arrivals that have one"));
  options = TinyLoad();
  options.cache_blocks = std::numeric_limits<int>::max();
  EXPECT_THAT(refused(options), HasSubstr("change --cache-mib"));
  options = TinySimulation();
  options.machine = "/nonexistent/profile";
  EXPECT_THAT(refused(options), HasSubstr("no machine profile"));
  options = TinyLoad();
  options.from = ProfilePath();
  EXPECT_THAT(refused(options), HasSubstr("no file of a load test"));
  options = TinySimulation();
  options.replay = ProfilePath();
  EXPECT_THAT(refused(options), HasSubstr("no file of a load test"));
}

TEST(LoadSearch, BisectsToTheTurn) {
  for (const double turn : {0.013, 0.9, 1.0, 7.3, 400.0}) {
    const auto search = FindMaxRate(
        {}, [turn](double rate) -> absl::StatusOr<double> { return rate <= turn ? 1.0 : 0.5; });
    ASSERT_TRUE(search.ok());
    EXPECT_LE(search->highest, turn);
    EXPECT_GT(search->highest * 1.05, turn) << turn;
    EXPECT_LE(search->probes.size(), 16u);
  }
  const auto none = FindMaxRate({}, [](double) -> absl::StatusOr<double> { return 0.0; });
  EXPECT_EQ(none->highest, 0);
  EXPECT_EQ(none->probes.size(), 16u);
  // An interrupt ends it with what there is.
  int probes = 0;
  const auto cut = FindMaxRate(
      {}, [&probes](double) -> absl::StatusOr<double> { return ++probes < 3 ? 1.0 : -1.0; });
  EXPECT_EQ(cut->highest, 2);
  EXPECT_FALSE(FindMaxRate({}, [](double) -> absl::StatusOr<double> {
                 return absl::InternalError("x");
               }).ok());
}

}  // namespace
}  // namespace plumbline::load_test
