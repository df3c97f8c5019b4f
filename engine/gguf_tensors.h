// The tensor directory of a GGUF file. Internal to the GGUF parser and writer.
#ifndef PLUMBLINE_ENGINE_GGUF_TENSORS_H_
#define PLUMBLINE_ENGINE_GGUF_TENSORS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/gguf.h"
#include "engine/gguf_reader.h"

namespace plumbline {

struct GgufTensorDirectory {
  std::vector<GgufTensor> tensors;                       // in file order
  absl::flat_hash_map<absl::string_view, size_t> index;  // names are views into the file
};

// Takes `num_tensors` descriptions and finds their data. InvalidArgument (one sentence) for
// anything the format forbids. REQUIRES: alignment is a power of two up to 2^31.
absl::StatusOr<GgufTensorDirectory> ReadGgufTensors(GgufReader& reader, uint64_t num_tensors,
                                                    uint64_t alignment);

// Bytes of a tensor. InvalidArgument unless there are 1 to 4 dims, none below 1, the first one a
// whole number of the type's blocks, and the bytes fit an int64. `file_name` and `name` are for
// messages.
absl::StatusOr<int64_t> GgufTensorBytes(absl::string_view file_name, absl::string_view name,
                                        TensorType type, absl::Span<const int64_t> dims);

// `offset` rounded up. REQUIRES: alignment is a power of two, offset + alignment fits.
inline uint64_t GgufAlignUp(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_GGUF_TENSORS_H_
