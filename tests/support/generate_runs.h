// `plumbline generate --json` through the real binary.
#ifndef PLUMBLINE_TESTS_SUPPORT_GENERATE_RUNS_H_
#define PLUMBLINE_TESTS_SUPPORT_GENERATE_RUNS_H_

#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace plumbline {

inline constexpr const char* kSmallSynthetic =
    "synthetic:llama-160m,width=64,heads=4,kv_heads=2,layers=2,ffn=96,vocab=300";

// What it prints with these arguments; a test failure where it fails or prints no JSON.
nlohmann::json Generate(std::vector<std::string> arguments);

// Expects what every request's object holds that ran to its end and was never preempted.
void CheckRequest(const nlohmann::json& json);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_GENERATE_RUNS_H_
