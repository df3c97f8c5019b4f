#include "tools/cli_commands.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/tensor_source.h"
#include "tools/progress.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr int64_t kMaxMib = std::numeric_limits<int64_t>::max() >> 20;
constexpr int kMaxThreads = 256;
constexpr int kMaxTokens = 65536;  // of a block and of a step
constexpr int kMaxLogprobs = 1000000;

// The list of subcommands shows the first line of each description only.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* sub) const override {
    const std::string description = sub->get_description();
    std::stringstream out;
    CLI::detail::format_help(out, sub->get_name(), description.substr(0, description.find('\n')),
                             get_column_width());
    return out.str();
  }
};

// A whole number. The validator's own description is left out: the help tells what it means.
template <class T, class Bound>
CLI::Option* AddWhole(CLI::App* app, const std::string& names, T& value, Bound low, Bound high,
                      const std::string& help) {
  CLI::Option* option = app->add_option(names, value, help)->type_name("N");
  option->check(CLI::Range(low, high).description(""));
  return option;
}

// A number with a fraction. CLI::Range would let NaN pass.
void AddReal(CLI::App* app, const std::string& name, double& value, double low, double high,
             const std::string& help) {
  const auto check = [=](const std::string& input) {
    double number = 0;
    if (absl::SimpleAtod(input, &number) && number >= low && number <= high) return std::string();
    return absl::StrCat("\"", input, "\" is not a number from ", low, " to ", high);
  };
  app->add_option(name, value, help)
      ->type_name("X")
      ->check(CLI::Validator(check, ""))
      ->capture_default_str();
}

// The library would take -1 for the largest number.
CLI::Validator IsSeed() {
  const auto check = [](const std::string& input) {
    uint64_t seed = 0;
    if (absl::SimpleAtoi(input, &seed)) return std::string();
    return absl::StrCat("\"", input, "\" is not a whole number from 0 to 2^64 - 1");
  };
  return CLI::Validator(check, "");
}

void AddChoice(CLI::App* app, const std::string& name, std::string& value,
               const std::vector<std::string>& choices, const std::string& help) {
  app->add_option(name, value, help)
      ->type_name(absl::StrJoin(choices, "|"))
      ->check(CLI::IsMember(choices).description(""))
      ->capture_default_str();
}

CLI::Validator NotEmpty() {
  const auto check = [](const std::string& input) {
    return input.empty() ? std::string("at least one character is needed") : std::string();
  };
  return CLI::Validator(check, "");
}

CLI::Option* AddText(CLI::App* app, const std::string& names, std::string& value,
                     const std::string& type, const std::string& help) {
  return app->add_option(names, value, help)->type_name(type)->check(NotEmpty());
}

