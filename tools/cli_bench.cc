// The options of `plumbline bench`.
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/cli_commands.h"
#include "tools/cli_options.h"
#include "tools/numeric_options.h"

namespace plumbline {
namespace {

constexpr int kMostBenchRepetitions = 10000;

// Lists with commas; an option that is used again adds to its list.
CLI::Option* AddList(CLI::App* app, const std::string& names, const CLI::callback_t& take,
                     const std::string& type, const std::string& help) {
  return app->add_option(names, take, help)
      ->type_name(type)
      ->type_size(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddNumbers(CLI::App* app, const std::string& names, std::vector<int64_t>& numbers, int64_t low,
                int64_t high, const std::string& help) {
  const auto check = [low, high](const std::string& list) {
    return std::string(ParseBenchNumbers(list, low, high).status().message());
  };
  const auto take = [&numbers, low, high](const CLI::results_t& results) {
    for (const std::string& list : results) {
      const auto parsed = ParseBenchNumbers(list, low, high);
      if (!parsed.ok()) return false;
      numbers.insert(numbers.end(), parsed->begin(), parsed->end());
    }
    return true;
  };
  AddList(app, names, take, "N,...", help)->check(CLI::Validator(check, ""));
}

void AddWords(CLI::App* app, const std::string& name, std::vector<std::string>& words,
              const std::vector<std::string>& known, const std::string& help) {
  const auto check = [known](const std::string& list) {
    for (const absl::string_view word : absl::StrSplit(list, ',')) {
      if (std::find(known.begin(), known.end(), word) != known.end()) continue;
      return absl::StrCat("\"", word, "\" is none of ", absl::StrJoin(known, ","));
    }
    return std::string();
  };
  const auto take = [&words](const CLI::results_t& results) {
    for (const std::string& list : results) {
      for (const absl::string_view word : absl::StrSplit(list, ',')) words.emplace_back(word);
    }
    return true;
  };
  AddList(app, name, take, "LIST", help)->check(CLI::Validator(check, ""));
}

void AddPromptGenerate(CLI::App* app, std::vector<BenchTest>& tests) {
  const auto check = [](const std::string& text) {
    return std::string(ParsePromptGenerate(text).status().message());
  };
  const auto take = [&tests](const CLI::results_t& results) {
    for (const std::string& text : results) {
      const auto test = ParsePromptGenerate(text);
      if (!test.ok()) return false;
      tests.push_back(*test);
    }
    return true;
  };
  AddList(app, "--pg", take, "P,N", "a prompt of P tokens, then N decoded; -pg too")
      ->check(CLI::Validator(check, ""));
}

void AddBenchTests(CLI::App* app, BenchOptions& options) {
  AddNumbers(app, "-p,--n-prompt", options.prompts, 0, kMostBenchTokens,
             "prompt tokens: tests ppN; 0: none (default: 512)");
  AddNumbers(app, "-n,--n-gen", options.generated, 0, kMostBenchTokens,
             "tokens decoded: tests tgN; 0: none (default: 128)");
  AddPromptGenerate(app, options.both);
  AddNumbers(app, "-d,--n-depth", options.depths, 0, kMostBenchTokens,
             "tokens that are in the cache before (default: 0)");
  AddNumbers(app, "-b,--streams", options.streams, 1, kMostBenchStreams,
             "sequences decoding together, for tgN (default: 1)");
}

void AddBenchHow(CLI::App* app, BenchOptions& options) {
  AddNumbers(app, "-t,--threads", options.threads, 1, kMaxThreads, "default: the cores it may use");
  AddWords(app, "--weights", options.weights, WeightWords(),
           "auto (bf16 where the CPU has it), f32, bf16,\n"
           "int8, q4");
  AddWords(app, "--kv-dtype", options.kv_dtypes, KvWords(),
           "auto (bf16, but f32 with f32 weights), f32, f16,\n"
           "bf16, int8");
  AddWhole(app, "-r,--repetitions", options.how.repetitions, 1, kMostBenchRepetitions, "of a test")
      ->capture_default_str();
  AddWhole(app, "--chunk-tokens", options.how.chunk_tokens, 1, kMaxTokens,
           "prompt tokens of a step")
      ->capture_default_str();
  AddWhole(app, "--block-tokens", options.how.block_tokens, 1, kMaxTokens,
           "tokens of a cache block")
      ->capture_default_str();
  AddSeed(app, options.how.seed, "of the tokens and of the cache's values");
}

}  // namespace

void AddBench(CLI::App& app, Commands& commands, const Streams& streams) {
  BenchOptions& options = commands.bench;
  CLI::App* sub = app.add_subcommand(
      "bench",
      "Measures tokens per second as llama-bench does, beside what is attainable.\n"
      "Tests are named as there: pp512 feeds a prompt of 512 tokens, tg128 decodes 128,\n"
      "\"@ d4096\" behind 4,096 tokens of context, \"x8\" in 8 sequences together. The\n"
      "machine's matmul rate and memory rate are measured around every repetition;\n"
      "\"attainable\" is the time that the test would take at these (the larger of bytes\n"
      "over the memory rate and operations over the matmul rate, by closed formulas)\n"
      "over the time it took. Depths are set up by filling the cache with seeded\n"
      "values.\n");
  AddTexts(sub, "-m,--model", options.models, "GGUF file or synthetic:NAME...; may be repeated",
           "MODEL")
      ->check(NotEmpty());
  AddBenchTests(sub, options);
  AddBenchHow(sub, options);
  CLI::Option* output = AddChoice(sub, "-o,--output", options.output, {"auto", "md", "json", "csv"},
                                  "auto: a table of 80 columns on a terminal, else md");
  sub->add_flag_callback(
         "--json", [&options] { options.output = "json"; }, "the same as -o json")
      ->excludes(output);
  sub->footer(
      "Lists take commas, and an option that is given again adds to its list. Every\n"
      "combination runs; what does not fit the context or the memory is listed with the\n"
      "reason. Unlike llama-bench's, -b counts sequences that decode together; what it\n"
      "calls -b and -ub is --chunk-tokens here.\n"
      "JSON: {version, cpu_info, block_tokens, filled, interrupted, results, left_out}.\n"
      "Results have llama-bench's fields (model_filename, n_prompt, n_gen, n_depth,\n"
      "avg_ns, stddev_ts, samples_ts, ...) and test, n_streams, weights, median_ts,\n"
      "q1_ts, q3_ts, attainable {median, q1, q3, bound}, attainable_by_class (the\n"
      "roofline of each class of work, added up), bytes_per_token, macs_per_token,\n"
      "counts_equal_formulas, the limits around each sample, and classes\n"
      "{median_seconds, macs and bytes, measured and by formula}.\n"
      "Examples:\n"
      "  plumbline bench\n"
      "  plumbline bench -m model.gguf -p 512 -n 32 -d 0,4096 -b 1,8 -t 2 -r 5\n"
      "  plumbline bench -m synthetic:llama-160m --weights f32,bf16 --kv-dtype f16,bf16\n"
      "  plumbline bench -p 0 -n 0 -pg 512,32 -o json\n"
      "Ctrl-C ends it and prints what there is.");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] {
      return RunBench(options, streams.out_is_terminal, streams.out);
    };
  });
}

}  // namespace plumbline
