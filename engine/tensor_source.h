// Where weights come from: a GGUF file, or seeded random numbers. The rest of the engine and the
// GGUF writer see only this.
#ifndef PLUMBLINE_ENGINE_TENSOR_SOURCE_H_
#define PLUMBLINE_ENGINE_TENSOR_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/gguf.h"
#include "engine/model_config.h"
#include "engine/tokenizer.h"

namespace plumbline {

// A tensor by its GGUF name, [rows, row_elements], row by row; vectors have one row.
struct TensorShape {
  std::string name;
  int64_t rows = 1;
  int64_t row_elements = 0;
};

// Immutable; ReadRows is safe from several threads at once.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const ModelConfig& config() const = 0;
  // "f32", "q8_0", ...: how the tensor is stored where it comes from.
  virtual std::string StoredType(absl::string_view name) const = 0;
  virtual bool Has(absl::string_view name) const = 0;
  // out: [num_rows, row_elements]. InvalidArgument where the tensor is missing or its shape is not
  // `shape`. REQUIRES: row + num_rows <= shape.rows.
  virtual absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                                float* out) const = 0;
  // The source will not be asked for this tensor again soon (its part of a file may be forgotten).
  virtual void Release(absl::string_view name) const = 0;
  virtual absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer() const = 0;
};

// Passes everything on to another source, which is not owned: for what watches or ends the reading.
class ForwardingSource : public TensorSource {
 public:
  explicit ForwardingSource(const TensorSource& source) : source_(source) {}
  const ModelConfig& config() const override { return source_.config(); }
  std::string StoredType(absl::string_view name) const override { return source_.StoredType(name); }
  bool Has(absl::string_view name) const override { return source_.Has(name); }
  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    return source_.ReadRows(shape, row, num_rows, out);
  }
  void Release(absl::string_view name) const override { source_.Release(name); }
  absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer() const override {
    return source_.MakeTokenizer();
  }

 private:
  const TensorSource& source_;
};

// Every tensor of a model of this shape, by GGUF name, in file order.
std::vector<TensorShape> ExpectedTensors(const ModelConfig& config);

// `synthetic:NAME[,key=value...]` or the path of a GGUF file. NAME: gpt2-small, gpt2-medium,
// gpt2-large, 13b, llama-7b, tinyllama-1.1b, llama-160m; keys: layers, heads, kv_heads, ffn, vocab,
// seed, context, width. InvalidArgument names the bad word and lists the good ones.
absl::StatusOr<std::unique_ptr<TensorSource>> OpenModel(const std::string& model);

bool IsSyntheticName(absl::string_view model);
// Seeded random weights of any valid shape. Values are bfloat16 numbers (so that f32 and bf16 runs
// have equal weights), each a function of (seed, tensor name, row, column) alone: normal-like with
// a deviation of 1 / sqrt(inner width), so that activations keep their size through the layers.
// REQUIRES: config.Validate() is OK and config.vocab >= 256.
std::unique_ptr<TensorSource> MakeSyntheticSource(const ModelConfig& config, uint64_t seed);
absl::StatusOr<std::unique_ptr<TensorSource>> OpenGgufSource(const std::string& path);

}  // namespace plumbline

#endif  // PLUMBLINE_ENGINE_TENSOR_SOURCE_H_
