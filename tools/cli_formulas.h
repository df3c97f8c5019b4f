// The options of `plumbline formulas`.
#ifndef PLUMBLINE_TOOLS_CLI_FORMULAS_H_
#define PLUMBLINE_TOOLS_CLI_FORMULAS_H_

#include "CLI/CLI.hpp"
#include "tools/cli_commands.h"

namespace plumbline {

// Adds the subcommand to `app`; parsing it sets `commands.run`. All three must outlive parsing and
// the run.
void AddFormulas(CLI::App& app, Commands& commands, const Streams& streams);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CLI_FORMULAS_H_
