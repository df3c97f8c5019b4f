// `generate --plan-check`: the plan beside the process.
#include "tools/plan_check.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tests/support/sanitized.h"
#include "tools/table.h"

namespace plumbline::plan_check_test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

// 40 MB of weights, so that what the process takes besides is small beside them.
constexpr char kModel[] =
    "synthetic:llama-160m,width=512,heads=8,kv_heads=2,layers=3,ffn=1024,vocab=4000,context=4096";

PlanCheck CheckOf(int64_t planned_cache, int64_t compiled, int64_t real) {
  PlanCheck check;
  check.plan.cache.allocated_bytes = planned_cache;
  check.plan.compiled_bytes = compiled;
  check.baseline_bytes = 7;
  check.resident_bytes = real + 7;
  return check;
}

TEST(PlanCheckTest, DifferenceCanFail) {
  EXPECT_TRUE(CheckOf(1000, 0, 1050).within_tolerance());
  EXPECT_FALSE(CheckOf(1000, 0, 1051).within_tolerance());
  EXPECT_FALSE(CheckOf(1000, 0, 949).within_tolerance());
  EXPECT_DOUBLE_EQ(CheckOf(1000, 0, 900).difference(), -0.1);
  // Much that was measured does not hide what was not planned.
  EXPECT_FALSE(CheckOf(1000, 100000, 101060).within_tolerance());
}

TEST(PlanCheckTest, ReportSaysPlainlyWhereItIsOff) {
  EXPECT_THAT(PlanCheckReport(CheckOf(1000, 0, 1051)), HasSubstr("OFF BY MORE THAN 5%"));
  EXPECT_THAT(PlanCheckReport(CheckOf(1000, 0, 1051)), HasSubstr("+5.10%"));
  EXPECT_THAT(PlanCheckReport(CheckOf(1000, 0, 1001)), Not(HasSubstr("OFF BY")));
  for (const absl::string_view line :
       absl::StrSplit(PlanCheckReport(CheckOf(int64_t{1} << 60, 0, int64_t{1} << 59)), '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
}

TEST(PlanCheckTest, HoldsForARealProcess) {
  for (const char* weights : {"f32", "auto", "int8", "q4"}) {
    const BinaryResult result =
        RunPlumbline({"generate", "-m", kModel, "-p", "any text", "-n", "4", "--cache-mib", "24",
                      "--weights", weights, "--plan-check", "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json json = Json::parse(result.out, nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << result.out;
    const Json& check = json.at("plan_check");
    const Json& planned = check.at("planned");
    const Json& real = check.at("real");
    EXPECT_EQ(planned.at("cache").at("allocated_bytes"), real.at("pool_bytes"));
    EXPECT_EQ(planned.at("weights").at("head_bytes"), real.at("weights").at("head_bytes"));
    for (const char* part : {"activations_bytes", "logits_bytes", "attention_bytes"}) {
      EXPECT_EQ(planned.at("scratch").at(part), real.at("scratch").at(part)) << part;
    }
    EXPECT_EQ(real.at("total_bytes").get<int64_t>(),
              real.at("resident_bytes").get<int64_t>() - real.at("baseline_bytes").get<int64_t>());
    // Whatever is planned really is resident: the pool alone is more than what may be missing.
    EXPECT_GT(real.at("total_bytes"), real.at("pool_bytes"));
    if (IsSanitized()) GTEST_SKIP() << "a sanitizer's own memory is not planned";
    EXPECT_TRUE(check.at("within_tolerance").get<bool>()) << check.dump(1);
  }
}

// In q4 the toy model's weights are a tenth of what it takes, and matmuls' scratch is a third of
// them: it counts only where it is resident.
TEST(PlanCheckTest, HoldsForTheToyInQ4) {
  if (IsSanitized()) GTEST_SKIP() << "a sanitizer's own memory is not planned";
  const BinaryResult result = RunPlumbline({"generate", "-p", "ROMEO:", "-n", "8", "--threads", "2",
                                            "--weights", "q4", "--plan-check", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << result.out;
  const Json& check = json.at("plan_check");
  for (const auto& part : check.at("real").at("scratch").items()) {
    EXPECT_EQ(check.at("planned").at("scratch").at(part.key()), part.value()) << part.key();
  }
  EXPECT_TRUE(check.at("within_tolerance").get<bool>()) << check.dump(1);
}

TEST(PlanCheckTest, TextShowsItWhereAskedFor) {
  std::vector<std::string> arguments = {"generate", "-m", kModel, "-p", "any text", "-n", "2"};
  EXPECT_THAT(RunPlumbline(arguments).out, Not(HasSubstr("Real: anonymous resident memory")));
  arguments.emplace_back("--plan-check");
  const BinaryResult checked = RunPlumbline(arguments);
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("Real: anonymous resident memory"));
}

// Writing cache and scratch before the run changes no token.
TEST(PlanCheckTest, TokensStayTheSame) {
  std::vector<std::string> arguments = {"generate", "-m", kModel, "-p",
                                        "any text", "-n", "6",    "--json"};
  const Json plain = Json::parse(RunPlumbline(arguments).out, nullptr, false);
  arguments.emplace_back("--plan-check");
  const Json checked = Json::parse(RunPlumbline(arguments).out, nullptr, false);
  ASSERT_FALSE(plain.is_discarded());
  ASSERT_FALSE(checked.is_discarded());
  EXPECT_EQ(checked.at("output_token_ids").size(), 6u);
  EXPECT_EQ(checked.at("output_token_ids"), plain.at("output_token_ids"));
  EXPECT_EQ(plain.count("plan_check"), 0u);
}

}  // namespace
}  // namespace plumbline::plan_check_test
