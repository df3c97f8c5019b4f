#include "engine/model_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/file_error.h"
#include "engine/gguf_reader.h"

namespace plumbline {
namespace {

// What the system caches in one piece may reach over the end of a part, and is then forgotten with
// the next.
constexpr int64_t kCachedPieceBytes = int64_t{2} << 20;

absl::Status UnreadableError(const std::string& path, int error) {
  return FileError(absl::StrCat(path, ": the model needs to be readable"), error,
                   "check the path, its permissions and the memory left",
                   absl::StatusCode::kInvalidArgument);
}

absl::StatusOr<size_t> RegularFileBytes(const std::string& path, int file) {
  struct stat info = {};
  if (fstat(file, &info) != 0) return UnreadableError(path, errno);
  GgufFault fault = {.field = "the model",
                     .needed = "a regular file",
                     .had = "a directory",
                     .fix = "name the GGUF file itself"};
  if (S_ISDIR(info.st_mode)) return GgufError(path, fault);
  fault.had = "a device, pipe or socket";
  if (!S_ISREG(info.st_mode)) return GgufError(path, fault);
  if (info.st_size > 0) return static_cast<size_t>(info.st_size);
  return GgufError(path, {.field = "the model",
                          .needed = "a GGUF header of 24 bytes",
                          .had = "an empty file",
                          .fix = "fetch or convert it again"});
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelFile>> ModelFile::Open(const std::string& path, Now now) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return UnreadableError(path, errno);
  const absl::StatusOr<size_t> size = RegularFileBytes(path, file);
  if (!size.ok()) {
    close(file);
    return size.status();
  }
  void* address = mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, file, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    close(file);
    return UnreadableError(path, error);
  }
  return std::unique_ptr<ModelFile>(new ModelFile(
      path, now, file, absl::MakeConstSpan(static_cast<const std::byte*>(address), *size)));
}

ModelFile::ModelFile(const std::string& path, Now now, int file, absl::Span<const std::byte> bytes)
    : path_(path), now_(now), file_(file), bytes_(bytes) {}

ModelFile::~ModelFile() {
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  close(file_);
}

absl::Status ModelFile::Read(absl::Span<const std::byte> part, std::byte* out) const {
  const auto size = static_cast<int64_t>(part.size());
  std::call_once(looked_, [this] {
    const auto file_bytes = static_cast<int64_t>(bytes_.size());
    const bool may_forget = file_bytes >= kLargeBytes && CachedBytes() < file_bytes / 2;
    const std::lock_guard<std::mutex> lock(mutex_);
    may_forget_ = may_forget;
  });
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    pace_.Begin();
  }
  const double start = now_();
  absl::Status status = ReadAll(OffsetOf(part), size, out);
  const double seconds = now_() - start;
  const std::lock_guard<std::mutex> lock(mutex_);
  pace_.End(size, seconds);
  return status;
}

absl::Status ModelFile::ReadAll(int64_t offset, int64_t size, std::byte* out) const {
  while (size > 0) {
    const ssize_t got = pread(file_, out, static_cast<size_t>(size), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const std::string had = got == 0 ? "it ends before them"
                                       : absl::StrCat("the system's answer is '",
                                                      std::generic_category().message(errno), "'");
      return absl::DataLossError(absl::StrCat(path_, ": ", size, " bytes from byte ", offset,
                                              " on are needed but ", had,
                                              "; leave the file alone while it is loaded, or fetch "
                                              "it again"));
    }
    size -= got;
    out += got;
    offset += got;
  }
  return absl::OkStatus();
}

void ModelFile::Release(absl::Span<const std::byte> part) const {
  const int64_t offset = OffsetOf(part);
  if (offset < 0) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!may_forget_ || pace_.BytesPerSecond() < kQuickBytesPerSecond) return;
  }
  const int64_t first = std::max<int64_t>(0, offset - kCachedPieceBytes);
  posix_fadvise(file_, first, offset + static_cast<int64_t>(part.size()) - first,
                POSIX_FADV_DONTNEED);
}

int64_t ModelFile::OffsetOf(absl::Span<const std::byte> part) const {
  const auto base = reinterpret_cast<uintptr_t>(bytes_.data());
  const auto begin = reinterpret_cast<uintptr_t>(part.data());
  if (part.empty() || begin < base || begin - base > bytes_.size() ||
      part.size() > bytes_.size() - (begin - base)) {
    return -1;
  }
  return static_cast<int64_t>(begin - base);
}

int64_t ModelFile::CachedBytes() const {
  constexpr size_t kPagesAtOnce = 4096;
  std::array<unsigned char, kPagesAtOnce> cached;  // the lowest bit of each, of a page
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  int64_t bytes = 0;
  for (size_t at = 0; at < bytes_.size(); at += kPagesAtOnce * page) {
    const size_t size = std::min(kPagesAtOnce * page, bytes_.size() - at);
    if (mincore(const_cast<std::byte*>(bytes_.data()) + at, size, cached.data()) != 0) {
      return static_cast<int64_t>(bytes_.size());
    }
    const auto pages = static_cast<ptrdiff_t>((size + page - 1) / page);
    bytes += static_cast<int64_t>(page) *
             std::count_if(cached.begin(), cached.begin() + pages,
                           [](unsigned char state) { return (state & 1) != 0; });
  }
  return bytes;
}

}  // namespace plumbline
