#include "tools/inspect.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/attention_form.h"
#include "engine/attention_kernels.h"
#include "engine/gguf.h"
#include "engine/matmul_probe.h"
#include "engine/weights.h"
#include "tools/numeric_options.h"
#include "tools/output.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int kDefaultBlockTokens = 16;  // of generate's default cache
constexpr int kVectorBytes = 4;          // norms and biases are f32 in the engine

enum ClassIndex : size_t { kProjections, kFeedForward, kHead, kEmbedding, kVectors, kNumClasses };
constexpr std::array<const char*, kNumClasses> kClassNames = {"projections", "feed-forward", "head",
                                                              "embedding", "norms and biases"};

ClassIndex ClassOf(const TensorShape& shape) {
  const absl::string_view name = shape.name;
  if (absl::EndsWith(name, ".bias") || absl::StrContains(name, "_norm.")) return kVectors;
  if (absl::StrContains(name, ".attn_")) return kProjections;
  if (absl::StrContains(name, ".ffn_")) return kFeedForward;
  return name == "output.weight" ? kHead : kEmbedding;
}

// Bytes of `elements` elements of a stored type; 0 where it is none that can be stored.
int64_t StoredBytes(absl::string_view type_name, int64_t elements) {
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kQ4_0,
                                TensorType::kQ8_0, TensorType::kBf16}) {
    if (!absl::EqualsIgnoreCase(TensorTypeName(type), type_name)) continue;
    return elements / TensorTypeBlockElements(type) * TensorTypeBlockBytes(type);
  }
  return 0;
}

// As the engine holds a tensor with weights of whole numbers.
int64_t WholeBytes(WeightDtype dtype, ClassIndex index, const TensorShape& shape) {
  const int64_t elements = shape.rows * shape.row_elements;
  if (index == kVectors) return elements * kVectorBytes;
  if (index == kEmbedding) return elements * WeightDtypeBytes(EmbeddingDtype(dtype));
  return shape.rows * (WeightRowBytes(dtype, shape.row_elements) + WeightChannelBytes(dtype));
}

std::vector<TensorClass> CollectClasses(const TensorSource& source) {
  std::vector<TensorClass> classes(kNumClasses);
  std::vector<std::set<std::string>> types(kNumClasses);
  for (const TensorShape& shape : ExpectedTensors(source.config())) {
    const ClassIndex index = ClassOf(shape);
    const int64_t elements = shape.rows * shape.row_elements;
    const std::string type = source.StoredType(shape.name);
    TensorClass& of = classes[index];
    types[index].insert(type);
    of.parameters += elements;
    of.stored_bytes += StoredBytes(type, elements);
    of.f32_bytes += elements * WeightDtypeBytes(WeightDtype::kF32);
    of.bf16_bytes +=
        elements * (index == kVectors ? kVectorBytes : WeightDtypeBytes(WeightDtype::kBf16));
    of.int8_bytes += WholeBytes(WeightDtype::kInt8, index, shape);
    of.q4_bytes += WholeBytes(WeightDtype::kQ4, index, shape);
  }
  for (size_t i = 0; i < kNumClasses; ++i) {
    classes[i].name = kClassNames[i];
    classes[i].types = absl::StrJoin(types[i], ", ");
  }
  if (source.config().tied_head) {
    // Stored once, but packed a second time for the head's products.
    classes[kHead].types = "tied";
    classes[kHead].f32_bytes = classes[kEmbedding].f32_bytes;
    classes[kHead].bf16_bytes = classes[kEmbedding].bf16_bytes;
    const TensorShape head = {"", source.config().vocab, source.config().width};
    classes[kHead].int8_bytes = WholeBytes(WeightDtype::kInt8, kHead, head);
    classes[kHead].q4_bytes = WholeBytes(WeightDtype::kQ4, kHead, head);
  }
  std::erase_if(classes,
                [](const TensorClass& c) { return c.parameters == 0 && c.types != "tied"; });
  return classes;
}

MatmulFacts Probe(const ModelConfig& config, WeightDtype dtype, int threads) {
  MatmulFacts facts;
  facts.dtype = dtype;
  const absl::StatusOr<std::string> names = ProbeMatmul(config, dtype, threads, &facts.same_bits);
  if (names.ok()) {
    facts.implementations = *names;
  } else {
    facts.problem = std::string(names.status().message());
    facts.same_bits = false;
  }
  return facts;
}

// In whole blocks, as the cache is given out.
int64_t ContextThatFits(const Inspection& inspection) {
  const KvGeometry geometry =
      inspection.config.CacheGeometry(inspection.kv_dtype, kDefaultBlockTokens);
  const int64_t bytes = inspection.machine.free_memory_bytes - inspection.weight_bytes;
  return std::max<int64_t>(0, bytes) / geometry.BlockBytes() * kDefaultBlockTokens;
}

}  // namespace

absl::StatusOr<Inspection> Inspect(const InspectOptions& options) {
  absl::StatusOr<NamedSource> model = OpenModelOrToy(options.model);
  if (!model.ok()) return model.status();
  Inspection inspection;
  inspection.model = std::move(model->model);
  inspection.config = model->source->config();
  inspection.classes = CollectClasses(*model->source);
  for (const TensorClass& of : inspection.classes) inspection.parameters += of.parameters;
  inspection.machine = DetectMachine();
  inspection.threads = options.threads > 0 ? options.threads : inspection.machine.cores;
  const bool bf16 = HasFastBf16();
  inspection.weights = bf16 ? WeightDtype::kBf16 : WeightDtype::kF32;
  inspection.kv_dtype = bf16 ? KvDtype::kBf16 : KvDtype::kF32;
  inspection.weight_bytes = WeightBytesNeeded(inspection.config, inspection.weights);
  for (const KvDtype dtype : kKvDtypes) {
    inspection.token_bytes[static_cast<size_t>(dtype)] =
        inspection.config.CacheGeometry(dtype, kDefaultBlockTokens).TokenBytes();
  }
  inspection.memory_context_tokens = ContextThatFits(inspection);
  for (const WeightDtype dtype : kWeightDtypes) {
    inspection.matmuls.push_back(Probe(inspection.config, dtype, inspection.threads));
  }
  inspection.attention_target = AttentionKernelTarget();
  inspection.attention_form = AttentionFormFor(KvDtype::kBf16, inspection.config.head_dim);
  return inspection;
}

absl::Status RunInspect(const InspectOptions& options, std::ostream& out) {
  const absl::StatusOr<Inspection> inspection = Inspect(options);
  if (!inspection.ok()) return inspection.status();
  out << (options.json ? InspectJson(*inspection) : InspectReport(*inspection));
  return FlushOutput(out);
}

}  // namespace plumbline
