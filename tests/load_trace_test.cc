// Traces are read as their formats have them; damage is named with its line.
#include "tools/load_trace.h"

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::load_trace_test {
namespace {

using testing::HasSubstr;

const std::string kFixtures = PLUMBLINE_SOURCE_DIR "/tests/fixtures/";

TEST(LoadTrace, ReadsMooncake) {
  const auto trace = ReadTrace(kFixtures + "trace_mooncake.jsonl");
  ASSERT_TRUE(trace.ok()) << trace.status();
  // In order of time, which counts from the first.
  const std::vector<TraceRequest> wanted = {{0, 700, 12, {10, 11}},
                                            {0, 1024, 3, {10, 12}},
                                            {1.25, 600, 1, {10, 14}},
                                            {2.5, 20, 40, {13}}};
  EXPECT_EQ(trace->requests, wanted);
  EXPECT_EQ(trace->skipped, 0);
}

TEST(LoadTrace, ReadsBurstGpt) {
  const auto trace = ReadTrace(kFixtures + "trace_burstgpt.csv");
  ASSERT_TRUE(trace.ok()) << trace.status();
  const std::vector<TraceRequest> wanted = {
      {0, 472, 18, {}}, {40, 1087, 230, {}}, {113.5, 360, 276, {}}};
  EXPECT_EQ(trace->requests, wanted);
  EXPECT_EQ(trace->skipped, 1);  // it got no answer
}

TEST(LoadTrace, ColumnsMayStandAnywhere) {
  std::istringstream in("Response tokens,Session ID,Timestamp,Request tokens\r\n4,x,9,3\r\n");
  const auto trace = ParseTrace(in, "t");
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->requests, (std::vector<TraceRequest>{{0, 3, 4, {}}}));
}

TEST(LoadTrace, DamageIsNamedWithItsLine) {
  const std::string good = R"({"timestamp":1,"input_length":9,"output_length":1,"hash_ids":[1]})";
  const std::string heading = "Timestamp,Model,Request tokens,Response tokens\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "has no request"},
      {"\n \n", "has no request"},
      {heading, "has no request"},
      {good + "\n{\"timestamp\":", "line 2: this is no JSON object"},
      {good + "\n\n[1]", "line 3: this is no JSON object"},
      {R"({"input_length":9,"output_length":1})", "\"timestamp\" is missing"},
      {R"({"timestamp":"x","input_length":9,"output_length":1})", "\"timestamp\" is missing"},
      {R"({"timestamp":1e300,"input_length":9,"output_length":1})", "its time is over"},
      {R"({"timestamp":1,"output_length":1})", "\"input_length\" is missing"},
      {R"({"timestamp":1,"input_length":9.5,"output_length":1})",
       "\"input_length\" is missing, or"},
      {R"({"timestamp":1,"input_length":0,"output_length":1})", "\"input_length\" is below 1"},
      {R"({"timestamp":1,"input_length":-9,"output_length":1})", "\"input_length\" is below 1"},
      {R"({"timestamp":1,"input_length":18446744073709551615,"output_length":1})",
       "\"input_length\" is over"},
      {R"({"timestamp":1,"input_length":9,"output_length":0})", "\"output_length\" is below 1"},
      {R"({"timestamp":1,"input_length":513,"output_length":1,"hash_ids":[1]})",
       "has 1 ids, and 513 prompt tokens have 2 blocks"},
      {R"({"timestamp":1,"input_length":9,"output_length":1,"hash_ids":["a"]})", "no whole number"},
      {R"({"timestamp":1,"input_length":9,"output_length":1,"hash_ids":7})", "is no list"},
      {"1,2,3\n", "line 1: the heading has no column \"Timestamp\""},
      {"Timestamp,Request tokens\n1,2\n", "no column \"Response tokens\""},
      {heading + "1,m,2,3\n1,m,2\n", "line 3: there are 3 fields"},
      {heading + "x,m,2,3\n", "line 2: \"Timestamp\" is no number"},
      {heading + "nan,m,2,3\n", "its time is over"},
      {heading + "1,m,0,3\n", "\"Request tokens\" is no whole number"},
      {heading + "1,m,2,-3\n", "\"Response tokens\" is no whole number"},
      {heading + "1,m,2,99999999999999999999\n", "\"Response tokens\" is no whole number"}};
  for (const auto& [text, why] : cases) {
    std::istringstream in(text);
    const auto trace = ParseTrace(in, "name");
    ASSERT_FALSE(trace.ok()) << text;
    EXPECT_THAT(std::string(trace.status().message()), HasSubstr(why)) << text;
    EXPECT_THAT(std::string(trace.status().message()), HasSubstr("trace name")) << text;
  }
}

TEST(LoadTrace, MissingFileIsNotFound) {
  EXPECT_EQ(ReadTrace("/nonexistent/trace").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace plumbline::load_trace_test
