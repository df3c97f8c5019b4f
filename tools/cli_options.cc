#include "tools/cli_options.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/numeric_options.h"

namespace plumbline {

CLI::Validator IsSeed() {
  const auto check = [](const std::string& input) {
    uint64_t seed = 0;
    if (absl::SimpleAtoi(input, &seed)) return std::string();
    return absl::StrCat("\"", input, "\" is not a whole number from 0 to 2^64 - 1");
  };
  return CLI::Validator(check, "");
}

CLI::Validator IsReal(double low, double high) {
  const auto check = [=](const std::string& input) {
    double number = 0;
    if (absl::SimpleAtod(input, &number) && number >= low && number <= high) return std::string();
    return absl::StrCat("\"", input, "\" is not a number from ", low, " to ", high);
  };
  return CLI::Validator(check, "");
}

CLI::Option* AddReal(CLI::App* app, const std::string& name, double& value, double low, double high,
                     const std::string& help) {
  return app->add_option(name, value, help)
      ->type_name("X")
      ->check(IsReal(low, high))
      ->capture_default_str();
}

CLI::Option* AddChoice(CLI::App* app, const std::string& name, std::string& value,
                       const std::vector<std::string>& choices, const std::string& help) {
  return app->add_option(name, value, help)
      ->type_name(absl::StrJoin(choices, "|"))
      ->check(CLI::IsMember(choices).description(""))
      ->capture_default_str();
}

CLI::Validator NotEmpty() {
  const auto check = [](const std::string& input) {
    return input.empty() ? std::string("at least one character is needed") : std::string();
  };
  return CLI::Validator(check, "");
}

CLI::Option* AddText(CLI::App* app, const std::string& names, std::string& value,
                     const std::string& type, const std::string& help) {
  return app->add_option(names, value, help)->type_name(type)->check(NotEmpty());
}

// The library would read brackets and braces as lists.
CLI::Option* AddTexts(CLI::App* app, const std::string& names, std::vector<std::string>& texts,
                      const std::string& help, const std::string& type) {
  const auto take = [&texts](const CLI::results_t& results) {
    texts = results;
    return true;
  };
  return app->add_option(names, take, help)
      ->type_name(type)
      ->type_size(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* AddSeed(CLI::App* app, uint64_t& seed, const std::string& help) {
  return app->add_option("--seed", seed, help)
      ->type_name("N")
      ->check(IsSeed())
      ->capture_default_str();
}

CLI::Option* AddModel(CLI::App* app, const std::string& names, std::string& model) {
  return AddText(app, names, model, "MODEL", "GGUF file or synthetic:NAME[,key=value...]");
}

CLI::Option* AddThreads(CLI::App* app, int& threads) {
  return AddWhole(app, "--threads", threads, 1, kMaxThreads, "default: the cores it may use");
}

void AddNumericTypes(CLI::App* app, std::string& weights, std::string& kv_dtype) {
  AddChoice(app, "--weights", weights, WeightWords(),
            "auto: bf16 where the CPU has it, else f32; q4: 4.25 bits");
  AddChoice(app, "--kv-dtype", kv_dtype, KvWords(),
            "of the cache; auto: bf16 but with f32 weights; int8: half of bf16's bytes, with\n"
            "a scale for each token and head");
}

void AddSharingAndPreemption(CLI::App* app, PreemptOptions& preempt, bool& prefix_sharing) {
  AddChoice(app, "--preempt", preempt.mode, {"recompute", "swap", "auto"},
            "where blocks run out: compute a victim again later, or move its blocks away and back; "
            "auto: what the machine's profile says takes less time");
  AddChoice(app, "--preempt-victim", preempt.victim, {"newest", "largest"}, "who makes room");
  AddWhole(app, "--swap-blocks", preempt.swap_blocks, int64_t{1}, int64_t{kMaxInt},
           "blocks to move to (default: as many as the cache has)");
  AddText(app, "--swap-dir", preempt.swap_dir, "DIR", "where they lie in a file (default: memory)");
  app->add_flag("!--no-prefix-sharing", prefix_sharing, "compute equal beginnings of prompts anew");
}

std::string PreemptionUsageError(const PreemptOptions& preempt) {
  if (preempt.mode != "recompute" || (!preempt.swap_blocks && preempt.swap_dir.empty())) return "";
  return "--swap-blocks and --swap-dir are for what is swapped: add --preempt swap or auto";
}

}  // namespace plumbline
