// The options of `plumbline perplexity`.
#include <cstdint>
#include <string>

#include "absl/strings/str_join.h"
#include "tools/cli_commands.h"
#include "tools/cli_options.h"
#include "tools/numeric_options.h"
#include "tools/perplexity_setup.h"

namespace plumbline {
namespace {

// For check(): what `parse` refuses, in its words.
template <class Parse>
CLI::Validator Parses(const Parse& parse) {
  const auto check = [parse](const std::string& input) {
    const auto parsed = parse(input);
    return parsed.ok() ? std::string() : std::string(parsed.status().message());
  };
  return CLI::Validator(check, "");
}

template <class Dtypes, class Name>
std::string Names(const Dtypes& dtypes, const Name& name) {
  return absl::StrJoin(dtypes, ",", [&name](std::string* out, const auto& dtype) {
    out->append(name(dtype).data(), name(dtype).size());
  });
}

void AddTypeLists(CLI::App* sub, PerplexityOptions& options) {
  sub->add_option("--against", options.against, "reference: WEIGHTS (f32 cache) or WEIGHTS/CACHE")
      ->type_name("TYPES")
      ->check(Parses(&ParseNumericTypes))
      ->capture_default_str();
  sub->add_option(
         "--weights", options.weights,
         "some of " + Names(kWeightDtypes, &WeightDtypeName) + " (default: all that run here)")
      ->type_name("LIST")
      ->check(Parses(&ParseWeightDtypes));
  sub->add_option("--kv-dtype", options.kv_dtype,
                  "some of " + Names(kKvDtypes, &KvDtypeName) + ", of the cache (default: all)")
      ->type_name("LIST")
      ->check(Parses(&ParseKvDtypes));
}

}  // namespace

void AddPerplexity(CLI::App& app, Commands& commands, const Streams& streams) {
  PerplexityOptions& options = commands.perplexity;
  constexpr int64_t kMostPositions = int64_t{1} << 28;
  CLI::App* sub = app.add_subcommand(
      "perplexity",
      "Measures what numeric types cost in quality.\n"
      "How well the model predicts a text, as perplexity, for every dtype of weights\n"
      "and of the cache; and how far each moves the next token's distribution from a\n"
      "reference: mean and 99th percentile of the KL divergence, and how often both\n"
      "find the same token likeliest. Without -m the toy model runs.\n");
  AddModel(sub, "-m,--model", options.model);
  AddText(sub, "-f,--file", options.text_file, "TEXT", "text file; - for standard input")
      ->required();
  AddTypeLists(sub, options);
  AddWhole(sub, "--context", options.context, int64_t{2}, kMostPositions,
           "of a window, in tokens (default: the model's)");
  AddWhole(sub, "--stride", options.stride, int64_t{1}, kMostPositions,
           "tokens that a window scores (default: half of it)");
  AddWhole(sub, "--chunk-tokens", options.chunk_tokens, 1, kMaxTokens, "most tokens of a step")
      ->capture_default_str();
  AddThreads(sub, options.threads);
  sub->add_flag("--json", options.json, "print one JSON object and nothing else");
  sub->footer(
      "Windows begin --stride tokens apart; each scores its last --stride tokens, so\n"
      "that every token but the first few is scored once, behind enough of the text.\n"
      "The last window may be shorter. Where the vocabulary wants a start token, every\n"
      "window has one. All models run side by side, as many as memory holds.\n"
      "Examples:\n"
      "  plumbline perplexity -f text.txt\n"
      "  plumbline perplexity -m model.gguf -f text.txt --kv-dtype f16,bf16\n"
      "  plumbline perplexity -m model.gguf -f text.txt --against bf16/bf16 --json\n"
      "  plumbline perplexity -m synthetic:gpt2-small,context=512 -f text.txt\n"
      "  head -c 20000 text.txt | plumbline perplexity -f -\n"
      "Ctrl-C prints the windows that are done.");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] { return RunPerplexity(options, streams.in, streams.out); };
  });
}

}  // namespace plumbline
