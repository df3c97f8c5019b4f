#include "tools/perplexity_setup.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/machine.h"
#include "engine/matmul_probe.h"
#include "engine/memory_plan.h"
#include "tools/numeric_options.h"
#include "tools/table.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int64_t kMostTextBytes = int64_t{64} << 20;
constexpr int64_t kLogitBytes = 4;

template <class Dtype, size_t n>
absl::StatusOr<Dtype> FindDtype(absl::string_view word, const std::array<Dtype, n>& known,
                                absl::string_view (*name)(Dtype)) {
  for (const Dtype dtype : known) {
    if (word == name(dtype)) return dtype;
  }
  const auto append = [name](std::string* out, Dtype dtype) { absl::StrAppend(out, name(dtype)); };
  return absl::InvalidArgumentError(absl::StrCat("\"", Printable(word),
                                                 "\" is no known dtype: ", "give some of ",
                                                 absl::StrJoin(known, ",", append)));
}

template <class Dtype, size_t n>
absl::StatusOr<std::vector<Dtype>> FindDtypes(absl::string_view list,
                                              const std::array<Dtype, n>& known,
                                              absl::string_view (*name)(Dtype)) {
  std::vector<Dtype> dtypes;
  for (const absl::string_view word : absl::StrSplit(list, ',')) {
    const absl::StatusOr<Dtype> dtype = FindDtype(word, known, name);
    if (!dtype.ok()) return dtype.status();
    if (std::find(dtypes.begin(), dtypes.end(), *dtype) == dtypes.end()) dtypes.push_back(*dtype);
  }
  return dtypes;
}

absl::StatusOr<std::string> ReadText(std::istream& in, const std::string& name) {
  // One byte more tells a text that is too long from one that just fits.
  std::string text;
  std::vector<char> buffer(size_t{1} << 16);
  while (in && static_cast<int64_t>(text.size()) <= kMostTextBytes) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    text.append(buffer.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad()) {
    return absl::DataLossError(
        absl::StrCat("the text ", name, " cannot be read to its end: is it a regular file?"));
  }
  if (static_cast<int64_t>(text.size()) > kMostTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the text ", name, " has more than ", FormatBytes(kMostTextBytes), ": give a part of it"));
  }
  return text;
}

absl::StatusOr<std::string> OpenText(const std::string& path, std::istream& in) {
  if (path == "-") return ReadText(in, "on standard input");
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("the text ", path, " cannot be read: check its name and permissions"));
  }
  return ReadText(file, path);
}

// The start token is the vocabulary's affair: it is what an empty text becomes.
absl::Status Encode(absl::string_view text, PerplexitySetup& setup) {
  const auto tokenizer = setup.source->MakeTokenizer();
  if (!tokenizer.ok()) return tokenizer.status();
  absl::StatusOr<std::vector<int32_t>> ids = (*tokenizer)->Encode("", {});
  if (!ids.ok()) return ids.status();
  setup.start = *std::move(ids);
  EncodeOptions options;
  options.add_bos = false;
  ids = (*tokenizer)->Encode(text, options);
  if (!ids.ok()) return ids.status();
  setup.tokens = *std::move(ids);
  setup.text_bytes = static_cast<int64_t>(text.size());
  return absl::OkStatus();
}

absl::Status LayOut(const PerplexityOptions& options, PerplexitySetup& setup) {
  const int64_t most = setup.source->config().context;
  if (options.context > most) {
    return absl::InvalidArgumentError(absl::StrCat("windows of ", options.context,
                                                   " positions do not fit the model's context of ",
                                                   most, ": lower --context"));
  }
  WindowLayout& layout = setup.layout;
  layout.text_tokens = static_cast<int64_t>(setup.tokens.size());
  layout.start_tokens = static_cast<int64_t>(setup.start.size());
  layout.context = options.context > 0 ? options.context : most;
  layout.stride = options.stride > 0 ? options.stride : layout.context / 2;
  return layout.Check();
}

// All that run here, or what is asked for, whether it runs or not: loading tells.
absl::Status ChooseTypes(const PerplexityOptions& options, PerplexitySetup& setup) {
  const absl::StatusOr<NumericTypes> reference = ParseNumericTypes(options.against);
  if (!reference.ok()) return reference.status();
  setup.reference = *reference;
  std::vector<WeightDtype> weights;
  if (options.weights.empty()) {
    for (const WeightDtype dtype : kWeightDtypes) {
      bool rows_independent = false;
      const absl::StatusOr<std::string> probe = ProbeMatmul(
          setup.source->config(), dtype, setup.model_options.threads, &rows_independent);
      if (probe.ok()) {
        weights.push_back(dtype);
        continue;
      }
      setup.left_out.push_back(absl::StrCat(
          WeightDtypeName(dtype), " weights do not run here: ", probe.status().message()));
    }
  } else {
    absl::StatusOr<std::vector<WeightDtype>> asked = ParseWeightDtypes(options.weights);
    if (!asked.ok()) return asked.status();
    weights = *std::move(asked);
  }
  std::vector<KvDtype> caches(kKvDtypes.begin(), kKvDtypes.end());
  if (!options.kv_dtype.empty()) {
    absl::StatusOr<std::vector<KvDtype>> asked = ParseKvDtypes(options.kv_dtype);
    if (!asked.ok()) return asked.status();
    caches = *std::move(asked);
  }
  for (const WeightDtype dtype : weights) {
    for (const KvDtype cache : caches) {
      const NumericTypes types = {dtype, cache};
      if (types != setup.reference) setup.others.push_back(types);
    }
  }
  return absl::OkStatus();
}

