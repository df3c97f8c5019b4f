#include "tools/json_text.h"

#include <cmath>

#include "absl/strings/str_replace.h"

namespace plumbline {

std::string JsonLine(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

nlohmann::ordered_json FiniteOrNull(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
}

std::string WorkClassKey(WorkClass work_class) {
  return absl::StrReplaceAll(WorkClassName(work_class), {{" ", "_"}, {"-", "_"}});
}

}  // namespace plumbline
