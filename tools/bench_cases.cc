#include "tools/bench_cases.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/rounding.h"
#include "engine/work.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr size_t kMostBenchTests = 10000;

// One test of each depth and, for decoding, of each number of streams.
class BenchTestMaker {
 public:
  absl::Status Add(const BenchTest& test) {
    if (std::find(tests_.begin(), tests_.end(), test) != tests_.end()) return absl::OkStatus();
    if (tests_.size() == kMostBenchTests) {
      return absl::InvalidArgumentError(
          absl::StrCat("the lists make more than ", kMostBenchTests, " tests: shorten them"));
    }
    tests_.push_back(test);
    return absl::OkStatus();
  }

  absl::Status AddDepth(const BenchTestLists& lists, int64_t depth) {
    absl::Status status;
    for (const int64_t prompt : lists.prompts) {
      if (prompt > 0 && status.ok()) status = Add({prompt, 0, depth, 1});
    }
    for (const int64_t generated : lists.generated) {
      for (const int64_t streams : lists.streams) {
        if (generated > 0 && status.ok()) status = Add({0, generated, depth, streams});
      }
    }
    for (BenchTest both : lists.both) {
      both.depth = depth;
      if (status.ok()) status = Add(both);
    }
    return status;
  }

  std::vector<BenchTest> Take() { return std::move(tests_); }

 private:
  std::vector<BenchTest> tests_;
};

std::string MemoryMisfit(const MemoryShape& shape, const BenchRoom& room, int64_t free_bytes) {
  const KvGeometry geometry = shape.config.CacheGeometry(shape.kv_dtype, shape.block_tokens);
  const MemoryPlan plan =
      PlanRun(shape, room.step_tokens, room.spans, geometry.BlocksFor(room.cache_tokens));
  if (Fits(plan, free_bytes)) return "";
  return absl::StrCat("needs ", FormatSi(static_cast<double>(plan.needed())), "B (cache ",
                      FormatSi(static_cast<double>(plan.cache.allocated_bytes)), "B), and ",
                      FormatSi(static_cast<double>(free_bytes)),
                      "B are free: free some memory, or take fewer streams, a smaller depth or "
                      "narrower numeric types");
}

}  // namespace

std::string BenchTestName(const BenchTest& test) {
  std::string name;
  if (test.prompt > 0) absl::StrAppend(&name, "pp", test.prompt);
  if (test.prompt > 0 && test.generated > 0) name += "+";
  if (test.generated > 0) absl::StrAppend(&name, "tg", test.generated);
  if (test.streams > 1) absl::StrAppend(&name, " x", test.streams);
  if (test.depth > 0) absl::StrAppend(&name, " @ d", test.depth);
  return name;
}

absl::StatusOr<std::vector<BenchTest>> MakeBenchTests(const BenchTestLists& lists) {
  BenchTestMaker maker;
  for (const int64_t depth : lists.depths) {
    if (absl::Status status = maker.AddDepth(lists, depth); !status.ok()) return status;
  }
  std::vector<BenchTest> tests = maker.Take();
  if (!tests.empty()) return tests;
  return absl::InvalidArgumentError(
      "there is nothing to test: give -p or -n at least one number above 0, or use --pg");
}

absl::StatusOr<std::vector<int64_t>> ParseBenchNumbers(absl::string_view text, int64_t low,
                                                       int64_t high) {
  std::vector<int64_t> numbers;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(word, &number) || number < low || number > high) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", word, "\" is not a whole number from ", low, " to ", high));
    }
    numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<BenchTest> ParsePromptGenerate(absl::string_view text) {
  const auto numbers = ParseBenchNumbers(text, 1, kMostBenchTokens);
  if (!numbers.ok()) return numbers.status();
  if (numbers->size() == 2) return BenchTest{(*numbers)[0], (*numbers)[1], 0, 1};
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" must be two numbers, prompt and output: 512,32"));
}

std::vector<std::vector<SpanShape>> BenchSteps(const BenchTest& test, int64_t chunk_tokens) {
  std::vector<std::vector<SpanShape>> steps;
  for (int64_t done = 0; done < test.prompt; done += chunk_tokens) {
    const int64_t count = std::min(chunk_tokens, test.prompt - done);
    const int64_t logit_rows = done + count == test.prompt ? 1 : 0;
    steps.push_back({{test.depth + done, count, logit_rows}});
  }
  for (int64_t i = 0; i < test.generated; ++i) {
    steps.emplace_back(static_cast<size_t>(test.streams),
                       SpanShape{test.depth + test.prompt + i, 1, 1});
  }
  return steps;
}

void BenchRoom::Add(const BenchTest& test, int64_t chunk_tokens, int64_t block_tokens) {
  const int64_t positions = test.depth + test.prompt + test.generated;
  step_tokens = std::max({step_tokens, std::min(chunk_tokens, test.prompt), test.streams});
  spans = std::max(spans, test.streams);
  cache_tokens = std::max(cache_tokens, test.streams * RoundUp(positions, block_tokens));
}

std::string WhyLeftOut(const MemoryShape& shape, const BenchTest& test, const BenchRoom& room,
                       int64_t free_bytes) {
  const int64_t positions = test.depth + test.prompt + test.generated;
  if (positions > shape.config.context) {
    return absl::StrCat("needs ", FormatCount(positions), " positions, and the model has ",
                        FormatCount(shape.config.context),
                        ": take a smaller depth, or a model with a longer context (synthetic: add "
                        "context=",
                        positions, ")");
  }
  return free_bytes == 0 ? std::string() : MemoryMisfit(shape, room, free_bytes);
}

AttainableTime Attainable(const CostShape& shape, const std::vector<std::vector<SpanShape>>& steps,
                          const Anchors& limits) {
  AttainableTime time;
  for (const std::vector<SpanShape>& spans : steps) {
    MacCounts macs;
    for (const SpanShape& span : spans) macs += SpanMacs(shape, span);
    const ByteCounts bytes = StepBytes(shape, spans);
    double compute = 0, memory = 0;
    for (size_t c = 0; c < kNumWorkClasses; ++c) {
      const double products =
          kFlopsPerMac * static_cast<double>(macs.useful[c]) / limits.matmul_flops_per_second;
      const double reads = static_cast<double>(bytes[c]) / limits.read_bytes_per_second;
      time.by_class_seconds += std::max(products, reads);
      compute += products;
      memory += reads;
    }
    time.seconds += std::max(compute, memory);
    time.compute_seconds += compute;
    time.memory_seconds += memory;
  }
  return time;
}

}  // namespace plumbline