// A list of which each use of the option gives one entry, taken as it is: the library would read
// brackets and braces as lists.
CLI::Option* AddTexts(CLI::App* app, const std::string& names, std::vector<std::string>& texts,
                      const std::string& help) {
  const auto take = [&texts](const CLI::results_t& results) {
    texts = results;
    return true;
  };
  return app->add_option(names, take, help)
      ->type_name("TEXT")
      ->type_size(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddModel(CLI::App* app, const std::string& names, std::string& model) {
  AddText(app, names, model, "MODEL", "GGUF file or synthetic:NAME[,key=value...]");
}

void AddThreads(CLI::App* app, int& threads) {
  AddWhole(app, "--threads", threads, 1, kMaxThreads, "default: the cores it may use");
}

void AddSampling(CLI::App* app, GenerateOptions& options) {
  SamplingParams& sampling = options.sampling;
  AddReal(app, "--temperature", sampling.temperature, 0, 1e6, "0: always the likeliest token");
  AddWhole(app, "--top-k", sampling.top_k, 0, kMaxInt, "draw from the K likeliest tokens (0: all)")
      ->capture_default_str();
  AddReal(app, "--top-p", sampling.top_p, 1e-9, 1, "draw from the likeliest that make up P");
  AddReal(app, "--min-p", sampling.min_p, 0, 1, "none below P times the likeliest");
  AddReal(app, "--repeat-penalty", sampling.repeat_penalty, 1e-6, 1e6, "for tokens seen (1: off)");
  app->add_option("--seed", sampling.seed, "each prompt uses the seed itself")
      ->type_name("N")
      ->check(IsSeed())
      ->capture_default_str();
}

void AddEngine(CLI::App* app, GenerateOptions& options) {
  AddThreads(app, options.threads);
  AddChoice(app, "--weights", options.weights, {"auto", "f32", "bf16"},
            "auto: bf16 where the CPU has it, else f32");
  AddChoice(app, "--kv-dtype", options.kv_dtype, {"auto", "f32", "f16", "bf16"},
            "of the cache; auto: bf16 with bf16 weights");
  AddWhole(app, "--block-tokens", options.block_tokens, 1, kMaxTokens, "tokens of a cache block")
      ->capture_default_str();
  AddWhole(app, "--chunk-tokens", options.chunk_tokens, 1, kMaxTokens, "most tokens of a step")
      ->capture_default_str();
  CLI::Option* mib = AddWhole(app, "--cache-mib", options.cache_mib, int64_t{1}, kMaxMib,
                              "cache size (default: as needed)");
  AddWhole(app, "--cache-blocks", options.cache_blocks, int64_t{1}, int64_t{kMaxInt},
           "cache size in blocks, instead")
      ->excludes(mib);
}

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
  AddTexts(sub, "--stop", options.stop, "ends the text; may be repeated")->check(NotEmpty());
  AddSampling(sub, options);
  AddEngine(sub, options);
  AddWhole(sub, "--logprobs", options.logprobs, 0, kMaxLogprobs,
           "with --json: the K likeliest at each token")
      ->capture_default_str();
  sub->add_flag("--json", options.json, "print one JSON object and nothing else");
  sub->footer(
      "Examples:\n"
      "  plumbline generate -p \"ROMEO:\"\n"
      "  plumbline generate -p \"ROMEO:\" -p \"JULIET:\" --temperature 0.8 --seed 7\n"
      "  plumbline generate -m model.gguf -f prompts.txt --json --logprobs 5\n"
      "  plumbline generate -m synthetic:llama-160m,kv_heads=4 -p \"any text\"\n"
      "Ctrl-C ends the run and prints what there is; a second one ends at once.");
  sub->callback([&commands, &options, &streams] {
    if (options.prompts.empty() && options.prompt_file.empty()) {
      commands.usage_error = "a prompt is needed: give one with -p TEXT or -f FILE";
    }
    commands.run = [&options, &streams] {
      return RunGenerate(options, streams.out_is_terminal, streams.out);
    };
  });
}

void AddInspect(CLI::App& app, Commands& commands, const Streams& streams) {
  InspectOptions& options = commands.inspect;
  CLI::App* sub = app.add_subcommand(
      "inspect",
      "Shows a model's shape and bytes, and this machine.\n"
      "Parameters and weight bytes by class, cache bytes of a token, the largest context\n"
      "that free memory holds, which instructions will run, and whether a prompt's\n"
      "results are the same bits whatever runs beside it. Loads no weights.\n");
  AddModel(sub, "-m,--model,model", options.model);
  AddThreads(sub, options.threads);
  sub->add_flag("--json", options.json, "print one JSON object");
  sub->footer(
      "Examples:\n"
      "  plumbline inspect model.gguf\n"
      "  plumbline inspect synthetic:13b,kv_heads=8 --json");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] { return RunInspect(options, streams.out); };
  });
}

