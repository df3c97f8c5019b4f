// A file that takes the place of another only once it is whole.
#ifndef PLUMBLINE_ENGINE_REPLACING_FILE_H_
#define PLUMBLINE_ENGINE_REPLACING_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// Writes to a temporary file beside `path`, which Commit renames to `path`; without a Commit it is
// removed and whatever was at `path` stays. Not thread-safe. Every method returns NotFound,
// PermissionDenied, ResourceExhausted or Unknown with what the system says.
class ReplacingFile {
 public:
  explicit ReplacingFile(std::string path);
  ~ReplacingFile();
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  // First of all calls. InvalidArgument where `path` is there and is no regular file.
  absl::Status Create();
  // REQUIRES: Create gave OK, Commit was not called.
  absl::Status Write(absl::string_view bytes);
  absl::Status Commit();

 private:
  std::string path_;
  std::string temporary_path_;
  int file_ = -1;  // descriptor of the temporary file while it is open
};

// All of it for a text that is there as a whole. Errors of the above.
absl::Status ReplaceFile(const std::string& path, absl::string_view bytes);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_REPLACING_FILE_H_
