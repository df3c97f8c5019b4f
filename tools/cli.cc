#include "tools/cli.h"

#include <cmath>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"
#include "tools/generate.h"
#include "tools/inspect.h"
#include "tools/progress.h"
#include "tools/synth.h"
#include "tools/tokenize.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
constexpr const char* kModelHelp =
    "GGUF file, or synthetic:NAME[,key=value...] (default: the toy model)";

// What the command line said; `run` is the subcommand's work.
struct Commands {
  GenerateOptions generate;
  InspectOptions inspect;
  TokenizeOptions tokenize;
  SynthOptions synth;
  bool no_bos = false;
  std::string log_level = "info";
  std::function<absl::Status()> run;
};

// CLI::Range lets NaN pass.
CLI::Validator Within(double low, double high, const std::string& text) {
  return CLI::Validator(
      [=](const std::string& input) {
        double value = 0;
        if (absl::SimpleAtod(input, &value) && value >= low && value <= high) return std::string();
        return absl::StrCat("\"", input, "\" is not a number ", text);
      },
      text);
}

CLI::Validator NotEmpty() {
  return CLI::Validator(
      [](const std::string& input) {
        return input.empty() ? std::string("at least one character is needed") : std::string();
      },
      "TEXT");
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

void AddSampling(CLI::App* app, GenerateOptions& options) {
  SamplingParams& sampling = options.sampling;
  app->add_option("--temperature", sampling.temperature, "0 takes the most likely token")
      ->check(Within(0, 1e6, "from 0 to 1e6"))
      ->capture_default_str();
  app->add_option("--top-k", sampling.top_k, "draw from the K most likely tokens (0: all)")
      ->check(CLI::Range(0, kMaxInt).description("from 0 up"))
      ->capture_default_str();
  app->add_option("--top-p", sampling.top_p, "draw from the likeliest tokens that make up P")
      ->check(Within(1e-9, 1, "above 0, up to 1"))
      ->capture_default_str();
  app->add_option("--min-p", sampling.min_p, "leave out tokens less than P times the likeliest")
      ->check(Within(0, 1, "from 0 to 1"))
      ->capture_default_str();
  app->add_option("--repeat-penalty", sampling.repeat_penalty, "against tokens seen (1: off)")
      ->check(Within(1e-6, 1e6, "from 1e-6 to 1e6"))
      ->capture_default_str();
  app->add_option("--seed", sampling.seed, "each prompt uses the seed itself")
      ->capture_default_str();
}

void AddEngine(CLI::App* app, GenerateOptions& options) {
  app->add_option("--threads", options.threads, "default: the cores this process may use")
      ->check(CLI::Range(1, 256));
  app->add_option("--weights", options.weights, "auto: bf16 where the CPU has it, else f32")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}))
      ->capture_default_str();
  app->add_option("--kv-dtype", options.kv_dtype, "of the cache; auto: bf16 with bf16 weights")
      ->check(CLI::IsMember({"auto", "f32", "f16", "bf16"}))
      ->capture_default_str();
  app->add_option("--block-tokens", options.block_tokens, "tokens of a cache block")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app->add_option("--chunk-tokens", options.chunk_tokens, "most tokens of one step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  CLI::Option* mib = app->add_option("--cache-mib", options.cache_mib,
                                     "size of the cache (default: what the prompts need)");
  mib->check(CLI::Range(int64_t{1}, kMaxInt64 >> 20).description("from 1 up"));
  app->add_option("--cache-blocks", options.cache_blocks, "the same in blocks")
      ->check(CLI::Range(int64_t{1}, int64_t{kMaxInt}).description("from 1 up"))
      ->excludes(mib);
}

void AddGenerate(CLI::App& app, Commands& commands, const Streams& streams) {
  GenerateOptions& options = commands.generate;
  CLI::App* sub = app.add_subcommand(
      "generate",
      "Continues a prompt, and holds what it cost against what the formulas say.\nText streams as "
      "it comes; a table follows: times, multiply-accumulates and bytes by\nclass of work, "
      "measured "
      "beside our formulas and those of the two articles.\nSeveral prompts run together, in one "
      "batch; none changes another's tokens.");
  sub->add_option("-m,--model", options.model, kModelHelp)->check(NotEmpty())->type_name("MODEL");
  CLI::Option_group* prompts = sub->add_option_group("Prompts", "at least one is needed");
  prompts->require_option(1, 2);
  AddTexts(prompts, "-p,--prompt", options.prompts, "may be given several times");
  prompts->add_option("-f,--file", options.prompt_file, "one prompt per line")
      ->check(NotEmpty())
      ->type_name("FILE");
  sub->add_option("-n,--tokens", options.max_new_tokens, "most new tokens per prompt")
      ->check(CLI::Range(1, kMaxInt).description("from 1 up"))
      ->capture_default_str();
  AddTexts(sub, "--stop", options.stop, "ends the text; may be given several times")
      ->check(NotEmpty());
  AddSampling(sub, options);
  AddEngine(sub, options);
  sub->add_option("--logprobs", options.logprobs, "with --json: the K likeliest of each token")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  sub->add_flag("--json", options.json, "print one JSON object and nothing else");
  sub->footer(
      "Examples:\n"
      "  plumbline generate -p \"ROMEO:\"\n"
      "  plumbline generate -p \"ROMEO:\" -p \"JULIET:\" -n 100 --temperature 0.8 --seed 7\n"
      "  plumbline generate -m model.gguf -f prompts.txt --json --logprobs 5\n"
      "  plumbline generate -m synthetic:llama-160m,kv_heads=4 -p \"any text\"\n"
      "Ctrl-C ends the run and prints what there is; a second one ends at once.");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] {
      return RunGenerate(options, streams.out_is_terminal, streams.out);
    };
  });
}

