#include "tools/cli_formulas.h"

#include <memory>

#include "tools/formulas.h"

namespace plumbline {

void AddFormulas(CLI::App& app, Commands& commands, const Streams& streams) {
  const auto options = std::make_shared<FormulasOptions>();
  CLI::App* sub = app.add_subcommand(
      "formulas",
      "Lists, explains and evaluates the formulas of the two articles.\n"
      "Also prints the articles' tables, computed anew, and holds each number that they\n"
      "claim against their own formulas. Work is in MAC (one multiply-accumulate), and\n"
      "FLOPs = 2 MAC; GB is 1e9 and GiB 1024^3 bytes. Values are exact, or say how far\n"
      "off they may be.\n");
  CLI::Option* words =
      sub->add_option("formula", options->words, "a formula's id; then its values, as name=number")
          ->type_name("ID [NAME=NUMBER]");
  CLI::Option* table = sub->add_option("--table", options->table, "print T1 to T8, or X1 to X5")
                           ->type_name("ID")
                           ->excludes(words);
  CLI::Option* audit =
      sub->add_flag("--audit", options->audit, "print the articles' claims, contradictions first")
          ->excludes(words)
          ->excludes(table);
  sub->add_flag("--external", options->external,
                "with --audit: also claims that no formula decides")
      ->needs(audit);
  sub->add_flag("--json", options->json, "print one JSON object");
  sub->footer(
      "Examples:\n"
      "  plumbline formulas\n"
      "  plumbline formulas A1_ATTN_FLOPS\n"
      "  plumbline formulas A1_ATTN_FLOPS n=1024 d=768\n"
      "  plumbline formulas D_KV_BYTES L=32 g=8 e=128 t=1e5 b=2 --json\n"
      "  plumbline formulas --table T6\n"
      "  plumbline formulas --audit");
  sub->callback([options, &commands, &streams] {
    commands.run = [options, &streams] { return RunFormulas(*options, streams.out); };
  });
}

}  // namespace plumbline
