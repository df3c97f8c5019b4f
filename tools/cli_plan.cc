// The options of `plumbline plan`.
#include "tools/cli_commands.h"
#include "tools/cli_options.h"
#include "tools/numeric_options.h"

namespace plumbline {

void AddPlan(CLI::App& app, Commands& commands, const Streams& streams) {
  PlanOptions& options = commands.plan;
  constexpr int64_t kMostTokens = int64_t{1} << 28;
  constexpr int64_t kMostRequests = int64_t{1} << 31;
  CLI::App* sub = app.add_subcommand(
      "plan",
      "Plans memory and time before anything is loaded.\n"
      "Weights, cache, scratch and waste in bytes; the largest context and the most\n"
      "requests that fit; times to first token and of decode steps. For f32, f16,\n"
      "bf16 and int8 caches, and for MHA, GQA and MQA, side by side. Loads no weights.\n");
  AddModel(sub, "-m,--model,model", options.model);
  AddText(sub, "--memory", options.memory, "SIZE",
          "what if: 80GB, 16GiB, ... (default: what is free here)");
  AddWhole(sub, "--context", options.context, int64_t{1}, kMostTokens,
           "tokens of each request (default: the model's context)");
  AddWhole(sub, "--requests", options.requests, int64_t{1}, kMostRequests, "requests at once")
      ->capture_default_str();
  AddWhole(sub, "--prompt", options.prompt, int64_t{1}, kMostTokens,
           "one more prompt length to predict");
  AddWhole(sub, "--chunk-tokens", options.chunk_tokens, 1, kMaxTokens, "most tokens of a step")
      ->capture_default_str();
  AddWhole(sub, "--block-tokens", options.block_tokens, 1, kMaxTokens, "tokens of a cache block")
      ->capture_default_str();
  AddChoice(sub, "--weights", options.weights, WeightWords(),
            "auto: bf16 where the CPU has it, else f32");
  AddThreads(sub, options.threads);
  AddText(sub, "--machine", options.machine_file, "FILE",
          "machine profile (default: the one that `plumbline calibrate` left)");
  sub->add_flag("--article", options.article,
                "the article's table of longest sequences, and what this engine reaches");
  sub->add_flag("--json", options.json, "print one JSON object");
  sub->footer(
      "Shapes of the articles: synthetic:gpt2-small, gpt2-medium, gpt2-large, 13b, and\n"
      "llama-7b (32 layers of width 4096); each takes keys, as in synth --help.\n"
      "Examples:\n"
      "  plumbline plan model.gguf --context 4096 --requests 8\n"
      "  plumbline plan synthetic:13b --memory 80GB --context 2048\n"
      "  plumbline plan --article\n"
      "Held against real memory: plumbline generate --plan-check");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] { return RunPlan(options, streams.out); };
  });
}

}  // namespace plumbline
