#include "cache/kv_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cache/huge_pages.h"

namespace plumbline {
namespace {

// Of all blocks, of a geometry that validates.
absl::StatusOr<int64_t> StoreBytes(const KvGeometry& geometry, int num_blocks) {
  if (absl::Status status = geometry.Validate(); !status.ok()) return status;
  int64_t bytes = 0;
  if (__builtin_mul_overflow(geometry.BlockBytes(), static_cast<int64_t>(num_blocks), &bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache: ", num_blocks, " blocks of ", geometry.BlockBytes(),
                     " bytes need more than the largest size of ",
                     std::numeric_limits<int64_t>::max(), " bytes; ask for fewer blocks"));
  }
  return bytes;
}

// An open file without a name.
absl::StatusOr<int> NamelessFile(const std::string& directory) {
  std::string path = absl::StrCat(directory, "/plumbline-cache-", std::string(6, 'X'));
  const int file = mkstemp(path.data());
  if (file < 0) {
    return absl::NotFoundError(absl::StrCat("cache: no file can be made in ", directory, " (",
                                            std::strerror(errno),
                                            "); name a directory that can be written"));
  }
  unlink(path.c_str());
  return file;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KvStore>> KvStore::Create(const KvGeometry& geometry,
                                                         int num_blocks) {
  const absl::StatusOr<int64_t> bytes = StoreBytes(geometry, num_blocks);
  if (!bytes.ok()) return bytes.status();
  return Map(geometry, num_blocks, static_cast<size_t>(*bytes), -1);
}

absl::StatusOr<std::unique_ptr<KvStore>> KvStore::CreateInFile(const KvGeometry& geometry,
                                                               int num_blocks,
                                                               const std::string& directory) {
  const absl::StatusOr<int64_t> bytes = StoreBytes(geometry, num_blocks);
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<int> file = NamelessFile(directory);
  if (!file.ok()) return file.status();
  // A full disk is an error here, not a bus error at first touch.
  const int error = *bytes > 0 ? posix_fallocate(*file, 0, *bytes) : 0;
  absl::StatusOr<std::unique_ptr<KvStore>> store = absl::ResourceExhaustedError(
      absl::StrCat("cache: ", *bytes, " bytes needed in ", directory, " for ", num_blocks,
                   " blocks of ", geometry.BlockBytes(), " bytes (", std::strerror(error),
                   "); free some room or ask for fewer blocks"));
  if (error == 0) store = Map(geometry, num_blocks, static_cast<size_t>(*bytes), *file);
  close(*file);  // the mapping keeps it
  return store;
}

absl::StatusOr<std::unique_ptr<KvStore>> KvStore::Map(const KvGeometry& geometry, int num_blocks,
                                                      size_t size, int file) {
  std::byte* data = nullptr;
  if (size > 0) {
    // Without MAP_NORESERVE: memory that the kernel knows it cannot give is an error here and now,
    // not a kill at first touch.
    const int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (mapped == MAP_FAILED) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cache: ", size, " bytes needed for ", num_blocks, " blocks of ",
                       geometry.BlockBytes(), " bytes, but the system gives none of them (",
                       std::strerror(errno), "); ask for a smaller cache"));
    }
    if (file < 0) AskForHugePages(mapped, size);
    data = static_cast<std::byte*>(mapped);
  }
  return std::unique_ptr<KvStore>(new KvStore(geometry, num_blocks, data, size));
}

KvStore::KvStore(const KvGeometry& geometry, int num_blocks, std::byte* data, size_t size)
    : geometry_(geometry), num_blocks_(num_blocks), data_(data), size_(size) {
  int64_t offset = 0;
  for (const LayerGroup& group : geometry_.groups) {
    const int64_t block_bytes = geometry_.block_tokens * group.LayerTokenBytes();
    groups_.push_back({offset, block_bytes});
    offset += group.layers * num_blocks_ * block_bytes;
  }
}

KvStore::~KvStore() {
  if (data_ != nullptr) munmap(data_, size_);
}

int64_t KvStore::CopyBlock(const KvStore& source, BlockId from, BlockId to) {
  int64_t copied = 0;
  for (int group = 0; group < static_cast<int>(groups_.size()); ++group) {
    for (int layer = 0; layer < geometry_.groups[group].layers; ++layer) {
      const absl::Span<const std::byte> bytes = source.LayerBlock(group, layer, from);
      std::memmove(LayerBlock(group, layer, to).data(), bytes.data(), bytes.size());
      copied += static_cast<int64_t>(bytes.size());
    }
  }
  return copied;
}

void KvStore::Fill(BlockId block, std::byte value) {
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (int layer = 0; layer < geometry_.groups[group].layers; ++layer) {
      const absl::Span<std::byte> bytes = LayerBlock(static_cast<int>(group), layer, block);
      std::fill(bytes.begin(), bytes.end(), value);
    }
  }
}

}  // namespace plumbline
