// `plumbline plan`, in process and through the real binary.
#include "tools/plan.h"

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "engine/memory_plan.h"
#include "engine/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/run_binary.h"
#include "tools/plan_article.h"
#include "tools/table.h"

namespace plumbline::plan_test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr char kSmall[] =
    "synthetic:llama-160m,width=64,heads=8,kv_heads=2,layers=2,ffn=96,vocab=300,context=2048";

void ExpectFitsTerminal(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
}

Json ParseOutput(const BinaryResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.err;
  Json json = Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

TEST(PlanTest, GroupedHeadsAreADivisorNearAQuarter) {
  EXPECT_EQ(GroupedKvHeads(32), 8);
  EXPECT_EQ(GroupedKvHeads(12), 3);
  EXPECT_EQ(GroupedKvHeads(40), 10);
  EXPECT_EQ(GroupedKvHeads(25), 5);
  EXPECT_EQ(GroupedKvHeads(4), 2);
  EXPECT_EQ(GroupedKvHeads(9), 3);
  EXPECT_EQ(GroupedKvHeads(49), 7);
  for (const int none : {1, 2, 3, 13}) EXPECT_EQ(GroupedKvHeads(none), 0) << none;
}

TEST(PlanTest, PutsHeadsAndDtypesSideBySide) {
  PlanOptions options;
  options.model = kSmall;
  options.memory = "64MiB";
  options.requests = 3;
  options.weights = "f32";
  const auto plan = MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->heads.size(), 3u);
  EXPECT_EQ(plan->heads[0].kv_heads, 8);
  EXPECT_EQ(plan->heads[1].kv_heads, 2);
  EXPECT_EQ(plan->heads[2].kv_heads, 1);
  EXPECT_EQ(plan->own().name, "GQA");
  EXPECT_TRUE(plan->what_if);
  for (const HeadsPlan& heads : plan->heads) {
    // 2 L g e b: a token's keys and values.
    EXPECT_EQ(heads.plans[0].cache.token_bytes, 2 * 2 * heads.kv_heads * 8 * 4);
    EXPECT_EQ(heads.plans[1].cache.token_bytes, 2 * 2 * heads.kv_heads * 8 * 2);
    EXPECT_EQ(heads.plans[2].cache.token_bytes, heads.plans[1].cache.token_bytes);
    for (size_t i = 0; i < kPlanDtypes.size(); ++i) {
      EXPECT_EQ(Fits(heads.plans[i], plan->memory_bytes), heads.most_requests[i] >= 3);
      EXPECT_EQ(Fits(heads.plans[i], plan->memory_bytes), heads.largest_context[i] >= 2048);
    }
  }
  EXPECT_GT(plan->heads[2].largest_context[1], plan->heads[0].largest_context[1]);
}

TEST(PlanTest, RefusesTargetsThatMakeNoSense) {
  const auto code = [](const PlanOptions& options) { return MakePlan(options).status().code(); };
  PlanOptions options;
  options.model = kSmall;
  options.context = 2049;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MakePlan(options).status().message()), HasSubstr("2048"));
  options.context = 100;
  options.prompt = 101;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.prompt = 0;
  options.memory = "a lot";
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.memory = "";
  options.machine_file = "/nowhere/machine.json";
  EXPECT_EQ(code(options), absl::StatusCode::kNotFound);
  options.machine_file = "";
  options.requests = int64_t{1} << 31;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
}

TEST(PlanTest, ReportsFitTheTerminal) {
  for (const char* model :
       {kSmall, "synthetic:13b", "synthetic:llama-7b", "synthetic:gpt2-large", ""}) {
    PlanOptions options;
    options.model = model;
    options.memory = "80GB";
    options.requests = model[0] == '\0' ? 1 : 4096;
    const auto plan = MakePlan(options);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const std::string report = PlanReport(*plan);
    ExpectFitsTerminal(report);
    EXPECT_THAT(report, HasSubstr("not of whatever has that memory"));
  }
}

TEST(PlanTest, SaysWhereTheTargetDoesNotFit) {
  PlanOptions options;
  options.model = kSmall;
  options.memory = "1MB";
  EXPECT_THAT(PlanReport(MakePlan(options).value()), HasSubstr("does not fit"));
  options.memory = "1GB";
  EXPECT_THAT(PlanReport(MakePlan(options).value()), Not(HasSubstr("does not fit")));
}

// The article's printed table, and both readings with one layer live: RTX 3090, A100 40 and 80 GB,
// H100 80 GB, for 12 heads and 12 layers.
TEST(PlanArticleTest, ReproducesTheTable) {
  constexpr int64_t kPrinted[] = {7637, 9860, 13944, 13944};
  constexpr int64_t kOneLayer[] = {26457, 34156, 48304, 48304};
  const Json json =
      ParseOutput(RunPlumbline({"plan", "--article", "--json", "--memory", "25.769803776GB"}));
  ASSERT_EQ(json.at("rows").size(), 5u);
  for (size_t i = 0; i < 4; ++i) {
    const Json& row = json.at("rows")[i];
    EXPECT_EQ(row.at("all_layers_tokens"), kPrinted[i]);
    EXPECT_EQ(row.at("one_layer_tokens"), kOneLayer[i]);
    // 70% of the memory over 2 x 12 layers x 768 x 2 bytes, in blocks of 16.
    const int64_t share = row.at("memory_bytes").get<int64_t>() * 7 / 10;
    EXPECT_EQ(row.at("no_scores_tokens"), share / (36864 * 16) * 16);
    EXPECT_GT(row.at("engine_tokens"), row.at("one_layer_tokens"));
  }
  // With 1024^3 for a GB the same formula gives the prose's "27K".
  EXPECT_EQ(json.at("rows")[4].at("all_layers_tokens"), 7914);
  EXPECT_EQ(json.at("rows")[4].at("one_layer_tokens"), 27415);
}

