#include "tests/support/generate_runs.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "tests/support/run_binary.h"

namespace plumbline {
namespace {

using Json = nlohmann::json;

void ExpectAgrees(const Json& pair) {
  EXPECT_EQ(pair.at("measured").get<int64_t>(), pair.at("formula").get<int64_t>());
}

}  // namespace

Json Generate(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "generate");
  arguments.emplace_back("--json");
  const BinaryResult result = RunPlumbline(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  Json json = Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

void CheckRequest(const Json& json) {
  const auto prompt = json.at("prompt_token_ids").size();
  const auto output = json.at("output_token_ids").size();
  EXPECT_GE(json.at("ttft_seconds").get<double>(), json.at("queue_seconds").get<double>());
  auto tokens = json.at("prefix_hit_tokens").get<size_t>();
  for (const Json& step : json.at("steps")) {
    EXPECT_GE(step.at("seconds").get<double>(), 0);
    tokens += step.at("new_tokens").get<size_t>();
    EXPECT_EQ(step.at("context_tokens").get<size_t>(), tokens);
    for (const char* key : {"macs", "executed_macs", "bytes"}) ExpectAgrees(step.at(key));
    EXPECT_GE(step.at("executed_macs").at("measured"), step.at("macs").at("measured"));
    int64_t macs = 0;
    for (const Json& of : step.at("classes")) macs += of.at("macs").at("measured").get<int64_t>();
    EXPECT_EQ(macs, step.at("macs").at("measured").get<int64_t>());
  }
  EXPECT_EQ(tokens, prompt + output - 1);
  const Json& cache = json.at("cache");
  ExpectAgrees(cache.at("used_bytes"));
  ExpectAgrees(cache.at("allocated_bytes"));
  const auto block_tokens = cache.at("block_tokens").get<size_t>();
  const auto token_bytes = cache.at("token_bytes").get<size_t>();
  EXPECT_EQ(cache.at("used_bytes").at("measured").get<size_t>(), token_bytes * tokens);
  EXPECT_EQ(cache.at("waste_tokens").get<size_t>(),
            cache.at("blocks").get<size_t>() * block_tokens - tokens);
  EXPECT_GE(cache.at("pool_bytes"), cache.at("allocated_bytes").at("measured"));
}

}  // namespace plumbline
