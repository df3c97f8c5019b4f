#include "engine/gguf_reader.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace plumbline {

absl::Status GgufError(absl::string_view file_name, const GgufFault& fault) {
  return absl::InvalidArgumentError(absl::StrCat(file_name, ": ", fault.field, " needs ",
                                                 fault.needed, " but has ", fault.had, "; ",
                                                 fault.fix));
}

std::string GgufQuote(absl::string_view name) {
  constexpr size_t kMostBytes = 80;
  return absl::StrCat("'", absl::CHexEscape(name.substr(0, kMostBytes)),
                      name.size() > kMostBytes ? "..." : "", "'");
}

absl::StatusOr<absl::string_view> GgufReader::ReadString(absl::string_view field) {
  const absl::StatusOr<uint64_t> length = Read<uint64_t>(field);
  if (!length.ok()) return length.status();
  if (*length > remaining()) return CutShort(field, *length);
  const absl::string_view text(reinterpret_cast<const char*>(bytes_.data() + offset_), *length);
  offset_ += *length;
  return text;
}

absl::StatusOr<absl::Span<const std::byte>> GgufReader::ReadElements(absl::string_view field,
                                                                     uint64_t count,
                                                                     uint64_t element_bytes) {
  absl::Status fits = CheckCount(field, count, element_bytes);
  if (!fits.ok()) return fits;
  const absl::Span<const std::byte> elements = bytes_.subspan(offset_, count * element_bytes);
  offset_ += elements.size();
  return elements;
}

absl::Status GgufReader::CheckCount(absl::string_view field, uint64_t count,
                                    uint64_t least_bytes) const {
  const uint64_t most = remaining() / least_bytes;
  if (count <= most) return absl::OkStatus();
  return Error({.field = absl::StrCat("the count of ", field),
                .needed = absl::StrCat("to be at most ", most, " (", remaining(),
                                       " bytes are left after byte ", offset_, ")"),
                .had = absl::StrCat(count),
                .fix = "the file is cut short or damaged, fetch it again"});
}

absl::Status GgufReader::CutShort(absl::string_view field, uint64_t needed_bytes) const {
  return Error({.field = field,
                .needed = absl::StrCat(needed_bytes, " bytes at byte ", offset_),
                .had = absl::StrCat(remaining(), " before the end of the file"),
                .fix = "the file is cut short or damaged, fetch it again"});
}

}  // namespace plumbline
