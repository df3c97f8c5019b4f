#include "tools/output.h"

namespace plumbline {

absl::Status FlushOutput(std::ostream& out) {
  out.flush();
  if (out) return absl::OkStatus();
  return absl::DataLossError(
      "the output cannot be written: check that its disk has room and its reader still runs");
}

}  // namespace plumbline
