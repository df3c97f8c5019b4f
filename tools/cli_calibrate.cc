// The options of `plumbline calibrate`.
#include "tools/cli_commands.h"
#include "tools/cli_options.h"

namespace plumbline {

void AddCalibrate(CLI::App& app, Commands& commands, const Streams& streams) {
  CalibrateOptions& options = commands.calibrate;
  CLI::App* sub = app.add_subcommand(
      "calibrate",
      "Measures this machine, so that times can be predicted.\n"
      "Matmul rates by type and rows, reads by size and threads, attention's kernels and\n"
      "the rest of a step, in about ten seconds. The profile goes into a file that the\n"
      "other commands read; they measure two of its figures again in their own runs,\n"
      "because machines drift. --validate holds predicted times of some 400 steps\n"
      "against measured ones, in at most 20 minutes.\n");
  AddThreads(sub, options.threads);
  AddText(sub, "-o,--output", options.output, "FILE",
          "the profile (default: in the user's cache directory, by threads)");
  AddReal(sub, "--seconds", options.seconds, 0.01, 3600, "to go on measuring for");
  CLI::Option* validate =
      sub->add_flag("--validate", options.validate, "predict from the profile, and compare");
  sub->add_flag("--quick", options.quick, "with --validate: three small models, one minute")
      ->needs(validate);
  AddText(sub, "--only", options.only, "TEXT", "with --validate: steps whose name has this")
      ->needs(validate);
  sub->add_flag("--json", options.json, "print one JSON object");
  sub->footer(
      "Examples:\n"
      "  plumbline calibrate\n"
      "  plumbline calibrate --validate --quick\n"
      "  plumbline calibrate --validate --only \"gpt2-small f32\"\n"
      "Ctrl-C ends a validation and prints what there is.");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] { return RunCalibrate(options, streams.out); };
  });
}

}  // namespace plumbline