int64_t NeededBytes(const PerplexitySetup& setup, const NumericTypes& types) {
  MemoryShape shape;
  shape.config = setup.source->config();
  shape.weights = types.weights;
  shape.kv_dtype = types.kv_dtype;
  shape.block_tokens = setup.model_options.block_tokens;
  shape.threads = setup.model_options.threads;
  shape.matmul.blocked = true;  // the larger of the two
  const int64_t blocks = shape.config.CacheGeometry(types.kv_dtype, shape.block_tokens)
                             .BlocksFor(setup.layout.context);
  return PlanRun(shape, setup.model_options.max_step_tokens, setup.model_options.max_logit_rows,
                 blocks)
      .needed();
}

absl::Status FitMemory(PerplexitySetup& setup) {
  const int64_t known = DetectMachine().free_memory_bytes;
  const int64_t free = known > 0 ? known : std::numeric_limits<int64_t>::max();
  const int64_t reference = NeededBytes(setup, setup.reference);
  std::vector<int64_t> needed;
  needed.reserve(setup.others.size());
  for (const NumericTypes& types : setup.others) needed.push_back(NeededBytes(setup, types));
  PassCut cut = CutPasses(needed, std::max<int64_t>(0, free - reference));
  const bool reference_fits = reference <= free;
  if (reference_fits && !cut.too_large.has_value()) {
    setup.pass_ends = std::move(cut.ends);
    return absl::OkStatus();
  }
  const int64_t other = reference_fits ? needed[*cut.too_large] : 0;
  const int64_t rows = setup.model_options.max_logit_rows;
  const int64_t vocab = setup.source->config().vocab;
  return absl::ResourceExhaustedError(absl::StrCat(
      "the reference needs ", FormatBytes(reference),
      reference_fits ? absl::StrCat(" and a model beside it ", FormatBytes(other)) : "", ", and ",
      FormatBytes(free), " are free; of that each takes ", FormatBytes(rows * vocab * kLogitBytes),
      " for logits (", rows, " rows x ", vocab,
      " tokens x 4): lower --chunk-tokens or --context, take --against bf16, or free some memory"));
}

}  // namespace

absl::StatusOr<std::vector<WeightDtype>> ParseWeightDtypes(absl::string_view list) {
  return FindDtypes(list, kWeightDtypes, &WeightDtypeName);
}

absl::StatusOr<std::vector<KvDtype>> ParseKvDtypes(absl::string_view list) {
  return FindDtypes(list, kKvDtypes, &KvDtypeName);
}

absl::StatusOr<NumericTypes> ParseNumericTypes(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('/', 1));
  const absl::StatusOr<WeightDtype> weights =
      FindDtype(parts.first, kWeightDtypes, &WeightDtypeName);
  if (!weights.ok()) return weights.status();
  if (text.find('/') == absl::string_view::npos) return NumericTypes{*weights, KvDtype::kF32};
  const absl::StatusOr<KvDtype> cache = FindDtype(parts.second, kKvDtypes, &KvDtypeName);
  if (!cache.ok()) return cache.status();
  return NumericTypes{*weights, *cache};
}

PassCut CutPasses(const std::vector<int64_t>& needed_bytes, int64_t free_bytes) {
  PassCut cut;
  int64_t left = free_bytes;
  for (size_t i = 0; i < needed_bytes.size(); ++i) {
    if (needed_bytes[i] > free_bytes) return {{}, i};
    if (needed_bytes[i] > left) {
      cut.ends.push_back(i);
      left = free_bytes;
    }
    left -= needed_bytes[i];
  }
  cut.ends.push_back(needed_bytes.size());
  return cut;
}

absl::StatusOr<PerplexitySetup> PreparePerplexity(const PerplexityOptions& options,
                                                  std::istream& in) {
  PerplexitySetup setup;
  absl::StatusOr<NamedSource> model = OpenModelOrToy(options.model);
  if (!model.ok()) return model.status();
  setup.model = std::move(model->model);
  setup.source = std::move(model->source);
  const absl::StatusOr<std::string> text = OpenText(options.text_file, in);
  if (!text.ok()) return text.status();
  absl::Status status = Encode(*text, setup);
  if (status.ok()) status = LayOut(options, setup);
  if (!status.ok()) return status;
  ModelOptions& model_options = setup.model_options;
  model_options.threads = options.threads > 0 ? options.threads : DetectMachine().cores;
  // A window's last token is never fed.
  model_options.max_step_tokens =
      static_cast<int>(std::min<int64_t>(options.chunk_tokens, setup.layout.context - 1));
  model_options.max_step_spans = 1;
  model_options.max_logit_rows =
      static_cast<int>(std::min<int64_t>(model_options.max_step_tokens, setup.layout.stride));
  status = ChooseTypes(options, setup);
  if (status.ok()) status = FitMemory(setup);
  if (!status.ok()) return status;
  return setup;
}

}  // namespace plumbline
