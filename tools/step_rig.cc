#include "tools/step_rig.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/kv_convert.h"
#include "engine/rounding.h"

namespace plumbline {
namespace {

// Elements of the seeded pattern that the cache is filled with; a prime, so that neighbouring rows
// of any width differ.
constexpr int kPatternElements = 65521;

std::vector<std::byte> Pattern(KvDtype dtype, uint64_t seed) {
  std::mt19937_64 random(seed);
  if (dtype == KvDtype::kInt8) {
    // Every four of these bytes are a float between 3e-5 and 0.008, so that they do for scales,
    // too.
    std::uniform_int_distribution<int> byte(0x38, 0x3b);
    std::vector<std::byte> pattern(kPatternElements);
    std::generate(pattern.begin(), pattern.end(), [&] { return std::byte(byte(random)); });
    return pattern;
  }
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  std::vector<float> values(kPatternElements);
  std::generate(values.begin(), values.end(), [&] { return uniform(random); });
  std::vector<std::byte> pattern(static_cast<size_t>(kPatternElements) * KvDtypeBytes(dtype));
  NarrowFromF32(dtype, values.data(), kPatternElements, pattern.data());
  return pattern;
}

}  // namespace

int64_t CacheTokens(absl::Span<const SpanShape> spans, int64_t block_tokens) {
  int64_t tokens = 0;
  for (const SpanShape& span : spans) tokens += RoundUp(span.first + span.count, block_tokens);
  return tokens;
}

StepRig::StepRig(const StepRigOptions& options, std::unique_ptr<Model> model,
                 std::unique_ptr<KvStore> store)
    : seed_(options.seed),
      model_(std::move(model)),
      store_(std::move(store)),
      executor_(*model_, *store_),
      shape_(executor_.cost_shape()),
      tokens_(model_->config().context),
      blocks_(store_->num_blocks()) {
  std::mt19937_64 random(seed_);
  std::uniform_int_distribution<int32_t> token(0, model_->config().vocab - 1);
  std::generate(tokens_.begin(), tokens_.end(), [&] { return token(random); });
  std::iota(blocks_.begin(), blocks_.end(), 0);
  if (options.shuffle_blocks) std::shuffle(blocks_.begin(), blocks_.end(), random);
  FillCache();
}

absl::StatusOr<std::unique_ptr<StepRig>> StepRig::Create(const TensorSource& source,
                                                         const StepRigOptions& options) {
  absl::StatusOr<std::unique_ptr<Model>> model = Model::Load(source, options.model);
  if (!model.ok()) return model.status();
  const KvGeometry geometry =
      source.config().CacheGeometry(options.model.kv_dtype, options.model.block_tokens);
  const int64_t blocks = geometry.BlocksFor(std::max<int64_t>(options.cache_tokens, 1));
  if (blocks > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cache of ", options.cache_tokens, " tokens is too large: ask for fewer"));
  }
  absl::StatusOr<std::unique_ptr<KvStore>> store =
      KvStore::Create(geometry, static_cast<int>(blocks));
  if (!store.ok()) return store.status();
  return std::unique_ptr<StepRig>(new StepRig(options, *std::move(model), *std::move(store)));
}

void StepRig::FillCache() {
  const std::vector<std::byte> pattern = Pattern(model_->options().kv_dtype, seed_);
  size_t from = 0;
  for (int layer = 0; layer < model_->config().layers; ++layer) {
    for (BlockId block = 0; block < store_->num_blocks(); ++block) {
      absl::Span<std::byte> bytes = store_->LayerBlock(0, layer, block);
      while (!bytes.empty()) {
        const size_t count = std::min(bytes.size(), pattern.size() - from);
        std::memcpy(bytes.data(), pattern.data() + from, count);
        bytes.remove_prefix(count);
        from = (from + count) % pattern.size();
      }
    }
  }
}

absl::StatusOr<StepSample> StepRig::Run(absl::Span<const SpanShape> spans) {
  batch_.Clear();
  int64_t used = 0;
  for (const SpanShape& span : spans) {
    const int64_t end = span.first + span.count;
    if (span.first < 0 || span.count < 1 || end > static_cast<int64_t>(tokens_.size())) {
      return absl::InvalidArgumentError(absl::StrCat("positions ", span.first, " to ", end,
                                                     " are outside the context of ", tokens_.size(),
                                                     " tokens: use a model with a longer one"));
    }
    const int64_t blocks = store_->geometry().BlocksFor(end);
    if (blocks > static_cast<int64_t>(blocks_.size()) - used) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "a step needs more than ", used + blocks - 1, " cache blocks, and the rig has ",
          blocks_.size(), ": give it more cache tokens"));
    }
    batch_.AddSpan(absl::MakeConstSpan(tokens_).subspan(span.first, span.count),
                   static_cast<int>(span.first), static_cast<int>(span.logit_rows),
                   absl::MakeConstSpan(blocks_).subspan(used, blocks));
    used += blocks;
  }
  StepSample sample;
  const auto start = std::chrono::steady_clock::now();
  const auto logits = executor_.Run(batch_, &sample.work);
  sample.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!logits.ok()) return logits.status();
  sample.logits = *logits;
  return sample;
}

}  // namespace plumbline
