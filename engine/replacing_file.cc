#include "engine/replacing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/file_error.h"

namespace plumbline {
namespace {

absl::Status UnwritableError(const std::string& path, int error) {
  return FileError(absl::StrCat(path, ": the output needs to be writable"), error,
                   "choose another path or make room", absl::StatusCode::kUnknown);
}

}  // namespace

ReplacingFile::ReplacingFile(std::string path) : path_(std::move(path)) {}

ReplacingFile::~ReplacingFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(temporary_path_.c_str());
}

absl::Status ReplacingFile::Create() {
  // Renaming over a device or a pipe would replace it.
  struct stat info = {};
  if (stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_,
                     ": the output needs a regular file or a new name but has a directory, device "
                     "or pipe of that name; choose another path"));
  }
  constexpr mode_t kMode = 0666;  // less the umask
  constexpr int kAttempts = 100;  // a process that was killed may have left its file behind
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    temporary_path_ = absl::StrCat(path_, ".", getpid(), ".", attempt, ".partial");
    file_ = open(temporary_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    if (file_ >= 0) return absl::OkStatus();
    if (errno != EEXIST) break;
  }
  return UnwritableError(path_, errno);
}

absl::Status ReplacingFile::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return UnwritableError(path_, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status ReplacingFile::Commit() {
  // Some file systems report a failed write only when the file is closed.
  int error = close(std::exchange(file_, -1)) == 0 ? 0 : errno;
  if (error == 0 && rename(temporary_path_.c_str(), path_.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(temporary_path_.c_str());
  return UnwritableError(path_, error);
}

absl::Status ReplaceFile(const std::string& path, absl::string_view bytes) {
  ReplacingFile file(path);
  absl::Status status = file.Create();
  if (status.ok()) status = file.Write(bytes);
  return status.ok() ? file.Commit() : status;
}

}  // namespace plumbline
