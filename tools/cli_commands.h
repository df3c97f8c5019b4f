// The subcommands and their options, as the command-line library knows them.
#ifndef PLUMBLINE_TOOLS_CLI_COMMANDS_H_
#define PLUMBLINE_TOOLS_CLI_COMMANDS_H_

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "tools/bench.h"
#include "tools/calibrate.h"
#include "tools/cli.h"
#include "tools/compare.h"
#include "tools/generate.h"
#include "tools/inspect.h"
#include "tools/load.h"
#include "tools/perplexity.h"
#include "tools/plan.h"
#include "tools/scale.h"
#include "tools/synth.h"
#include "tools/tokenize.h"

namespace plumbline {

// What a command line said.
struct Commands {
  BenchOptions bench;
  GenerateOptions generate;
  InspectOptions inspect;
  LoadOptions load;
  CompareOptions compare;
  ScaleOptions scale;
  TokenizeOptions tokenize;
  SynthOptions synth;
  PlanOptions plan;
  CalibrateOptions calibrate;
  PerplexityOptions perplexity;
  bool no_bos = false;
  std::string log_level = "info";
  std::string usage_error;            // what the library cannot check; empty: none
  std::function<absl::Status()> run;  // the subcommand's work, set by parsing
};

// Adds all options and subcommands to `app`. Parsing then fills `commands`; both and `streams` must
// outlive the parsed app.
void AddCommands(CLI::App& app, Commands& commands, const Streams& streams);

// The subcommands that have a file of their own (cli_generate.cc, ...), as AddCommands adds them.
void AddGenerate(CLI::App& app, Commands& commands, const Streams& streams);
void AddLoad(CLI::App& app, Commands& commands, const Streams& streams);
void AddCompare(CLI::App& app, Commands& commands, const Streams& streams);
void AddPerplexity(CLI::App& app, Commands& commands, const Streams& streams);
void AddPlan(CLI::App& app, Commands& commands, const Streams& streams);
void AddCalibrate(CLI::App& app, Commands& commands, const Streams& streams);
void AddScale(CLI::App& app, Commands& commands, const Streams& streams);
void AddBench(CLI::App& app, Commands& commands, const Streams& streams);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CLI_COMMANDS_H_
