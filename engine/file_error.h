// What the system says of a file, as a status.
#ifndef PLUMBLINE_ENGINE_FILE_ERROR_H_
#define PLUMBLINE_ENGINE_FILE_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// "`needed` but has the system's answer '...'; `fix`". NotFound, PermissionDenied or
// ResourceExhausted (of memory, handles or the disk) where `error`, an errno, means that; else the
// code `otherwise`. Safe from any thread.
absl::Status FileError(absl::string_view needed, int error, absl::string_view fix,
                       absl::StatusCode otherwise);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_FILE_ERROR_H_
