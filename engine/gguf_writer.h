// Writes GGUF version 3 files: metadata first, then tensors streamed row by row.
#ifndef PLUMBLINE_ENGINE_GGUF_WRITER_H_
#define PLUMBLINE_ENGINE_GGUF_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/gguf.h"

namespace plumbline {

// Collects keys and tensor descriptions, then writes everything in one go. Not thread-safe.
class GgufWriter {
 public:
  // Fills rows [row, row + num_rows) of the tensor: out is [num_rows, row_elements].
  using RowSource = std::function<absl::Status(int64_t row, int64_t num_rows, float* out)>;

  void AddString(absl::string_view key, absl::string_view value);
  void AddUint32(absl::string_view key, uint32_t value);
  void AddFloat(absl::string_view key, float value);
  void AddBool(absl::string_view key, bool value);
  void AddStrings(absl::string_view key, const std::vector<std::string>& values);
  void AddInts(absl::string_view key, const std::vector<int32_t>& values);
  void AddFloats(absl::string_view key, const std::vector<float>& values);
  // `dims` as in the file, ne[0] first. `type`: any TensorType; quantised types need dims[0] to be
  // a multiple of 32. `rows` is called in Write, ascending, a few rows at a time.
  void AddTensor(absl::string_view name, absl::InlinedVector<int64_t, 4> dims, TensorType type,
                 RowSource rows);

  // Writes to `path` (through a temporary file beside it, renamed at the end, so that a failed
  // write leaves no half file). InvalidArgument for dims that do not suit a type, a key or tensor
  // name given twice, tensor names that other engines cannot read (empty or above 63 bytes), a bad
  // general.alignment, and a `path` that is there but is no regular file; NotFound,
  // PermissionDenied, ResourceExhausted or Unknown with errno's text for what the file system
  // says. A status from a RowSource ends the write and is returned.
  absl::Status Write(const std::string& path) const;
  // The same bytes in memory, for small files.
  absl::StatusOr<std::string> Serialize() const;

 private:
  struct Tensor {
    std::string name;
    absl::InlinedVector<int64_t, 4> dims;
    TensorType type;
    RowSource rows;
  };
  using Sink = absl::FunctionRef<absl::Status(absl::string_view bytes)>;

  // Keys, tensor descriptions and the padding before the data; sets `alignment` (bytes).
  absl::StatusOr<std::string> Header(uint64_t* alignment) const;
  absl::Status AppendDescriptions(uint64_t alignment, std::string* header) const;
  absl::Status Emit(Sink sink) const;
  static absl::Status EmitTensor(const Tensor& tensor, uint64_t alignment, Sink sink);

  std::string metadata_;  // serialised key-value pairs
  uint64_t num_keys_ = 0;
  std::vector<Tensor> tensors_;
};

// Converts one row of floats to `type` (round to nearest even for F16 and BF16; ggml's rules for
// Q8_0 and Q4_0). A block with an infinity or NaN in it, or whose scale is beyond F16, comes back
// from Q8_0 and Q4_0 without meaning. REQUIRES: elements is a multiple of the type's block; dst has
// room.
void QuantizeRow(TensorType type, const float* src, int64_t elements, std::byte* dst);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_GGUF_WRITER_H_
