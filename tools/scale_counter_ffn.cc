// Bias and activation of the feed-forward layer, fused and not.
#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/counter_cost.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/tensor_source.h"
#include "tools/scale_counter.h"

namespace plumbline {
namespace {

// The products of one layer's up matrix for n tokens, and what becomes of them.
class Activation {
 public:
  Activation(const CounterOptions& options, const ModelConfig& config, int64_t n)
      : kind_(config.feed_forward),
        ffn_(config.ffn),
        width_((config.feed_forward_matrices() - 1) * config.ffn),
        tokens_(n),
        threads_(UsableThreads(options.threads)),
        dtype_(EmbeddingDtype(options.weights)),  // whole numbers: a pass of its own, either way
        seed_(options.seed),
        products_(static_cast<size_t>(n * width_)),
        bias_(static_cast<size_t>(width_)),
        out_(static_cast<size_t>(n * ffn_ * WeightDtypeBytes(dtype_))) {
    Fill(absl::MakeSpan(bias_), 0);
  }

  // Fresh products, the same every time: a pass may have changed them.
  void Reset() {
    ParallelFor(threads_, tokens_, [&](int64_t row) {
      Fill(absl::MakeSpan(products_).subspan(row * width_, width_), row + 1);
    });
  }
  // Both return the bytes that their passes read and wrote.
  int64_t RunFused() { return Activate(bias_.data()); }
  int64_t RunUnfused() {
    ParallelFor(threads_, tokens_, [&](int64_t row) {
      AddRow(width_, bias_.data(), products_.data() + row * width_);
    });
    const auto pass = static_cast<int64_t>(products_.size() * sizeof(float));
    return 2 * pass + Activate(nullptr);
  }
  const std::vector<std::byte>& out() const { return out_; }

 private:
  void Fill(absl::Span<float> values, uint64_t stream) const {
    std::minstd_rand random(static_cast<unsigned>(seed_ * 1000003 + stream + 1));
    std::uniform_real_distribution<float> uniform(-4.0F, 4.0F);
    std::generate(values.begin(), values.end(), [&] { return uniform(random); });
  }
  int64_t Activate(const float* bias) {
    const int64_t row_bytes = int64_t{1} * ffn_ * WeightDtypeBytes(dtype_);
    ParallelFor(threads_, tokens_, [&](int64_t row) {
      plumbline::Activate(kind_, ffn_, products_.data() + row * width_, bias, dtype_,
                          out_.data() + row * row_bytes);
    });
    return static_cast<int64_t>(products_.size() * sizeof(float) + out_.size());
  }

  FeedForwardKind kind_;
  int ffn_;
  int width_;  // of the up matrix's output
  int64_t tokens_;
  int threads_;
  WeightDtype dtype_;
  uint64_t seed_;
  std::vector<float> products_;  // [tokens, width]
  std::vector<float> bias_;      // [width]
  std::vector<std::byte> out_;   // [tokens, ffn] in dtype
};

// `expected` is filled by the first pass that runs, and holds for all later ones.
CounterPass ActivationPass(const ScalePoint& point, Activation& activation,
                           std::vector<std::byte>* expected) {
  CounterPass pass;
  pass.point = point;
  pass.run = [point, &activation, expected]() -> absl::StatusOr<ScaleSample> {
    const bool fused = point.sweep == ScaleSweep::kFusedFfn;
    constexpr auto kOther = static_cast<size_t>(WorkClass::kOther);
    activation.Reset();
    ScaleSample sample;
    sample.seconds = TimeSeconds(
        [&] { sample.bytes[kOther] = fused ? activation.RunFused() : activation.RunUnfused(); });
    sample.class_seconds[kOther] = sample.seconds;
    sample.formula_bytes[kOther] = fused ? FusedActivationBytes(point.shape, point.tokens)
                                         : UnfusedActivationBytes(point.shape, point.tokens);
    if (expected->empty()) *expected = activation.out();
    if (*expected != activation.out()) {
      return absl::InternalError(
          "fused and unfused activations differ: a bug, please report it with the model's name");
    }
    return sample;
  };
  return pass;
}

}  // namespace

absl::Status MeasureActivationFusion(const CounterOptions& options,
                                     absl::Span<const int64_t> lengths, ScaleData* data) {
  const auto source = OpenModel(options.model);
  if (!source.ok()) return source.status();
  const ModelConfig& config = (*source)->config();
  for (const int64_t n : lengths) {
    if (n < 1 || n > config.context) {
      return absl::InvalidArgumentError(absl::StrCat("a length of ", n, " tokens is outside 1 to ",
                                                     config.context, ", the context of ",
                                                     config.name));
    }
    Activation activation(options, config, n);
    std::vector<std::byte> expected;
    ScalePoint point;
    point.model = options.model;
    point.shape = CostShape::From(config, options.weights, options.kv_dtype, options.block_tokens);
    point.shape.L = 1;
    point.tokens = n;
    point.chunk = n;
    std::vector<CounterPass> passes;
    for (const ScaleSweep sweep : {ScaleSweep::kFusedFfn, ScaleSweep::kUnfusedFfn}) {
      point.sweep = sweep;
      passes.push_back(ActivationPass(point, activation, &expected));
    }
    if (absl::Status status = RunPasses(options, passes, data); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace plumbline
