// A load test's trace: JSON, events that nest, and nothing that is not in the record.
#include "tools/load_trace_events.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/hand_made_load.h"
#include "tests/support/load_runs.h"

namespace plumbline::load_trace_events_test {
namespace {

using nlohmann::json;
using testing::ElementsAre;

std::string TextOf(const LoadRecord& record) {
  std::string text;
  const absl::Status status = TraceEvents(record, [&text](absl::string_view part) {
    absl::StrAppend(&text, part);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return text;
}

std::vector<json> EventsOf(const LoadRecord& record) {
  const json trace = json::parse(TextOf(record), nullptr, false);
  EXPECT_FALSE(trace.is_discarded());
  return trace["traceEvents"];
}

std::vector<json> Named(const std::vector<json>& events, const std::string& name) {
  std::vector<json> found;
  for (const json& event : events) {
    if (event["name"] == name) found.push_back(event);
  }
  return found;
}

// Within each thread every slice lies within, or apart from, those before it.
void ExpectSlicesNest(const std::vector<json>& events) {
  // Exact: nanoseconds of less than a day are whole in a double's microseconds.
  const auto nanoseconds = [](const json& value) {
    return std::llround(value.get<double>() * 1000);
  };
  std::map<std::pair<int64_t, int64_t>, std::vector<std::pair<int64_t, int64_t>>> open;
  for (const json& event : events) {
    if (event["ph"] != "X") continue;
    const int64_t start = nanoseconds(event["ts"]);
    const int64_t end = start + nanoseconds(event["dur"]);
    EXPECT_LE(start, end) << event;
    auto& stack = open[{event["pid"], event["tid"]}];
    while (!stack.empty() && stack.back().second <= start) stack.pop_back();
    if (!stack.empty()) {
      EXPECT_LE(stack.back().first, start) << event;
      EXPECT_GE(stack.back().second, end) << event;
    }
    stack.emplace_back(start, end);
  }
}

TEST(LoadTraceEvents, HoldTheRecord) {
  const std::vector<json> events = EventsOf(HandMadeLoad());
  ExpectSlicesNest(events);
  const std::vector<json> processes = Named(events, "process_name");
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes[0]["args"]["name"], "replica 0");
  const std::vector<json> request = Named(events, "request 0");
  ASSERT_EQ(request.size(), 1u);
  EXPECT_EQ(request[0]["ts"], 500000.0);
  EXPECT_EQ(request[0]["dur"], 11500000.0);
  EXPECT_EQ(request[0]["args"]["outcome"], "completed");
  EXPECT_EQ(request[0]["args"]["ttft_seconds"], 7.5);
  // What fills its life, on its own thread.
  std::vector<std::string> spans;
  for (const json& event : events) {
    const bool own = event["ph"] == "X" && event["tid"] == request[0]["tid"];
    if (own && event["ts"] >= 500000 && event["ts"] <= 12000000) spans.push_back(event["name"]);
  }
  EXPECT_THAT(spans, ElementsAre("request 0", "queue", "prefill", "stalled", "prefill", "stalled",
                                 "preempted", "prefill", "decode", "stalled", "decode"));
  EXPECT_EQ(Named(events, "request 2")[0]["args"]["error"], "no \"room\" \x01\xEF\xBF\xBD");
  EXPECT_EQ(Named(events, "prefill and decode").size(), 4u);
  const std::vector<json> running = Named(events, "running");
  ASSERT_EQ(running.size(), 6u);
  EXPECT_EQ(running[1]["ph"], "C");
  EXPECT_EQ(running[1]["ts"], 2000000.0);
  EXPECT_EQ(running[1]["args"]["value"], 2);
  EXPECT_EQ(Named(events, "waiting").size(), 12u);
  EXPECT_EQ(Named(events, "blocks used").size(), 4u);
}

TEST(LoadTraceEvents, StepsCarryWhatTheyRan) {
  std::vector<json> steps;
  for (const json& event : EventsOf(HandMadeLoad())) {
    if (event["ph"] == "X" && event["tid"] == 1) steps.push_back(event);
  }
  ASSERT_EQ(steps.size(), 10u);
  const json& args = steps[5]["args"];
  EXPECT_EQ(args["prompt_tokens"], 8);
  EXPECT_EQ(args["decode_tokens"], 1);
  EXPECT_EQ(args["predicted_seconds"], 0.75);
  EXPECT_EQ(args["measured_seconds"], 2);
  EXPECT_EQ(args["over_itl_target"], 1);
  EXPECT_EQ(steps[5]["dur"], 2000000.0);
}

TEST(LoadTraceEvents, EachReplicaOfEachRepetitionIsAProcess) {
  SimulationOptions options = EvenSteps(1.0 / 3);
  options.replicas = 3;
  LoadRecord record;
  for (int r = 0; r < 2; ++r) {
    const auto workload = LoadWorkload::Build(SmallRequests("poisson:9", 40), nullptr);
    ASSERT_TRUE(workload.ok());
    record.repetitions.push_back(DriveToEnd(*workload, Simulated(options)));
    record.repetitions.back().warm_up_seconds = r;
  }
  const std::vector<json> events = EventsOf(record);
  ExpectSlicesNest(events);
  std::set<std::string> names;
  for (const json& event : Named(events, "process_name")) names.insert(event["args"]["name"]);
  EXPECT_EQ(names.size(), 6u);
  EXPECT_EQ(names.count("repetition 2, replica 1"), 1u);
  EXPECT_EQ(Named(events, "warm-up ends").size(), 3u);
  // A thread of requests holds many of them, one after the other.
  EXPECT_EQ(Named(events, "request 7").size(), 2u);
  EXPECT_EQ(Named(events, "steps").size(), 0u);
}

TEST(LoadTraceEvents, ComeInPartsAndEndAtTheFirstError) {
  LoadRecord record = HandMadeLoad();
  RepetitionRecord& repetition = record.repetitions[0];
  const RequestRecord one = repetition.requests[0];
  for (int64_t i = 0; i < 400; ++i) {
    repetition.requests.push_back(one);
    repetition.requests.back().id = 5 + i;
  }
  size_t largest = 0;
  size_t parts = 0;
  const absl::Status written = TraceEvents(record, [&](absl::string_view part) {
    largest = std::max(largest, part.size());
    ++parts;
    return absl::OkStatus();
  });
  EXPECT_TRUE(written.ok());
  EXPECT_GT(parts, 5u);
  EXPECT_LT(largest, 70000u);
  size_t calls = 0;
  const absl::Status failed = TraceEvents(record, [&](absl::string_view) {
    return ++calls == 2 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  EXPECT_EQ(failed.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(calls, 2u);
}

TEST(LoadTraceEvents, RecordsThatNoRunMadeStillNest) {
  LoadRecord record = HandMadeLoad();
  RepetitionRecord& repetition = record.repetitions[0];
  repetition.steps[2].end_seconds = -5;
  repetition.steps[6].start_seconds = 1e300;
  repetition.requests[0].first_scheduled_seconds = 1e17;
  repetition.requests[0].preemptions = {{7, 2}, {1, -1}};
  repetition.requests[1].token_seconds = {5, 1, 900};
  repetition.requests[3].finish_seconds = 1;
  repetition.requests[4].replica = -3;
  ExpectSlicesNest(EventsOf(record));
}

TEST(LoadTraceEvents, AreWrittenWholeOrNotAtAll) {
  const std::string path = testing::TempDir() + "/load-trace-events.json";
  ASSERT_TRUE(WriteTraceEvents(HandMadeLoad(), path).ok());
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), TextOf(HandMadeLoad()));
  EXPECT_FALSE(WriteTraceEvents(HandMadeLoad(), "/nonexistent/trace.json").ok());
  EXPECT_TRUE(json::parse(TextOf({}), nullptr, false)["traceEvents"].empty());
}

}  // namespace
}  // namespace plumbline::load_trace_events_test
