#include "engine/gguf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/gguf_metadata.h"
#include "engine/gguf_reader.h"
#include "engine/gguf_tensors.h"

namespace plumbline {
namespace {

// A read-only mapping of a whole file; empty unless Map gave it.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }

  static absl::StatusOr<Mapping> Map(const std::string& path);

  absl::Span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit Mapping(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  absl::Span<const std::byte> bytes_;
};

// The code that suits `error`, in one sentence.
absl::Status UnreadableError(const std::string& path, int error) {
  const std::string message =
      absl::StrCat(path, ": the model needs to be readable but has the system's answer '",
                   std::generic_category().message(error),
                   "'; check the path, its permissions and the memory left");
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InvalidArgumentError(message);
  }
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

absl::StatusOr<Mapping> Mapping::Map(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return UnreadableError(path, errno);
  const absl::StatusOr<size_t> size = RegularFileBytes(path, file);
  if (!size.ok()) {
    close(file);
    return size.status();
  }
  void* address = mmap(nullptr, *size, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = errno;
  close(file);  // the mapping keeps the file
  if (address == MAP_FAILED) return UnreadableError(path, error);
  return Mapping(absl::MakeConstSpan(static_cast<const std::byte*>(address), *size));
}

// Of whole pages only: those at the edges may hold a neighbour, for which the advice is wrong.
void Advise(absl::Span<const std::byte> mapped, absl::Span<const std::byte> data, int advice) {
  const auto base = reinterpret_cast<uintptr_t>(mapped.data());
  const auto begin = reinterpret_cast<uintptr_t>(data.data());
  if (mapped.empty() || begin < base || begin - base > mapped.size() ||
      data.size() > mapped.size() - (begin - base)) {
    return;
  }
  // The mapping itself begins on a page.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t first = (begin - base + page - 1) / page * page;
  const size_t last = (begin - base + data.size()) / page * page;
  if (first >= last) return;
  madvise(const_cast<std::byte*>(mapped.data()) + first, last - first, advice);
}

// Takes magic and version.
absl::StatusOr<uint32_t> ReadVersion(GgufReader& reader) {
  const absl::StatusOr<uint32_t> magic = reader.Read<uint32_t>("the magic number");
  if (!magic.ok()) return magic.status();
  constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
  if (*magic != kMagic) {
    const absl::string_view had(reinterpret_cast<const char*>(reader.bytes().data()), 4);
    return reader.Error({.field = "the magic number",
                         .needed = "to be 'GGUF'",
                         .had = GgufQuote(had),
                         .fix = "give a GGUF file"});
  }
  const absl::StatusOr<uint32_t> version = reader.Read<uint32_t>("the version");
  if (!version.ok()) return version.status();
  if (*version == 2 || *version == 3) return *version;
  if ((*version & 0xFFFFU) == 0 && *version != 0) {
    return reader.Error({.field = "the file",
                         .needed = "little-endian fields",
                         .had = "big-endian ones",
                         .fix = "convert the model again for a little-endian machine"});
  }
  return reader.Error({.field = "the version",
                       .needed = "to be 2 or 3",
                       .had = absl::StrCat(*version),
                       .fix = "convert the model again with a current converter"});
}

}  // namespace

struct GgufFile::Impl {
  Impl(Mapping file_mapping, std::string file_name, absl::Span<const std::byte> file_bytes,
       uint32_t file_version, GgufMetadata file_metadata, GgufTensorDirectory file_directory)
      : mapping(std::move(file_mapping)),
        name(std::move(file_name)),
        bytes(file_bytes),
        version(file_version),
        metadata(std::move(file_metadata)),
        directory(std::move(file_directory)) {}

  static absl::StatusOr<std::unique_ptr<GgufFile>> Build(Mapping mapping,
                                                         absl::Span<const std::byte> bytes,
                                                         const std::string& name);

