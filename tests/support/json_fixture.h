// Facts of the two articles as test data: tests/fixtures/*.json, and the file beside the tree from
// which they were taken.
#ifndef PLUMBLINE_TESTS_SUPPORT_JSON_FIXTURE_H_
#define PLUMBLINE_TESTS_SUPPORT_JSON_FIXTURE_H_

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace plumbline {

// tests/fixtures/NAME. Throws where it cannot be read: the test then fails.
nlohmann::json ReadFixture(const std::string& name);

// ../shared/NAME beside the source tree, or nothing where there is none.
std::optional<nlohmann::json> ReadShared(const std::string& name);

// A number or a list of numbers as a list; null as none.
std::vector<double> NumbersOf(const nlohmann::json& json);

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_JSON_FIXTURE_H_
