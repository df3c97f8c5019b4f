// Seeded random weights, drawn on demand: nothing is kept but the shapes.
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/float_convert.h"
#include "engine/tensor_source.h"

namespace plumbline {
namespace {

// Gains and biases differ from their neutral value by this, so that a missing one shows.
constexpr double kVectorDeviation = 1.0 / 16;

// The odd constant nearest to 2^64 divided by the golden ratio: multiples of it spread evenly.
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15U;

// The finaliser of splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
// generators"; constants by Stafford, variant 13). A bijection with full avalanche.
inline uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// FNV-1a, 64 bits.
uint64_t HashName(absl::string_view name) {
  uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash;
}

struct Distribution {
  double mean = 0;
  double deviation = 0;
};

// Each number is the sum of the four 16-bit quarters of one mixed counter (Irwin-Hall: close to
// normal, within 3.46 deviations), so that a row needs no state from the row before it. All steps
// are exact or rounded once, and give the same bits on every machine.
void FillRow(uint64_t tensor_key, int64_t row, const Distribution& distribution, int64_t elements,
             float* out) {
  constexpr double kUniforms = 4;
  constexpr double kRange = 65536;
  constexpr int kSumMean = 4 * 65535 / 2;
  const double sum_deviation = std::sqrt(kUniforms * (kRange * kRange - 1) / 12);
  const auto scale = static_cast<float>(distribution.deviation / sum_deviation);
  const auto mean = static_cast<float>(distribution.mean);
  const uint64_t row_key = Mix(tensor_key + kGolden * static_cast<uint64_t>(row));
  constexpr uint64_t kEvenQuarters = 0x0000FFFF0000FFFFU;
  for (int64_t column = 0; column < elements; ++column) {
    const uint64_t random = Mix(row_key + kGolden * static_cast<uint64_t>(column));
    const uint64_t pairs = (random & kEvenQuarters) + ((random >> 16) & kEvenQuarters);
    const int sum = static_cast<int>(static_cast<uint32_t>(pairs + (pairs >> 32)));
    out[column] = Bf16ToF32(F32ToBf16(mean + static_cast<float>(sum - kSumMean) * scale));
  }
}

class SyntheticSource final : public TensorSource {
 public:
  SyntheticSource(const ModelConfig& config, uint64_t seed)
      : config_(config), seed_key_(Mix(seed + kGolden)) {
    for (TensorShape& shape : ExpectedTensors(config)) {
      std::string name = shape.name;
      shapes_.emplace(std::move(name), std::move(shape));
    }
  }

  const ModelConfig& config() const override { return config_; }
  std::string StoredType(absl::string_view name) const override { return Has(name) ? "bf16" : ""; }
  bool Has(absl::string_view name) const override { return shapes_.contains(name); }

  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    const auto found = shapes_.find(shape.name);
    if (found == shapes_.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(config_.name, ": tensor ", shape.name, " is missing: this shape has none"));
    }
    const TensorShape& own = found->second;
    if (own.rows != shape.rows || own.row_elements != shape.row_elements) {
      return absl::InvalidArgumentError(absl::StrCat(
          config_.name, ": tensor ", shape.name, " must have the shape [", shape.row_elements, ", ",
          shape.rows, "] but has [", own.row_elements, ", ", own.rows, "]"));
    }
    const uint64_t key = Mix(seed_key_ ^ HashName(shape.name));
    const Distribution distribution = DistributionOf(own);
    for (int64_t i = 0; i < num_rows; ++i) {
      FillRow(key, row + i, distribution, own.row_elements, out + i * own.row_elements);
    }
    return absl::OkStatus();
  }

  void Release(absl::string_view) const override {}

  absl::StatusOr<std::unique_ptr<Tokenizer>> MakeTokenizer() const override {
    return MakeByteTokenizer(config_.vocab);
  }

 private:
  Distribution DistributionOf(const TensorShape& shape) const {
    if (absl::EndsWith(shape.name, ".bias")) return {0, kVectorDeviation};
    if (absl::EndsWith(shape.name, "_norm.weight")) return {1, kVectorDeviation};
    // A tied embedding is a head too: as such it must be small, or every token predicts itself. The
    // first norm makes up for the size.
    const bool embedding = absl::EndsWith(shape.name, "_embd.weight");
    if (embedding && !config_.tied_head) return {0, 1};
    return {0, 1 / std::sqrt(static_cast<double>(shape.row_elements))};
  }

  ModelConfig config_;
  uint64_t seed_key_;
  absl::flat_hash_map<std::string, TensorShape> shapes_;
};

}  // namespace

std::unique_ptr<TensorSource> MakeSyntheticSource(const ModelConfig& config, uint64_t seed) {
  return std::make_unique<SyntheticSource>(config, seed);
}

}  // namespace plumbline