void AddInspect(CLI::App& app, Commands& commands, const Streams& streams) {
  InspectOptions& options = commands.inspect;
  CLI::App* sub = app.add_subcommand(
      "inspect",
      "Shows a model's shape, its weights and cache in bytes, the largest context that this\n"
      "machine's free memory holds, and which instructions will run it. Loads no weights.");
  sub->add_option("-m,--model,model", options.model, kModelHelp)
      ->check(NotEmpty())
      ->type_name("MODEL");
  sub->add_option("--threads", options.threads, "default: the cores this process may use")
      ->check(CLI::Range(1, 256));
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
  if (IsSyntheticName(*model)) {
    const auto source = OpenModel(*model);
    if (!source.ok()) return source.status();
    const auto tokenizer = (*source)->MakeTokenizer();
    if (!tokenizer.ok()) return tokenizer.status();
    return RunTokenize(**tokenizer, options, streams.in, streams.out);
  }
  options.model = *std::move(model);
  return RunTokenize(options, streams.in, streams.out);
}

void AddTokenize(CLI::App& app, Commands& commands, const Streams& streams) {
  TokenizeOptions& options = commands.tokenize;
  CLI::App* sub = app.add_subcommand(
      "tokenize",
      "Reads standard input to its end, byte for byte, and prints its token ids; or, with\n"
      "--decode, reads ids and prints their bytes. Vocabulary-only files work.");
  sub->add_option("-m,--model", options.model, kModelHelp)->check(NotEmpty())->type_name("MODEL");
  sub->add_flag("--no-bos", commands.no_bos, "no start token, even where the vocabulary wants one");
  sub->add_flag("--special", options.parse_special, "control tokens in the text become their ids");
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
      "Writes a synthetic model (seeded random weights) as a GGUF file that other engines load.");
  sub->add_option("-m,--model,model", options.model, "synthetic:NAME[,key=value...]")
      ->required()
      ->check(NotEmpty())
      ->type_name("MODEL");
  sub->add_option("-o,--output", options.output, "file to write")
      ->required()
      ->check(NotEmpty())
      ->type_name("FILE");
  sub->add_option("--type", options.type, "of the matrices")
      ->check(CLI::IsMember({"bf16", "f32", "f16", "q8_0", "q4_0"}))
      ->capture_default_str();
  sub->footer(
      "Models: gpt2-small, gpt2-medium, gpt2-large, 13b, tinyllama-1.1b, llama-160m.\n"
      "Keys: width, layers, heads, kv_heads, ffn, vocab, context, seed.\n"
      "Example:\n"
      "  plumbline synth synthetic:llama-160m,kv_heads=4 -o small.gguf");
  sub->callback(
      [&commands, &options] { commands.run = [&options] { return SynthWithProgress(options); }; });
}

void SetUpLog(const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>(
      "plumbline", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("plumbline: %l: %v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

void AddAll(CLI::App& app, Commands& commands, const Streams& streams) {
  app.set_version_flag("--version", PLUMBLINE_VERSION);
  app.set_help_all_flag("--help-all", "help of all subcommands");
  app.add_option("--log-level", commands.log_level, "of diagnostics on standard error")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "critical", "off"}))
      ->capture_default_str();
  app.require_subcommand(1);
  app.fallthrough();
  AddGenerate(app, commands, streams);
  AddInspect(app, commands, streams);
  AddTokenize(app, commands, streams);
  AddSynth(app, commands);
  app.footer(
      "Start with: plumbline generate -p \"ROMEO:\"\n"
      "More on a subcommand: plumbline SUBCOMMAND --help\n"
      "Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted.");
}

int Finish(const absl::Status& status, std::ostream& err) {
  if (status.ok()) return kExitOk;
  if (absl::IsCancelled(status)) return kExitInterrupted;
  err << "plumbline: error: " << status.message() << "\n" << std::flush;
  return kExitError;
}

// The library's own words for errors, help and version; its exit codes become ours.
int FinishParse(const CLI::App& app, const CLI::ParseError& error, bool bare,
                const Streams& streams) {
  if (error.get_exit_code() == 0) {
    app.exit(error, streams.out, streams.err);
    streams.out.flush();
    return streams.out ? kExitOk : kExitError;
  }
  if (bare) {
    streams.err << app.help();
  } else {
    app.exit(error, streams.out, streams.err);
  }
  return kExitUsage;
}

}  // namespace

int RunCli(int argc, const char* const* argv, const Streams& streams) {
  try {
    CLI::App app(
        "Plumbline runs decoder-only language models on this CPU and holds everything it\n"
        "measures against the formula that predicts it.",
        "plumbline");
    Commands commands;
    AddAll(app, commands, streams);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return FinishParse(app, error, argc < 2, streams);
    }
    SetUpLog(commands.log_level);
    return Finish(commands.run(), streams.err);
  } catch (const std::bad_alloc&) {
    streams.err << "plumbline: error: out of memory; free some, or run a smaller model\n";
  } catch (const std::exception& error) {
    streams.err << "plumbline: error: " << error.what() << "\n";
  }
  return kExitError;
}

}  // namespace plumbline
