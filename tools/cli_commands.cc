#include "tools/cli_commands.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/tensor_source.h"
#include "tools/cli_formulas.h"
#include "tools/cli_options.h"
#include "tools/progress.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

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
      "Names: gpt2-small, gpt2-medium, gpt2-large, 13b, llama-7b, tinyllama-1.1b,\n"
      "llama-160m.\n"
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
  AddLoad(app, commands, streams);
  AddCompare(app, commands, streams);
  AddBench(app, commands, streams);
  AddInspect(app, commands, streams);
  AddPlan(app, commands, streams);
  AddTokenize(app, commands, streams);
  AddSynth(app, commands);
  AddCalibrate(app, commands, streams);
  AddScale(app, commands, streams);
  AddPerplexity(app, commands, streams);
  AddFormulas(app, commands, streams);
  app.footer(
      "Start with:          plumbline generate -p \"ROMEO:\"\n"
      "More on a command:   plumbline generate --help\n"
      "Exit codes:          0 done, 1 error, 2 wrong usage, 130 interrupted");
}

}  // namespace plumbline
