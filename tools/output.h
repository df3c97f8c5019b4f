// Where results go.
#ifndef PLUMBLINE_TOOLS_OUTPUT_H_
#define PLUMBLINE_TOOLS_OUTPUT_H_

#include <ostream>

#include "absl/status/status.h"

namespace plumbline {

// Flushes what was written. DataLoss where some of it could not be.
absl::Status FlushOutput(std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_OUTPUT_H_