  Mapping mapping;  // empty where the bytes are the caller's
  std::string name;
  absl::Span<const std::byte> bytes;
  uint32_t version;
  GgufMetadata metadata;
  GgufTensorDirectory directory;
};

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Impl::Build(Mapping mapping,
                                                                absl::Span<const std::byte> bytes,
                                                                const std::string& name) {
  GgufReader reader(bytes, name);
  const absl::StatusOr<uint32_t> version = ReadVersion(reader);
  if (!version.ok()) return version.status();
  const absl::StatusOr<uint64_t> num_tensors = reader.Read<uint64_t>("the count of tensors");
  if (!num_tensors.ok()) return num_tensors.status();
  const absl::StatusOr<uint64_t> num_keys = reader.Read<uint64_t>("the count of keys");
  if (!num_keys.ok()) return num_keys.status();
  absl::StatusOr<GgufMetadata> metadata = GgufMetadata::Read(reader, *num_keys);
  if (!metadata.ok()) return metadata.status();
  const absl::StatusOr<uint64_t> alignment = metadata->Alignment();
  if (!alignment.ok()) return alignment.status();
  absl::StatusOr<GgufTensorDirectory> directory = ReadGgufTensors(reader, *num_tensors, *alignment);
  if (!directory.ok()) return directory.status();
  auto impl = std::make_unique<Impl>(std::move(mapping), name, bytes, *version,
                                     *std::move(metadata), *std::move(directory));
  return std::unique_ptr<GgufFile>(new GgufFile(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  absl::StatusOr<Mapping> mapping = Mapping::Map(path);
  if (!mapping.ok()) return mapping.status();
  const absl::Span<const std::byte> bytes = mapping->bytes();
  return Impl::Build(*std::move(mapping), bytes, path);
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(absl::Span<const std::byte> bytes,
                                                          const std::string& name) {
  return Impl::Build(Mapping(), bytes, name);
}

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::~GgufFile() = default;

const std::string& GgufFile::name() const { return impl_->name; }
uint32_t GgufFile::version() const { return impl_->version; }
bool GgufFile::Has(absl::string_view key) const { return impl_->metadata.Has(key); }

absl::StatusOr<int64_t> GgufFile::GetInt(absl::string_view key) const {
  return impl_->metadata.GetInt(key);
}
absl::StatusOr<double> GgufFile::GetFloat(absl::string_view key) const {
  return impl_->metadata.GetFloat(key);
}
absl::StatusOr<bool> GgufFile::GetBool(absl::string_view key) const {
  return impl_->metadata.GetBool(key);
}
absl::StatusOr<absl::string_view> GgufFile::GetString(absl::string_view key) const {
  return impl_->metadata.GetString(key);
}
absl::StatusOr<std::vector<absl::string_view>> GgufFile::GetStrings(absl::string_view key) const {
  return impl_->metadata.GetStrings(key);
}
absl::StatusOr<std::vector<int64_t>> GgufFile::GetInts(absl::string_view key) const {
  return impl_->metadata.GetInts(key);
}
absl::StatusOr<std::vector<float>> GgufFile::GetFloats(absl::string_view key) const {
  return impl_->metadata.GetFloats(key);
}

absl::Span<const GgufTensor> GgufFile::tensors() const { return impl_->directory.tensors; }

const GgufTensor* GgufFile::FindTensor(absl::string_view name) const {
  const auto found = impl_->directory.index.find(name);
  return found == impl_->directory.index.end() ? nullptr : &impl_->directory.tensors[found->second];
}

int64_t GgufFile::file_bytes() const { return static_cast<int64_t>(impl_->bytes.size()); }

void GgufFile::FetchPages(absl::Span<const std::byte> data) const {
  Advise(impl_->mapping.bytes(), data, MADV_WILLNEED);
}

void GgufFile::DropPages(absl::Span<const std::byte> data) const {
  Advise(impl_->mapping.bytes(), data, MADV_DONTNEED);
}

}  // namespace plumbline
