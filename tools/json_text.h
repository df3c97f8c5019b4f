// JSON as our reports write it.
#ifndef PLUMBLINE_TOOLS_JSON_TEXT_H_
#define PLUMBLINE_TOOLS_JSON_TEXT_H_

#include <string>

#include "engine/work.h"
#include "nlohmann/json.hpp"

namespace plumbline {

// On one line, without an end of line. Never throws: bytes that are no UTF-8 become U+FFFD.
std::string JsonLine(const nlohmann::ordered_json& json);
// null where the value is no number: JSON knows neither NaN nor infinity.
nlohmann::ordered_json FiniteOrNull(double value);
// The name of a class of work as a key or a column: "feed_forward".
std::string WorkClassKey(WorkClass work_class);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_JSON_TEXT_H_
