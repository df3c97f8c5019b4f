#include "tests/support/json_fixture.h"

#include <fstream>

namespace plumbline {

nlohmann::json ReadFixture(const std::string& name) {
  std::ifstream file(std::string(PLUMBLINE_SOURCE_DIR) + "/tests/fixtures/" + name);
  return nlohmann::json::parse(file);
}

std::optional<nlohmann::json> ReadShared(const std::string& name) {
  std::ifstream file(std::string(PLUMBLINE_SOURCE_DIR) + "/../shared/" + name);
  if (!file) return std::nullopt;
  return nlohmann::json::parse(file);
}

std::vector<double> NumbersOf(const nlohmann::json& json) {
  if (json.is_null()) return {};
  if (json.is_number()) return {json.get<double>()};
  std::vector<double> numbers;
  for (const nlohmann::json& item : json) {
    if (item.is_number()) numbers.push_back(item.get<double>());
  }
  return numbers;
}

}  // namespace plumbline
