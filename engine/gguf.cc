#include "engine/gguf.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/gguf_metadata.h"
#include "engine/gguf_reader.h"
#include "engine/gguf_tensors.h"
#include "engine/model_file.h"

namespace plumbline {
namespace {

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
  Impl(std::unique_ptr<ModelFile> opened, std::string file_name,
       absl::Span<const std::byte> file_bytes, uint32_t file_version, GgufMetadata file_metadata,
       GgufTensorDirectory file_directory)
      : file(std::move(opened)),
        name(std::move(file_name)),
        bytes(file_bytes),
        version(file_version),
        metadata(std::move(file_metadata)),
        directory(std::move(file_directory)) {}

  static absl::StatusOr<std::unique_ptr<GgufFile>> Build(std::unique_ptr<ModelFile> file,
                                                         absl::Span<const std::byte> bytes,
                                                         const std::string& name);

  std::unique_ptr<ModelFile> file;  // null where the bytes are the caller's
  std::string name;
  absl::Span<const std::byte> bytes;
  uint32_t version;
  GgufMetadata metadata;
  GgufTensorDirectory directory;
};

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Impl::Build(std::unique_ptr<ModelFile> file,
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
  auto impl = std::make_unique<Impl>(std::move(file), name, bytes, *version, *std::move(metadata),
                                     *std::move(directory));
  return std::unique_ptr<GgufFile>(new GgufFile(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(const std::string& path) {
  absl::StatusOr<std::unique_ptr<ModelFile>> file = ModelFile::Open(path);
  if (!file.ok()) return file.status();
  const absl::Span<const std::byte> bytes = (*file)->bytes();
  return Impl::Build(*std::move(file), bytes, path);
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(absl::Span<const std::byte> bytes,
                                                          const std::string& name) {
  return Impl::Build(nullptr, bytes, name);
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

absl::Status GgufFile::Read(absl::Span<const std::byte> data, std::byte* out) const {
  if (impl_->file != nullptr) return impl_->file->Read(data, out);
  if (!data.empty()) std::memcpy(out, data.data(), data.size());
  return absl::OkStatus();
}

void GgufFile::Release(absl::Span<const std::byte> data) const {
  if (impl_->file != nullptr) impl_->file->Release(data);
}

}  // namespace plumbline
