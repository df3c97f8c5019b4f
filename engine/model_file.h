// A model's file as it is loaded: every part is read once and then packed into memory of its own.
#ifndef PLUMBLINE_ENGINE_MODEL_FILE_H_
#define PLUMBLINE_ENGINE_MODEL_FILE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/step_clock.h"

namespace plumbline {

// How quickly a file comes to the threads that read it. One thread at a time.
class ReadPace {
 public:
  // A thread begins to read; it read so many bytes in so many seconds.
  void Begin() { most_reading_ = std::max(most_reading_, ++reading_); }
  void End(int64_t bytes, double seconds) {
    --reading_;
    bytes_ += static_cast<double>(bytes);
    thread_seconds_ += seconds;
  }
  // Had those that ever read at once done nothing else: what they spend beside is not the file's.
  // Infinite before any time went by.
  double BytesPerSecond() const { return bytes_ * most_reading_ / thread_seconds_; }

 private:
  int reading_ = 0;
  int most_reading_ = 0;
  double bytes_ = 0;
  double thread_seconds_ = 0;
};

// Safe from any thread.
class ModelFile {
 public:
  // NotFound, PermissionDenied, ResourceExhausted (no memory or file handles) or InvalidArgument
  // (no regular file, or an empty one). `now`: seconds, to which reading is held.
  using Now = double (*)();
  static absl::StatusOr<std::unique_ptr<ModelFile>> Open(const std::string& path,
                                                         Now now = &SteadySeconds);
  ~ModelFile();
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  // A read-only mapping of the whole file: for its head. Nobody may shorten it below what is looked
  // at there.
  absl::Span<const std::byte> bytes() const { return bytes_; }

  // Copies `part` of the mapping, without touching the mapping: a page that is mapped for one look
  // costs more than its copy. DataLoss where the file cannot be read or was shortened since.
  // REQUIRES: part lies in bytes(); out has room.
  absl::Status Read(absl::Span<const std::byte> part, std::byte* out) const;

  // Says that `part` will not be read again soon; nothing where it does not lie in bytes(). The
  // system's copy of a model would be as large as the weights are, beside them, and room for it
  // costs more than reading again where a host takes back the memory that its guests leave free (a
  // thread gets 0.6 GB of it back in a second). So the system is told to forget what is released,
  // of a file of kLargeBytes or more that comes at kQuickBytesPerSecond or more, unless half of it
  // was cached before the first Read: then others read it, too.
  void Release(absl::Span<const std::byte> part) const;
  static constexpr int64_t kLargeBytes = int64_t{256} << 20;
  static constexpr double kQuickBytesPerSecond = 1e9;  // SATA disks give 0.6

  // Of the file, held by the system without a look at the disk. All of it where that is unknown.
  int64_t CachedBytes() const;

 private:
  ModelFile(const std::string& path, Now now, int file, absl::Span<const std::byte> bytes);
  // Where `part` begins; -1 where it does not lie in the file.
  int64_t OffsetOf(absl::Span<const std::byte> part) const;
  absl::Status ReadAll(int64_t offset, int64_t size, std::byte* out) const;

  const std::string path_;
  const Now now_;
  const int file_;
  const absl::Span<const std::byte> bytes_;
  mutable std::once_flag looked_;
  mutable std::mutex mutex_;
  mutable bool may_forget_ = false;  // from the first Read on; guarded by mutex_
  mutable ReadPace pace_;            // the same
};

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_MODEL_FILE_H_