absl::Status TokenizeFrom(TokenizeOptions options, const Streams& streams) {
  absl::StatusOr<std::string> model = ModelOrToy(options.model);
  if (!model.ok()) return model.status();
  if (!IsSyntheticName(*model)) {
    options.model = *std::move(model);
    return RunTokenize(options, streams.in, streams.out);
  }
  const auto source = OpenModel(*model);
  if (!source.ok()) return source.status();
  const auto tokenizer = (*source)->MakeTokenizer();
  if (!tokenizer.ok()) return tokenizer.status();
  return RunTokenize(**tokenizer, options, streams.in, streams.out);
}

void AddTokenize(CLI::App& app, Commands& commands, const Streams& streams) {
  TokenizeOptions& options = commands.tokenize;
  CLI::App* sub = app.add_subcommand(
      "tokenize",
      "Turns text into token ids, and back.\n"
      "Reads standard input to its end, byte for byte. Looks at the vocabulary alone, so\n"
      "that vocabulary-only files of any architecture work.\n");
  AddModel(sub, "-m,--model", options.model);
  sub->add_flag("--no-bos", commands.no_bos, "no start token, even where one is usual");
  sub->add_flag("--special", options.parse_special, "control tokens in the text become ids");
  CLI::Option* json = sub->add_flag("--json", options.json, "print {\"token_ids\": [...]}");
  sub->add_flag("--decode", options.decode, "read ids, separated by white space")->excludes(json);
  sub->footer(
      "Examples:\n"
      "  printf 'To be' | plumbline tokenize -m model.gguf\n"
      "  echo 812 25 | plumbline tokenize --decode");
  sub->callback([&commands, &options, &streams] {
    options.add_bos = !commands.no_bos;
    commands.run = [&options, &streams] { return TokenizeFrom(options, streams); };
  });
}

absl::Status SynthWithProgress(SynthOptions options) {
  constexpr int64_t kParts = 1000;
  Progress progress("writing " + options.output, kParts);
  options.progress = [&progress](double fraction) {
    progress.Set(static_cast<int64_t>(fraction * static_cast<double>(kParts)));
  };
  return RunSynth(options);
}

void AddSynth(CLI::App& app, Commands& commands) {
  SynthOptions& options = commands.synth;
  CLI::App* sub = app.add_subcommand(
      "synth",
      "Writes a synthetic model as a GGUF file.\n"
      "Its weights are random, but the same for the same seed; text becomes tokens byte\n"
      "by byte. Other engines load the file.\n");
  AddText(sub, "-m,--model,model", options.model, "MODEL", "synthetic:NAME[,key=value...]")
      ->required();
  AddText(sub, "-o,--output", options.output, "FILE", "file to write")->required();
  AddChoice(sub, "--type", options.type, {"bf16", "f32", "f16", "q8_0", "q4_0"}, "of the matrices");
  sub->footer(
      "Names: gpt2-small, gpt2-medium, gpt2-large, 13b, tinyllama-1.1b, llama-160m.\n"
      "Keys: width, layers, heads, kv_heads, ffn, vocab, context, seed.\n"
      "Example:\n"
      "  plumbline synth synthetic:llama-160m,kv_heads=4 -o small.gguf");
  sub->callback(
      [&commands, &options] { commands.run = [&options] { return SynthWithProgress(options); }; });
}

}  // namespace

void AddCommands(CLI::App& app, Commands& commands, const Streams& streams) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", PLUMBLINE_VERSION);
  AddChoice(&app, "--log-level", commands.log_level, {"debug", "info", "warn", "error", "off"},
            "of diagnostics on standard error");
  app.require_subcommand(1);
  app.fallthrough();
  AddGenerate(app, commands, streams);
  AddInspect(app, commands, streams);
  AddTokenize(app, commands, streams);
  AddSynth(app, commands);
  app.footer(
      "Start with:          plumbline generate -p \"ROMEO:\"\n"
      "More on a command:   plumbline generate --help\n"
      "Exit codes:          0 done, 1 error, 2 wrong usage, 130 interrupted");
}

}  // namespace plumbline
