// What `plumbline bench` runs: tests named as llama-bench names them, their steps, and what of them
// fits. Pure functions, safe from any thread.
#ifndef PLUMBLINE_TOOLS_BENCH_CASES_H_
#define PLUMBLINE_TOOLS_BENCH_CASES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/cost_model.h"
#include "engine/machine_profile.h"
#include "engine/memory_plan.h"

namespace plumbline {

inline constexpr int64_t kMostBenchTokens = int64_t{1} << 24;  // of a prompt, an output, a depth
inline constexpr int64_t kMostBenchStreams = 65536;

// Feeds `prompt` tokens in chunks, then decodes `generated` ones, behind `depth` tokens of which
// the cache holds seeded values. `streams` sequences decode together, one token of each per step.
struct BenchTest {
  int64_t prompt = 0;
  int64_t generated = 0;
  int64_t depth = 0;
  int64_t streams = 1;  // 1 where there is a prompt: prompts run one after another anyway

  // Tokens that the test is paid for: all streams'.
  int64_t tokens() const { return prompt + generated * streams; }
  bool operator==(const BenchTest&) const = default;
};

// "pp512", "tg32 x8", "pp512+tg32 @ d4096".
std::string BenchTestName(const BenchTest& test);

// What a command line asks for.
struct BenchTestLists {
  std::vector<int64_t> prompts;    // -p; 0: none
  std::vector<int64_t> generated;  // -n; 0: none
  std::vector<BenchTest> both;     // --pg: prompt and generated
  std::vector<int64_t> depths;
  std::vector<int64_t> streams;
};

// Every test of these lists, none twice: depth by depth, prompts before decoding, streams
// innermost. InvalidArgument where there is none, or more than 10,000.
absl::StatusOr<std::vector<BenchTest>> MakeBenchTests(const BenchTestLists& lists);

// "512,1024": whole numbers from `low` to `high`. InvalidArgument names the bad one.
absl::StatusOr<std::vector<int64_t>> ParseBenchNumbers(absl::string_view text, int64_t low,
                                                       int64_t high);
// "512,32": a prompt and the tokens generated behind it, both at least 1.
absl::StatusOr<BenchTest> ParsePromptGenerate(absl::string_view text);

// The spans of each step. Chunks have at most `chunk_tokens` tokens, and only a prompt's last token
// goes through the head. REQUIRES: chunk_tokens >= 1.
std::vector<std::vector<SpanShape>> BenchSteps(const BenchTest& test, int64_t chunk_tokens);

// The sizes that a model is loaded with so that it can run some tests.
struct BenchRoom {
  int64_t step_tokens = 1;
  int64_t spans = 1;
  int64_t cache_tokens = 0;  // in whole blocks

  // Room for this test too.
  void Add(const BenchTest& test, int64_t chunk_tokens, int64_t block_tokens);
};

// Why the test cannot run in `room`, which holds it already; empty where it can. `shape` has the
// model and its types; `free_bytes` 0: not known, everything fits.
std::string WhyLeftOut(const MemoryShape& shape, const BenchTest& test, const BenchRoom& room,
                       int64_t free_bytes);

// What a machine that did nothing but multiply and read at its limits would take.
struct AttainableTime {
  double seconds = 0;           // each step: the larger of operations and bytes over their rates
  double by_class_seconds = 0;  // the same for each class of work of each step
  double compute_seconds = 0;   // operations over their rate, all steps
  double memory_seconds = 0;    // bytes over theirs
  bool compute_bound() const { return compute_seconds >= memory_seconds; }
};
// From the formulas of cost_model: useful operations, two per multiply-accumulate, and the bytes of
// weights, keys and values that each step moves. REQUIRES: both limits are positive.
AttainableTime Attainable(const CostShape& shape, const std::vector<std::vector<SpanShape>>& steps,
                          const Anchors& limits);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_BENCH_CASES_H_
