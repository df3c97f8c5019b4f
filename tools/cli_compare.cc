// The options of `plumbline compare`.
#include "tools/cli_commands.h"
#include "tools/cli_options.h"

namespace plumbline {

void AddCompare(CLI::App& app, Commands& commands, const Streams& streams) {
  CompareOptions& options = commands.compare;
  CLI::App* sub = app.add_subcommand(
      "compare",
      "Says what is better or worse in one load test than in another.\n"
      "A and B are files of `plumbline load -o FILE`. Every figure is better, worse or\n"
      "indistinguishable in B, with the change and its interval. Repetitions are resampled,\n"
      "or parts of the time of a single run; the intervals hold all together at 95%, so\n"
      "that of 20 pairs of equal runs one may be called different. Warns where the two\n"
      "are not the same test, where the machine's speed drifted, and of cut runs.\n");
  AddText(sub, "A", options.a, "A.json", "the run to compare with")->required();
  AddText(sub, "B", options.b, "B.json", "the run to judge")->required();
  sub->add_flag("--all", options.all,
                "every figure (default: those that differ, and a few that do not)");
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
