// Reads GGUF files, versions 2 and 3 (github.com/ggml-org/ggml, docs/gguf.md). A parser only: what
// the keys and tensors mean is decided elsewhere.
//
// Every size and offset in the file is checked, in arithmetic that cannot overflow, before it is
// used; a bad file gives InvalidArgument with one sentence that names the field, what it needed,
// what there was, and what to do. Nothing is allocated in proportion to a size that the file's
// length does not bear out.
#ifndef PLUMBLINE_ENGINE_GGUF_H_
#define PLUMBLINE_ENGINE_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace plumbline {

// Values as in the file. Only these five can be read; others are an error that lists them.
enum class TensorType : uint32_t { kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ8_0 = 8, kBf16 = 30 };

absl::string_view TensorTypeName(TensorType type);
// Elements per block and bytes per block: (1, 4) for F32, (32, 34) for Q8_0, (32, 18) for Q4_0.
int TensorTypeBlockElements(TensorType type);
int TensorTypeBlockBytes(TensorType type);
inline constexpr int kQuantBlockElements = 32;
inline constexpr int kQuantScaleBytes = 2;  // each quantised block begins with its scale, an F16

struct GgufTensor {
  std::string name;
  TensorType type = TensorType::kF32;
  // ne[0] (contiguous; the inner width) first, as in the file. 1 to 4 entries, none 0.
  absl::InlinedVector<int64_t, 4> dims;
  absl::Span<const std::byte> data;  // points into the file's mapping

  int64_t row_elements() const { return dims[0]; }
  int64_t rows() const;  // product of the other dims
};

// Immutable after opening; all methods are safe from any thread. Views (string_view, Span) live as
// long as the file object.
class GgufFile {
 public:
  // Maps the file read-only; nobody may shorten its head while it is open. NotFound,
  // PermissionDenied, ResourceExhausted (no memory or file handles) or InvalidArgument.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Open(const std::string& path);
  // Parses bytes owned by the caller, which must outlive the object; `name` is for messages.
  static absl::StatusOr<std::unique_ptr<GgufFile>> Parse(absl::Span<const std::byte> bytes,
                                                         const std::string& name);
  ~GgufFile();

  const std::string& name() const;
  uint32_t version() const;
  bool Has(absl::string_view key) const;

  // Typed look-ups: NotFound where the key is missing, InvalidArgument (key, wanted and actual
  // type, or the value out of range) where it does not fit. Integers of any width and sign convert
  // where the value fits; GetFloat takes f32 and f64 (finite only).
  absl::StatusOr<int64_t> GetInt(absl::string_view key) const;
  absl::StatusOr<double> GetFloat(absl::string_view key) const;
  absl::StatusOr<bool> GetBool(absl::string_view key) const;
  absl::StatusOr<absl::string_view> GetString(absl::string_view key) const;
  absl::StatusOr<std::vector<absl::string_view>> GetStrings(absl::string_view key) const;
  absl::StatusOr<std::vector<int64_t>> GetInts(absl::string_view key) const;
  absl::StatusOr<std::vector<float>> GetFloats(absl::string_view key) const;

  // In file order; names are unique, data lies inside the file, aligned, without overlap.
  absl::Span<const GgufTensor> tensors() const;
  const GgufTensor* FindTensor(absl::string_view name) const;  // null where there is none
  int64_t file_bytes() const;

  // Copies bytes of a tensor's data, as ModelFile::Read. REQUIRES: they lie in it; out has room.
  absl::Status Read(absl::Span<const std::byte> data, std::byte* out) const;
  // As ModelFile::Release; no effect on files that came from Parse.
  void Release(absl::Span<const std::byte> data) const;

 private:
  struct Impl;
  explicit GgufFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Converts one row (or any whole number of blocks) of `type` to float.
// REQUIRES: elements is a multiple of the type's block; src holds its bytes; dst has room.
void DequantizeRow(TensorType type, const std::byte* src, int64_t elements, float* dst);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_GGUF_H_
