// Options of the command line, with their checks and the words the help shows.
#ifndef PLUMBLINE_TOOLS_CLI_OPTIONS_H_
#define PLUMBLINE_TOOLS_CLI_OPTIONS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "tools/preempt_options.h"

namespace plumbline {

inline constexpr int kMaxInt = std::numeric_limits<int>::max();
inline constexpr int kMaxThreads = 256;
inline constexpr int kMaxTokens = 65536;  // of a block and of a step

// A whole number. The validator's own description is left out: the help tells what it means.
template <class T, class Bound>
CLI::Option* AddWhole(CLI::App* app, const std::string& names, T& value, Bound low, Bound high,
                      const std::string& help) {
  CLI::Option* option = app->add_option(names, value, help)->type_name("N");
  option->check(CLI::Range(low, high).description(""));
  return option;
}

// A number with a fraction; NaN is refused.
CLI::Option* AddReal(CLI::App* app, const std::string& name, double& value, double low, double high,
                     const std::string& help);
// One of these words.
CLI::Option* AddChoice(CLI::App* app, const std::string& name, std::string& value,
                       const std::vector<std::string>& choices, const std::string& help);
// Text of at least one character.
CLI::Option* AddText(CLI::App* app, const std::string& names, std::string& value,
                     const std::string& type, const std::string& help);
// A list of which each use of the option gives one entry, taken as it is.
CLI::Option* AddTexts(CLI::App* app, const std::string& names, std::vector<std::string>& texts,
                      const std::string& help, const std::string& type = "TEXT");
CLI::Option* AddSeed(CLI::App* app, uint64_t& seed, const std::string& help);
CLI::Option* AddModel(CLI::App* app, const std::string& names, std::string& model);
CLI::Option* AddThreads(CLI::App* app, int& threads);
// --weights and --kv-dtype, as numeric_options.h reads them.
void AddNumericTypes(CLI::App* app, std::string& weights, std::string& kv_dtype);
// --preempt, --preempt-victim, --swap-blocks, --swap-dir and --no-prefix-sharing.
void AddSharingAndPreemption(CLI::App* app, PreemptOptions& preempt, bool& prefix_sharing);
// What is wrong with a combination of these; empty: nothing.
std::string PreemptionUsageError(const PreemptOptions& preempt);

// For check(): refuses an empty value.
CLI::Validator NotEmpty();
// What is no number in the range; unlike CLI::Range, NaN too.
CLI::Validator IsReal(double low, double high);
// What is no whole number from 0 to 2^64 - 1; the library would take -1 for the largest.
CLI::Validator IsSeed();

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_CLI_OPTIONS_H_
