// Runs rows of bench/README.md by name; without names all of them.
#include <algorithm>
#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/rows.h"
#include "engine/machine.h"
#include "tools/table.h"

namespace plumbline {
namespace {

void PrintHeading() {
  std::cout << absl::StrFormat("%-26s %13s %13s %7s %14s\n", "case", "limit", "measured", "ratio",
                               "quartiles")
            << std::flush;
}

void PrintFigure(const RowFigure& figure) {
  std::cout << absl::StrFormat("%-26s %13s %13s %7.3f %6.3f %-6.3f  %s", figure.what, figure.limit,
                               figure.measured, figure.ratio.median, figure.ratio.first_quartile,
                               figure.ratio.third_quartile, figure.target)
            << std::endl;
}

std::string RowList() {
  std::string list = "Rows:\n";
  for (const BenchRow& row : BenchRows()) {
    absl::StrAppend(&list, WrapText(absl::StrCat("  ", row.name, ": ", row.what), 4));
  }
  return list;
}

// 0, or 1 where a row failed; the others run all the same.
int RunRows(const std::vector<std::string>& names, const RowOptions& options) {
  int exit_code = 0;
  for (const BenchRow& row : BenchRows()) {
    if (!names.empty() && std::find(names.begin(), names.end(), row.name) == names.end()) continue;
    std::cout << "\n" << WrapText(absl::StrCat(row.name, ": ", row.what));
    PrintHeading();
    const absl::Status status = row.run(options, &PrintFigure);
    if (status.ok()) continue;
    std::cout << "left out: " << status.message() << std::endl;
    exit_code = 1;
  }
  return exit_code;
}

std::string UnknownRow(const std::string& name) {
  for (const BenchRow& row : BenchRows()) {
    if (name == row.name) return "";
  }
  return absl::StrCat("\"", name, "\" is no row");
}

int Main(int argc, char** argv) {
  CLI::App app("Holds paths of the engine against what bounds them, in one run.", "rows_bench");
  RowOptions options;
  options.threads = DetectMachine().cores;
  std::vector<std::string> names, child;
  app.add_option("rows", names, "the rows to run (default: all)")
      ->check(CLI::Validator(&UnknownRow, ""));
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("-r,--repetitions", options.repetitions)
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--file", options.file, "GGUF file for load and memory (default: written anew)");
  app.add_option("--child", child)->expected(2)->group("");
  app.footer(RowList());
  CLI11_PARSE(app, argc, argv);
  if (child.empty()) return RunRows(names, options);
  int64_t prompt = 0;
  if (!absl::SimpleAtoi(child[1], &prompt) || prompt < 1) return 2;
  const absl::Status status = RunRowChild(child[0], options.threads, prompt);
  if (status.ok()) return 0;
  std::cerr << status.message();
  return 1;
}

}  // namespace
}  // namespace plumbline

int main(int argc, char** argv) { return plumbline::Main(argc, argv); }