// The last column, from the bytes of GPT-2 small written out: bf16 matrices, embedding rows and
// positions of 1,536 bytes, f32 norms and biases, and blocks of 16 tokens of 36,864 bytes.
TEST(PlanArticleTest, TheEngineFillsTheMemoryToTheLastBlock) {
  constexpr int64_t kVocab = 50257, kRow = 768 * 2, kBlock = 16 * 36864;
  constexpr int64_t kMatrices = 12 * (4 + 8) * 768 * kRow;
  constexpr int64_t kHead = 50304 * kRow;  // the vocabulary, in columns of 64
  constexpr int64_t kVectors = (12 * (13 * 768) + 2 * 768) * 4;
  MemoryShape shape;
  const auto source = OpenModel("synthetic:gpt2-small");
  ASSERT_TRUE(source.ok()) << source.status();
  shape.config = (*source)->config();
  shape.weights = WeightDtype::kBf16;
  shape.kv_dtype = KvDtype::kF16;
  const int64_t scratch = Total(PlanScratch(shape, shape.chunk_tokens, 1));
  shape.matmul.blocked = true;
  for (const int64_t memory : {int64_t{1'000'000'000}, int64_t{24'000'000'000}}) {
    const auto row = LongestSequences(shape, "here", memory);
    ASSERT_TRUE(row.ok()) << row.status();
    const auto bytes = [&](int64_t tokens) {
      const int64_t positions = std::max<int64_t>(tokens, shape.config.context);
      return kMatrices + kHead + kVectors + (kVocab + positions) * kRow + scratch +
             (tokens + 15) / 16 * kBlock;
    };
    EXPECT_GT(row->engine, 0);
    EXPECT_LE(bytes(row->engine), memory);
    EXPECT_GT(bytes(row->engine + 1), memory);
  }
}

TEST(PlanArticleTest, TakesOtherShapes) {
  const Json json = ParseOutput(RunPlumbline({"plan", "--article", "--json", "synthetic:13b"}));
  constexpr int64_t kPrinted[] = {2291, 2958, 4183, 4183};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(json.at("rows")[i].at("all_layers_tokens"), kPrinted[i]);
  }
  // Its bf16 weights alone are more than 24 GB.
  EXPECT_EQ(json.at("rows")[0].at("engine_tokens"), 0);
}

TEST(PlanCliTest, ReportsAndJsonAgree) {
  const Json json =
      ParseOutput(RunPlumbline({"plan", kSmall, "--json", "--context", "100", "--requests", "2",
                                "--weights", "f32", "--memory", "1GiB"}));
  EXPECT_EQ(json.at("memory_bytes"), int64_t{1} << 30);
  EXPECT_EQ(json.at("what_if"), true);
  const Json& cache = json.at("heads")[1].at("caches")[0];
  EXPECT_EQ(cache.at("kv_dtype"), "f32");
  EXPECT_EQ(cache.at("fits"), true);
  const Json& memory = cache.at("memory");
  EXPECT_EQ(memory.at("cache").at("blocks"), 14);  // 100 tokens: 7 blocks of 16, twice
  EXPECT_EQ(memory.at("total_bytes").get<int64_t>(),
            memory.at("weights").at("total_bytes").get<int64_t>() +
                memory.at("scratch").at("total_bytes").get<int64_t>() +
                memory.at("cache").at("allocated_bytes").get<int64_t>() +
                memory.at("compiled_bytes").get<int64_t>());
  EXPECT_GT(memory.at("compiled_bytes"), 0);
}

TEST(PlanCliTest, TextFitsTheTerminalAndNamesWhatIsMissing) {
  const BinaryResult article = RunPlumbline({"plan", "--article"});
  EXPECT_EQ(article.exit_code, 0) << article.err;
  ExpectFitsTerminal(article.out);
  EXPECT_THAT(article.out, HasSubstr("7,637"));
  EXPECT_THAT(article.out, HasSubstr("48,304"));
  const BinaryResult plan = RunPlumbline({"plan", kSmall, "--threads", "7"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  ExpectFitsTerminal(plan.out);
}

TEST(PlanCliTest, BadInput) {
  const std::vector<std::vector<std::string>> wrong_use = {{"plan", "--context", "0"},
                                                           {"plan", "--requests", "0"},
                                                           {"plan", "--requests", "-1"},
                                                           {"plan", "--memory", ""},
                                                           {"plan", "--chunk-tokens", "0"},
                                                           {"plan", "--weights", "q8"},
                                                           {"plan", "--block-tokens", "0"},
                                                           {"plan", "--prompt", "x"},
                                                           {"plan", "a", "b"}};
  for (const auto& use : wrong_use) {
    EXPECT_EQ(RunPlumbline(use).exit_code, 2) << testing::PrintToString(use);
  }
  const std::vector<std::vector<std::string>> errors = {{"plan", "no-such-file.gguf"},
                                                        {"plan", "synthetic:none"},
                                                        {"plan", kSmall, "--memory", "80XB"},
                                                        {"plan", kSmall, "--memory", "1e99GB"},
                                                        {"plan", "--article", "--memory", "nan"},
                                                        {"plan", kSmall, "--machine", "/nowhere"}};
  for (const auto& use : errors) {
    const BinaryResult result = RunPlumbline(use);
    EXPECT_EQ(result.exit_code, 1) << testing::PrintToString(use);
    EXPECT_THAT(result.err, HasSubstr("plumbline: error: "));
  }
}

}  // namespace
}  // namespace plumbline::plan_test
