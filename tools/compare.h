// `plumbline compare`: what is better or worse in one load test than in another, and what cannot be
// told apart.
#ifndef PLUMBLINE_TOOLS_COMPARE_H_
#define PLUMBLINE_TOOLS_COMPARE_H_

#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace plumbline {

struct CompareOptions {
  std::string a;  // files of `plumbline load`
  std::string b;
  bool all = false;   // every figure, not those alone that differ or that people ask for first
  bool json = false;  // always every figure
};

// Prints the comparison to `out`; that figures differ is no error. NotFound, DataLoss,
// FailedPrecondition or InvalidArgument for a file that cannot be read or compared; DataLoss where
// `out` cannot be written.
absl::Status RunCompare(const CompareOptions& options, std::ostream& out);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_COMPARE_H_
