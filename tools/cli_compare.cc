// The options of `plumbline compare`.
#include "tools/cli_commands.h"
#include "tools/cli_options.h"

namespace plumbline {

void AddCompare(CLI::App& app, Commands& commands, const Streams& streams) {
  CompareOptions& options = commands.compare;
  CLI::App* sub = app.add_subcommand(
      "compare",
      "Says what is better or worse in one load test than in another.\n"
      "A and B are files of `plumbline load -o FILE.json`. Every figure is better,\n"
      "worse or indistinguishable in B, with its change and an interval from resampling\n"
      "the repetitions, or parts of the time of a single run. The intervals hold\n"
      "together at 95%: of 20 pairs of equal runs about one is called different. Says\n"
      "what is not the same in both tests, and calls nothing where the machine drifted.\n");
  AddText(sub, "A", options.a, "A.json", "the run to compare with")->required();
  AddText(sub, "B", options.b, "B.json", "the run to judge")->required();
  sub->add_flag("--all", options.all, "every figure, also those that do not differ");
  sub->add_flag("--json", options.json, "print one JSON object, with every figure");
  sub->footer(
      "Examples:\n"
      "  plumbline load --repetitions 5 -o before.json\n"
      "  plumbline load --repetitions 5 --chunk-tokens 64 -o after.json\n"
      "  plumbline compare before.json after.json\n"
      "  plumbline compare before.json after.json --all\n"
      "  plumbline compare before.json after.json --json | jq .verdict\n"
      "Exit codes: 0 compared, whatever the verdict; 1 a file is bad; 2 wrong usage.");
  sub->callback([&commands, &options, &streams] {
    commands.run = [&options, &streams] { return RunCompare(options, streams.out); };
  });
}

}  // namespace plumbline
