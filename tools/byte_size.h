// Sizes of memory as people write them.
#ifndef PLUMBLINE_TOOLS_BYTE_SIZE_H_
#define PLUMBLINE_TOOLS_BYTE_SIZE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// "80GB" (1e9), "16GiB" (1024^3), "1.5TB", "512 MiB", "4096" (bytes); the letters' case does not
// matter. Fractions of a byte are dropped. InvalidArgument for anything else, for less than one
// byte and for more than an int64_t holds.
absl::StatusOr<int64_t> ParseByteSize(absl::string_view text);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_BYTE_SIZE_H_
