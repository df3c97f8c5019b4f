// A load test's files: JSON that gives the record back to the bit, and CSV.
#include "tools/load_json.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/load_csv.h"
#include "tools/load_fields.h"

namespace plumbline::load_json_test {
namespace {

using testing::HasSubstr;

std::vector<RepeatedStep> FullRepeats() {
  const ClassSeconds few = {0.5, 0.25, 1.0 / 3, 1e-9, 0, 2, 3};
  const ClassSeconds many = {1, 2, 3, 4, 5, 6, 7};
  return {{0.15, 0.02, {{7, 1, 1}, {0, 30, 0}}, few}, {0.25, 0.01, {{8, 1, 1}}, many}};
}

// Of repetition `r`; numbers go on from `count`.
RequestRecord FullRequest(int r, int64_t& count) {
  RequestRecord request;
  for (const auto& field : kRequestFields) {
    if (const auto* whole = std::get_if<int64_t RequestRecord::*>(&field.member)) {
      request.*(*whole) = count++;
    } else {
      request.*std::get<double RequestRecord::*>(field.member) = 0.1 * static_cast<double>(count++);
    }
  }
  request.outcome = r == 0 ? LoadOutcome::kCompleted : LoadOutcome::kRefused;
  request.error = r == 0 ? "" : "no \"room\", at all";
  request.token_seconds = {0.1, 0.30000000000000004, 1e-9};
  request.chunks = {{0, 0, 7}, {1, 7, 2}};
  request.preemptions = {{0.5, 0.75}, {0.9, -1}};
  return request;
}

// Every field differs from its default.
LoadRecord FullRecord() {
  LoadRecord record;
  record.model = "a \"model\"";
  record.target = "engine";
  record.weights = "bf16";
  record.kv_dtype = "f16";
  record.workload = "poisson:3";
  record.policy = {{"max_running", "7"}, {"route", "round-robin"}};
  record.seed = 18446744073709551615U;
  record.salt = 12345678901234567890U;
  int64_t count = 3;
  for (const auto& field : kRunFields) {
    if (const auto* member = std::get_if<int64_t LoadRecord::*>(&field.member)) {
      record.*(*member) = count++;
    }
  }
  for (int r = 0; r < 2; ++r) {
    RepetitionRecord& repetition = record.repetitions.emplace_back();
    repetition.warm_up_seconds = 0.1;
    repetition.end_seconds = 1.0 / 3 + r;
    repetition.interrupted = r == 1;
    if (r == 0) repetition.anchors_before = Anchors{1.1e11, 3e10};
    if (r == 0) repetition.anchors_after = Anchors{1.2e11, 3.1e10};
    if (r == 0) {
      repetition.anchor_marks = {{0.1, 0.03, {1.3e11, 3e10}}, {0.2, 0.04, {1e11, 2e10}}};
      repetition.repeated_steps = FullRepeats();
    }
    for (int i = 0; i < 2; ++i) {
      StepRecord& step = repetition.steps.emplace_back();
      for (const auto& field : kStepFields) {
        if (const auto* whole = std::get_if<int64_t StepRecord::*>(&field.member)) {
          step.*(*whole) = count++;
        } else {
          step.*std::get<double StepRecord::*>(field.member) = 1.0 / static_cast<double>(count++);
        }
      }
    }
    repetition.requests.push_back(FullRequest(r, count));
  }
  return record;
}

std::string Text(const LoadRecord& record, const LoadSlo& slo = {}) {
  return LoadJson(record, slo, ComputeMetrics(record, slo));
}

TEST(LoadJson, GivesTheRecordBackToTheBit) {
  const LoadRecord record = FullRecord();
  const LoadSlo slo = *ParseSlo("ttft=0.5,itl=50ms");
  const std::string text = Text(record, slo);
  const auto file = ParseLoadJson(text);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->record, record);
  EXPECT_EQ(file->slo.ttft, 0.5);
  EXPECT_EQ(file->slo.text, slo.text);
  EXPECT_EQ(Text(file->record, file->slo), text);
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

TEST(LoadJson, AnEmptyRunIsAFileToo) {
  const auto file = ParseLoadJson(Text(LoadRecord()));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->record, LoadRecord());
}

TEST(LoadJson, HoldsTheFigures) {
  const auto json = nlohmann::json::parse(Text(FullRecord()));
  EXPECT_TRUE(json["metrics"]["seconds"]["ttft"]["p99"]["value"].is_null());
  EXPECT_EQ(json["metrics"]["requests"]["measured"], 2);
  EXPECT_TRUE(json["repetitions"][0]["drift"].is_number());
  EXPECT_EQ(json["step_columns"][0], "replica");
}

TEST(LoadJson, DamageIsRefusedWithTheReason) {
  const std::string text = Text(FullRecord());
  const std::vector<std::pair<std::string, std::string>> changes = {
      {R"("plumbline_load":1)", R"("plumbline_load":2)"},
      {R"("plumbline_load":1)", R"("plumbline_load":"x")"},
      {R"("model")", R"("modell")"},
      {R"("seed":18446744073709551615)", R"("seed":-1)"},
      {R"("threads":3)", R"("threads":3.5)"},
      {R"("threads":3)", R"("threads":18446744073709551615)"},
      {R"("threads":3)", R"("threads":300000000000)"},
      {R"("end_seconds":0.333)", R"("end_seconds":1e300,"more":0.333)"},
      {R"("interrupted":false)", R"("interrupted":0)"},
      {R"("outcome":"refused")", R"("outcome":"bored")"},
      {R"("chunks":[[0,0,7])", R"("chunks":[[9,0,7])"},
      {R"("chunks":[[0,0,7])", R"("chunks":[[-1,0,7])"},
      {R"("chunks":[[0,0,7])", R"("chunks":[[0,0])"},
      {R"("chunks":[[0,0,7])", R"("chunks":[7)"},
      {R"("preemptions":[[0.5,0.75])", R"("preemptions":[[0.5,"x"])"},
      {R"("token_seconds":[0.1)", R"("token_seconds":[null)"},
      {R"("requests":[{"id")", R"("requests":[3,{"id")"},
      {R"("matmul_flops_per_second":110000000000.0)", R"("matmul_flops_per_second":0)"},
      {R"("anchor_marks":[[0.1,0.03,)", R"("anchor_marks":[[0.1,)"},
      {R"("repeated_steps":[[0.15,)", R"("repeated_steps":[[)"},
      {R"("repeated_steps":[[0.15,)", R"("repeated_steps":[[0.35,)"},
      {R"([[7,1,1],)", R"([[7,1],)"},
      {R"([[7,1,1],)", R"([[7,0,0],)"},
      {R"([[7,1,1],)", R"([[7,1,2],)"},
      {R"([[7,1,1],)", R"([[-1,1,1],)"},
      {R"([[7,1,1],)", R"([[1048576,1,1],)"},
      {R"([[7,1,1],)", R"([[7,65507,1],)"},
      {R"([[8,1,1]])", R"([])"},
      {R"([[8,1,1]])", R"(8)"},
      {R"(,[1.0,2.0,3.0,4.0,5.0,6.0,7.0]])", R"(,[1.0,2.0,3.0,4.0,5.0,6.0]])"},
      {R"(,[1.0,2.0,3.0,4.0,5.0,6.0,7.0]])", R"(,[1.0,2.0,3.0,4.0,5.0,6.0,-7.0]])"},
      {R"(,[1.0,2.0,3.0,4.0,5.0,6.0,7.0]])", R"(,7.0])"},
      {R"("policy":{"max_running":"7")", R"("policy":{"max_running":7)"},
      {R"("slo":"")", R"("slo":"speed=1")"},
      {R"("steps":[[)", R"("steps":[7,[)"}};
  for (const auto& [from, to] : changes) {
    const std::string damaged = absl::StrReplaceAll(text, {{from, to}});
    ASSERT_NE(damaged, text) << from;
    EXPECT_FALSE(ParseLoadJson(damaged).ok()) << to;
  }
  for (const char* other :
       {"", "[]", "3", "{}", "{\"plumbline_load\":1}", "{\"plumbline_load\":"}) {
    EXPECT_FALSE(ParseLoadJson(other).ok()) << other;
  }
  for (size_t cut = 0; cut < text.size(); cut += 97) {
    EXPECT_FALSE(ParseLoadJson(text.substr(0, cut)).ok()) << cut;
  }
  EXPECT_EQ(ReadLoadFile("/nonexistent/run.json").status().code(), absl::StatusCode::kNotFound);
}

TEST(LoadJson, CountsWhoseBytesOverflowAreRefused) {
  LoadRecord record = FullRecord();
  record.token_bytes = int64_t{1} << 34;
  EXPECT_TRUE(ParseLoadJson(Text(record)).ok());
  record.repetitions[1].steps[0].cached_tokens = int64_t{1} << 30;
  EXPECT_FALSE(ParseLoadJson(Text(record)).ok());
}

TEST(LoadCsv, HasALineForEachRequestAndStep) {
  const LoadRecord record = FullRecord();
  const std::vector<std::string> requests = absl::StrSplit(RequestsCsv(record), '\n');
  ASSERT_EQ(requests.size(), 4u);  // heading, two requests, and the end
  EXPECT_THAT(requests[0], HasSubstr("ttft_seconds,queue_seconds"));
  EXPECT_THAT(requests[2], HasSubstr(",refused,\"no \"\"room\"\", at all\""));
  const std::vector<std::string> steps = absl::StrSplit(StepsCsv(record), '\n');
  ASSERT_EQ(steps.size(), 6u);
  const auto columns = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  for (size_t i = 1; i < 5; ++i) EXPECT_EQ(columns(steps[i]), columns(steps[0]));
  EXPECT_EQ(columns(requests[1]), columns(requests[0]));
}

}  // namespace
}  // namespace plumbline::load_json_test
