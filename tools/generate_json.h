// What `plumbline generate --json` prints.
#ifndef PLUMBLINE_TOOLS_GENERATE_JSON_H_
#define PLUMBLINE_TOOLS_GENERATE_JSON_H_

#include <string>

#include "tools/generate.h"

namespace plumbline {

// One line of JSON: for one request an object, for several {"requests": [...]} in their order.
// Log-probabilities have nine significant digits, so that equal bits print equal; where they are
// not finite they are null. A time that never came is null.
std::string GenerateJson(const GenerateRun& run);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_GENERATE_JSON_H_
