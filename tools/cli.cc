#include "tools/cli.h"

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/string_view.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"
#include "tools/cli_commands.h"

namespace plumbline {
namespace {

void SetUpLog(const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>(
      "plumbline", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("plumbline: %l: %v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(std::move(logger));
}

int Finish(const absl::Status& status, std::ostream& err) {
  if (status.ok()) return kExitOk;
  if (absl::IsCancelled(status)) return kExitInterrupted;
  err << "plumbline: error: " << status.message() << "\n" << std::flush;
  return kExitError;
}

// In the library's order, the last one first. llama-bench's -pg would be read as -p g.
std::vector<std::string> ReversedArguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {
    const bool of_bench = absl::string_view(argv[1]) == "bench";
    arguments.emplace_back(of_bench && absl::string_view(argv[i]) == "-pg" ? "--pg" : argv[i]);
  }
  return arguments;
}

// The library's own words for errors, help and version; its exit codes become ours.
int FinishParse(const CLI::App& app, const CLI::ParseError& error, bool bare,
                const Streams& streams) {
  if (error.get_exit_code() != 0) {
    if (bare) {
      streams.err << app.help();
    } else {
      app.exit(error, streams.out, streams.err);
    }
    return kExitUsage;
  }
  app.exit(error, streams.out, streams.err);
  streams.out.flush();
  return streams.out
             ? kExitOk
             : Finish(absl::DataLossError("the help cannot be written: check where it goes"),
                      streams.err);
}

}  // namespace

int RunCli(int argc, const char* const* argv, const Streams& streams) {
  try {
    CLI::App app(
        "Plumbline runs decoder-only language models on this CPU, and holds everything it\n"
        "measures against the formula that predicts it.\n",
        "plumbline");
    Commands commands;
    AddCommands(app, commands, streams);
    try {
      app.parse(ReversedArguments(argc, argv));
    } catch (const CLI::ParseError& error) {
      return FinishParse(app, error, argc < 2, streams);
    }
    if (!commands.usage_error.empty()) {
      streams.err << "plumbline: " << commands.usage_error << "\n";
      return kExitUsage;
    }
    SetUpLog(commands.log_level);
    return Finish(commands.run(), streams.err);
  } catch (const std::bad_alloc&) {
    streams.err << "plumbline: error: out of memory: free some, or run a smaller model\n";
  } catch (const std::exception& error) {
    streams.err << "plumbline: error: " << error.what() << "\n";
  }
  return kExitError;
}

}  // namespace plumbline
