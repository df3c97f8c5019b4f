// The options of `plumbline scale`.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/cli_commands.h"
#include "tools/cli_options.h"
#include "tools/scale_sweeps.h"

namespace plumbline {
namespace {

constexpr int64_t kLeastLongest = 16, kMostLongest = int64_t{1} << 20;  // --max
constexpr int kMostRepetitionsAsked = 10000;
constexpr double kLeastMinutes = 0.001, kMostMinutes = 10000;

// Names of sweeps with commas between them.
void AddSweeps(CLI::App* app, std::vector<std::string>& sweeps) {
  const auto take = [&sweeps](const CLI::results_t& results) {
    for (const std::string& list : results) {
      for (const absl::string_view name : absl::StrSplit(list, ',')) sweeps.emplace_back(name);
    }
    return true;
  };
  const auto check = [](const std::string& list) {
    const std::vector<std::string>& known = ScaleSweepGroups();
    for (const absl::string_view name : absl::StrSplit(list, ',')) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      return absl::StrCat("\"", name, "\" is no sweep: use some of ", absl::StrJoin(known, ","));
    }
    return std::string();
  };
  app->add_option("--sweeps", take, "only these, with commas between them")
      ->type_name("NAMES")
      ->type_size(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::Validator(check, ""));
}

void AddExtent(CLI::App* app, ScaleOptions& options) {
  app->add_flag("--quick", options.quick, "at most 90 seconds: fewer and shorter points");
  AddSweeps(app, options.sweeps);
  AddWhole(app, "--max", options.max_tokens, kLeastLongest, kMostLongest,
           "longest prompt and context (default: 8192)");
  app->add_flag("--no-cache", options.no_cache,
                "generation without a cache up to the longest prompt, not just 1024");
  AddReal(app, "--minutes", options.minutes, kLeastMinutes, kMostMinutes, "for everything together")
      ->default_str("10");
  AddReal(app, "--precision", options.precision_percent, 0.01, 100,
          "a point is done when its median is known to +- X percent");
  AddWhole(app, "--repetitions", options.repetitions, 1, kMostRepetitionsAsked,
           "at most, of a point")
      ->capture_default_str();
}

void AddHow(CLI::App* app, ScaleOptions& options) {
  AddThreads(app, options.threads);
  AddNumericTypes(app, options.weights, options.kv_dtype);
  AddWhole(app, "--block-tokens", options.block_tokens, 1, kMaxTokens, "tokens of a cache block")
      ->capture_default_str();
  AddWhole(app, "--chunk-tokens", options.chunk_tokens, 1, kMaxTokens, "prompt tokens of a step")
      ->capture_default_str();
}

}  // namespace

void AddScale(CLI::App& app, Commands& commands, const Streams& streams) {
  ScaleOptions& options = commands.scale;
  CLI::App* sub = app.add_subcommand(
      "scale",
      "Measures how prefill and decode grow, beside the formulas.\n"
      "Sweeps prompt length, context, batch, layers, heads, KV heads, blocks and chunks,\n"
      "and runs the counter-examples: no cache, stored scores, passes apart, one block\n"
      "for a whole sequence. Repetitions are interleaved; a point stops when it is known\n"
      "well enough. Without -m the toy model and synthetic:gpt2-small run; sweeps over\n"
      "layers and heads need a synthetic model.\n");
  AddTexts(sub, "-m,--model", options.models, "GGUF file or synthetic:NAME...; may be repeated",
           "MODEL")
      ->check(NotEmpty());
  AddExtent(sub, options);
  AddHow(sub, options);
  AddText(sub, "--machine", options.machine, "FILE",
          "profile to predict from (default: what calibrate left)");
  AddText(sub, "-o,--output", options.output, "FOLDER",
          "write samples.json and .csv, findings.json and page.html");
  AddText(sub, "--resume", options.resume, "FOLDER", "go on with what an earlier -o holds");
  sub->add_flag("--verbose", options.verbose, "print all findings, not only what matters most");
  sub->add_flag("--json", options.json, "print findings and every sample as one JSON object");
  sub->footer(absl::StrCat(
      "Sweeps: prefill, decode, batch, chunk, no_cache, attention, softmax, ffn, paged,\n"
      "block, layers, heads, kv_heads.\n"
      "Examples:\n"
      "  plumbline scale --quick\n"
      "  plumbline scale -o study\n"
      "  plumbline scale --resume study\n"
      "  plumbline scale -m model.gguf --sweeps prefill,decode --max 4096 --json\n"
      "  plumbline scale -m synthetic:llama-160m,kv_heads=4 --sweeps kv_heads --minutes 3\n"
      "Ctrl-C ends the study and shows what there is; --resume goes on from there, with\n"
      "the same options."));
  sub->callback([&options, &commands, &streams] {
    commands.run = [&options, &streams] { return RunScale(options, streams.out); };
  });
}

}  // namespace plumbline
