// The command `plumbline compare`: its report, its JSON, and what it makes of bad files.
#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/load_law.h"
#include "tests/support/run_binary.h"
#include "tools/compare_report.h"
#include "tools/load_metrics.h"
#include "tools/table.h"

namespace plumbline::compare_cli_test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string WriteText(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

std::string WriteLoad(const std::string& name, const LoadFile& file) {
  return WriteText(name, LoadJson(file.record, file.slo, ComputeMetrics(file.record, file.slo)));
}

LoadFile Fast(uint64_t seed) {
  LoadLaw law;
  law.speed = 2;
  return DrawLoad(law, seed);
}

void ExpectTerminalWidth(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
}

TEST(CompareCli, ReportsWhatDiffersFirst) {
  const std::string a = WriteLoad("compare-a.json", DrawLoad({}, 1));
  const std::string b = WriteLoad("compare-b.json", Fast(2));
  const BinaryResult brief = RunPlumbline({"compare", a, b});
  EXPECT_EQ(brief.exit_code, 0);
  EXPECT_EQ(brief.err, "");
  EXPECT_THAT(brief.out, StartsWith("B against A: "));
  EXPECT_THAT(brief.out, HasSubstr(" better, 0 worse, "));
  EXPECT_THAT(brief.out, HasSubstr("\nBetter "));
  EXPECT_THAT(brief.out, HasSubstr("\n  between tokens p50 "));
  EXPECT_THAT(brief.out, Not(HasSubstr("\n  cache slots wasted ")));
  const BinaryResult all = RunPlumbline({"compare", a, b, "--all"});
  EXPECT_THAT(all.out, HasSubstr("\n  cache slots wasted "));
  ExpectTerminalWidth(brief.out);
  ExpectTerminalWidth(all.out);
}

TEST(CompareCli, JsonHoldsEveryFigure) {
  const std::string a = WriteLoad("compare-json-a.json", DrawLoad({}, 1));
  const std::string b = WriteLoad("compare-json-b.json", Fast(2));
  const BinaryResult result = RunPlumbline({"compare", a, b, "--json"});
  EXPECT_EQ(result.exit_code, 0);
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << result.out;
  EXPECT_EQ(json["verdict"], "different");
  EXPECT_EQ(json["metrics"].size(), 8 * 5 + 12);
  int64_t counted = 0;
  for (const auto& [name, count] : json["counts"].items()) {
    const int64_t named =
        std::count_if(json["metrics"].begin(), json["metrics"].end(),
                      [&name = name](const auto& metric) { return metric["verdict"] == name; });
    EXPECT_EQ(count, named) << name;
    counted += named;
  }
  EXPECT_GT(counted, 30);
  EXPECT_EQ(json["a"]["file"], a);
  EXPECT_EQ(json["b"]["rounds"], 20);
}

TEST(CompareCli, ARunAgainstItselfIsIndistinguishable) {
  const std::string a = WriteLoad("compare-same.json", DrawLoad({}, 5));
  const BinaryResult result = RunPlumbline({"compare", a, a});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("B against A: 0 better, 0 worse, "));
  EXPECT_THAT(result.out, Not(HasSubstr("Warning")));
}

TEST(CompareCli, WarnsOfTestsThatAreNotTheSame) {
  LoadFile other = DrawLoad({}, 6);
  other.record.workload = "another\x1b[2J";
  other.record.policy.emplace_back("order", "priority");
  other.record.repetitions[0].interrupted = true;
  const std::string a = WriteLoad("compare-one.json", DrawLoad({}, 5));
  const std::string b = WriteLoad("compare-other.json", other);
  const BinaryResult result = RunPlumbline({"compare", a, b});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out,
              HasSubstr("Warning, not the same test: workload (A: of a law, B: another"));
  EXPECT_THAT(result.out, HasSubstr("What differs: order (A: usual, B: priority)"));
  EXPECT_THAT(result.out, HasSubstr("B was interrupted"));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
  ExpectTerminalWidth(result.out);
}

TEST(CompareCli, RunsThatDriftedAreUndecided) {
  LoadFile drifted = Fast(6);
  drifted.record.target = "engine";
  drifted.record.repetitions[0].anchors_before = Anchors{4e9, 1e9};
  drifted.record.repetitions[0].anchors_after = Anchors{3e9, 1e9};
  const auto comparison = CompareLoads(DrawLoad({}, 5), drifted);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  const std::string report = CompareReport(*comparison, "one.json", "two.json", false);
  EXPECT_THAT(report, StartsWith("B against A: undecided, because the machine drifted in every"));
  EXPECT_THAT(report, HasSubstr("B drifted: the machine's anchors changed by up to 25%"));
  EXPECT_THAT(report, HasSubstr("\nUndecided "));
  EXPECT_THAT(report, Not(HasSubstr("\nBetter")));
  ExpectTerminalWidth(report);
  EXPECT_THAT(CompareJson(*comparison, "one.json", "two.json"),
              StartsWith("{\"verdict\":\"undecided\""));
}

TEST(CompareCli, BadFilesAreErrorsAndWrongUsageIsTwo) {
  const std::string good = WriteLoad("compare-good.json", DrawLoad({}, 1));
  std::string huge;
  {
    LoadFile file = DrawLoad({}, 1);
    file.record.repetitions[0].end_seconds = 1e300;
    huge = WriteLoad("compare-huge.json", file);
  }
  for (const auto& [path, why] : std::vector<std::pair<std::string, std::string>>{
           {testing::TempDir() + "/no-such-file.json", "cannot be read"},
           {WriteText("compare-no-json.json", "{"), "is missing"},
           {WriteText("compare-version.json", "{\"plumbline_load\": 99}"), "version 99"},
           {huge, "larger than any run has it"},
           {WriteLoad("compare-empty.json", LoadFile()), "holds no repetition"}}) {
    for (const std::vector<std::string>& use :
         {std::vector<std::string>{"compare", path, good}, {"compare", good, path}}) {
      const BinaryResult result = RunPlumbline(use);
      EXPECT_EQ(result.exit_code, 1) << path;
      EXPECT_EQ(result.out, "") << path;
      EXPECT_THAT(result.err, HasSubstr(why)) << path;
    }
  }
  for (const std::vector<std::string>& use : std::vector<std::vector<std::string>>{
           {"compare"}, {"compare", good}, {"compare", good, good, good}, {"compare", good, ""}}) {
    EXPECT_EQ(RunPlumbline(use).exit_code, 2) << testing::PrintToString(use);
  }
}

TEST(CompareCli, HelpTeaches) {
  const BinaryResult help = RunPlumbline({"compare", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("Exit codes: 0 compared"));
  ASSERT_THAT(help.out, HasSubstr("Examples:"));
  ExpectTerminalWidth(help.out);
}

}  // namespace
}  // namespace plumbline::compare_cli_test
