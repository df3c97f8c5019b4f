#include "engine/file_error.h"

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace plumbline {
namespace {

absl::StatusCode CodeOf(int error, absl::StatusCode otherwise) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::StatusCode::kResourceExhausted;
    default:
      return otherwise;
  }
}

}  // namespace

absl::Status FileError(absl::string_view needed, int error, absl::string_view fix,
                       absl::StatusCode otherwise) {
  return absl::Status(CodeOf(error, otherwise),
                      absl::StrCat(needed, " but has the system's answer '",
                                   std::generic_category().message(error), "'; ", fix));
}

}  // namespace plumbline
