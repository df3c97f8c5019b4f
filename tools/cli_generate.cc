// The options of `plumbline generate`.
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/cli_commands.h"
#include "tools/cli_options.h"

namespace plumbline {
namespace {

constexpr int64_t kMaxMib = std::numeric_limits<int64_t>::max() >> 20;
constexpr int kMaxLogprobs = 1000000;

void AddSampling(CLI::App* app, GenerateOptions& options) {
  SamplingParams& sampling = options.sampling;
  AddReal(app, "--temperature", sampling.temperature, 0, 1e6, "0: always the likeliest token");
  AddWhole(app, "--top-k", sampling.top_k, 0, kMaxInt, "draw from the K likeliest tokens (0: all)")
      ->capture_default_str();
  AddReal(app, "--top-p", sampling.top_p, 1e-9, 1, "draw from the likeliest that make up P");
  AddReal(app, "--min-p", sampling.min_p, 0, 1, "none below P times the likeliest");
  AddReal(app, "--repeat-penalty", sampling.repeat_penalty, 1e-6, 1e6, "for tokens seen (1: off)");
  AddSeed(app, sampling.seed, "each prompt uses the seed itself, and its samples those after it");
}

void AddEngine(CLI::App* app, GenerateOptions& options) {
  AddThreads(app, options.threads);
  AddNumericTypes(app, options.weights, options.kv_dtype);
  AddWhole(app, "--block-tokens", options.block_tokens, 1, kMaxTokens, "tokens of a cache block")
      ->capture_default_str();
  AddWhole(app, "--chunk-tokens", options.chunk_tokens, 1, kMaxTokens, "most tokens of a step")
      ->capture_default_str();
  CLI::Option* mib = AddWhole(app, "--cache-mib", options.cache_mib, int64_t{1}, kMaxMib,
                              "cache size (default: as needed)");
  AddWhole(app, "--cache-blocks", options.cache_blocks, int64_t{1}, int64_t{kMaxInt},
           "cache size in blocks, instead")
      ->excludes(mib);
  AddSharingAndPreemption(app, options.preempt, options.prefix_sharing);
}

constexpr absl::string_view kExamples =
    "Examples:\n"
    "  plumbline generate -p \"ROMEO:\"\n"
    "  plumbline generate -p \"ROMEO:\" -p \"JULIET:\" --temperature 0.8 --seed 7\n"
    "  plumbline generate -p \"ROMEO:\" -N 4 --temperature 0.8\n"
    "  plumbline generate -p \"ROMEO:\" -n 32 --no-cache\n"
    "  plumbline generate -m model.gguf -f prompts.txt --json --logprobs 5\n"
    "  plumbline generate -m synthetic:llama-160m,kv_heads=4 -p \"any text\"\n"
    "  plumbline generate -f prompts.txt --cache-blocks 64 --preempt swap\n"
    "  plumbline generate -p \"ROMEO:\" --plan-check\n"
    "Ctrl-C ends the run and prints what there is; a second one ends at once.";

}  // namespace

void AddGenerate(CLI::App& app, Commands& commands, const Streams& streams) {
  GenerateOptions& options = commands.generate;
  CLI::App* sub = app.add_subcommand(
      "generate",
      "Continues prompts, and shows what that cost.\n"
      "Text streams as it comes. A table follows: times, then multiply-accumulates and\n"
      "bytes by class of work, measured beside our formulas and those of the two\n"
      "articles. Several prompts run together, in one batch, and none changes another's\n"
      "tokens. Without -m the toy model runs.\n");
  AddModel(sub, "-m,--model", options.model);
  AddTexts(sub, "-p,--prompt", options.prompts, "text to continue; may be repeated");
  AddText(sub, "-f,--file", options.prompt_file, "FILE", "more prompts, one per line");
  AddWhole(sub, "-n,--tokens", options.max_new_tokens, 1, kMaxInt, "most new tokens of a prompt")
      ->capture_default_str();
  AddWhole(sub, "-N,--samples", options.samples, 1, kMaxSamples,
           "texts of each prompt, with seeds that count up")
      ->capture_default_str();
  AddTexts(sub, "--stop", options.stop, "ends the text; may be repeated")->check(NotEmpty());
  AddSampling(sub, options);
  AddEngine(sub, options);
  AddWhole(sub, "--logprobs", options.logprobs, 0, kMaxLogprobs,
           "with --json: the K likeliest at each token")
      ->capture_default_str();
  sub->add_flag("--no-cache", options.no_cache,
                "recompute the whole context for each token: what the cache saves, measured");
  AddText(sub, "--machine", options.machine, "FILE",
          "profile to predict times from (default: what calibrate left)");
  sub->add_flag("!--no-predict", options.predict, "predict no times, and measure no anchors");
  sub->add_flag("--plan-check", options.plan_check,
                "hold the planned memory against what the process takes (predicts no times)");
  sub->add_flag("--json", options.json, "print one JSON object and nothing else");
  sub->footer(std::string(kExamples));
  sub->callback([&commands, &options, &streams] {
    if (options.prompts.empty() && options.prompt_file.empty()) {
      commands.usage_error = "a prompt is needed: give one with -p TEXT or -f FILE";
    }
    if (commands.usage_error.empty()) {
      commands.usage_error = PreemptionUsageError(options.preempt);
    }
    commands.run = [&options, &streams] {
      return RunGenerate(options, streams.out_is_terminal, streams.out);
    };
  });
}

}  // namespace plumbline
