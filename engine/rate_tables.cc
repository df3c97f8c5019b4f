#include "engine/rate_tables.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "engine/cutting.h"

namespace plumbline {
namespace {

constexpr int64_t kMicroRows = cutting::kMicroTileRows;
constexpr int64_t kGatherFrom = 13;  // rows

double Inverse(const Rate& rate) { return 1 / rate.per_second; }

// The value at `x` between (x0, y0) and (x1, y1), straight on logarithmic scales; the nearer end
// outside of them.
double LogInterpolate(double x, double x0, double y0, double x1, double y1) {
  if (x <= x0 || x1 <= x0) return y0;
  if (x >= x1) return y1;
  const double part = std::log(x / x0) / std::log(x1 / x0);
  return y0 * std::pow(y1 / y0, part);
}

// Of the rates that `is_one` takes, those of the fewest and of the most keys.
// REQUIRES: it takes one.
template <class Rates, class Predicate>
std::pair<const Rates*, const Rates*> Ends(const std::vector<Rates>& all, const Predicate& is_one) {
  const Rates* few = nullptr;
  const Rates* many = nullptr;
  for (const Rates& rates : all) {
    if (!is_one(rates)) continue;
    if (few == nullptr || rates.keys < few->keys) few = &rates;
    if (many == nullptr || rates.keys > many->keys) many = &rates;
  }
  return {few, many};
}

// Seconds where a segment has `keys` keys: a + b / keys through both ends, for segments from one
// group of keys up to the longer end. Never below what the longer one takes.
template <class Rates>
double AtKeys(const Rates& few, const Rates& many, Rate Rates::*rate, double keys) {
  const double least = Inverse(many.*rate);
  if (few.keys >= many.keys) return least;
  const auto inverse = [](double count) { return 1 / count; };
  const double in_segment =
      std::clamp(keys, static_cast<double>(cutting::kKeyGroup), static_cast<double>(many.keys));
  const double short_keys = inverse(static_cast<double>(few.keys));
  const double long_keys = inverse(static_cast<double>(many.keys));
  const double part = (inverse(in_segment) - long_keys) / (short_keys - long_keys);
  return least + part * std::max(0.0, Inverse(few.*rate) - least);
}

double PerOutput(const MatrixSize& size) { return 1 / static_cast<double>(size.inputs); }
double PerInput(const MatrixSize& size) { return 1 / static_cast<double>(size.outputs); }

// Seconds per product of the three matrices of machine_profile.h.
struct HotSeconds {
  double narrow, square, wide;
};

// Solves a + b / inputs + c / outputs for the three; b and c are never below 0.
void SplitHotRates(const HotSeconds& hot, MatmulCost* cost) {
  const double narrow = hot.narrow - hot.square;
  const double wide = hot.wide - hot.square;
  const double narrow_b = PerOutput(kNarrowMatrix) - PerOutput(kSquareMatrix);
  const double narrow_c = PerInput(kNarrowMatrix) - PerInput(kSquareMatrix);
  const double wide_b = PerOutput(kWideMatrix) - PerOutput(kSquareMatrix);
  const double wide_c = PerInput(kWideMatrix) - PerInput(kSquareMatrix);
  const double determinant = narrow_b * wide_c - wide_b * narrow_c;
  double b = (narrow * wide_c - wide * narrow_c) / determinant;
  double c = (narrow_b * wide - wide_b * narrow) / determinant;
  if (b < 0) {
    b = 0;
    c = std::max(0.0, wide / wide_c);
  } else if (c < 0) {
    c = 0;
    b = std::max(0.0, narrow / narrow_b);
  }
  cost->output_seconds = b;
  cost->input_seconds = c;
  cost->mac_seconds =
      std::max(0.0, hot.square - b * PerOutput(kSquareMatrix) - c * PerInput(kSquareMatrix));
}

}  // namespace

double RateTables::ReadByteSeconds(double working_set_bytes) const {
  const ReadRate* below = nullptr;
  const ReadRate* above = nullptr;
  for (const ReadRate& read : profile_.reads) {
    if (read.threads != profile_.threads) continue;
    if (static_cast<double>(read.bytes) <= working_set_bytes) below = &read;
    if (above == nullptr && static_cast<double>(read.bytes) >= working_set_bytes) above = &read;
  }
  if (below == nullptr) below = above;
  if (above == nullptr) above = below;
  if (below == nullptr) return 1 / profile_.anchors.read_bytes_per_second;
  return LogInterpolate(working_set_bytes, static_cast<double>(below->bytes),
                        Inverse(below->read_bytes), static_cast<double>(above->bytes),
                        Inverse(above->read_bytes));
}

double RateTables::MemoryShare(double working_set_bytes) const {
  const double near = ReadByteSeconds(0);
  const double far = ReadByteSeconds(1e18);
  if (far <= near) return 1;
  return std::clamp((ReadByteSeconds(working_set_bytes) - near) / (far - near), 0.0, 1.0);
}

MatmulCost RateTables::Matmul(WeightDtype dtype, int64_t rows) const {
  const auto known = [this](WeightDtype of) {
    return std::any_of(profile_.matmuls.begin(), profile_.matmuls.end(),
                       [of](const MatmulRates& m) { return m.dtype == of; });
  };
  WeightDtype looked_up = dtype;
  if (looked_up == WeightDtype::kQ4 && !known(looked_up)) looked_up = WeightDtype::kInt8;
  if (!known(looked_up)) looked_up = WeightDtype::kBf16;
  if (!known(looked_up)) looked_up = WeightDtype::kF32;
  const MatmulRates* first = nullptr;
  const MatmulRates* below = nullptr;
  const MatmulRates* above = nullptr;
  for (const MatmulRates& m : profile_.matmuls) {
    if (m.dtype != looked_up) continue;
    if (first == nullptr) first = &m;
    if (m.rows <= rows) below = &m;
    if (above == nullptr && m.rows >= rows) above = &m;
  }
  if (below == nullptr) below = above;
  if (above == nullptr) above = below;
  if (below == nullptr) return {};
  const auto between = [&](Rate MatmulRates::*rate) {
    return LogInterpolate(static_cast<double>(rows), static_cast<double>(below->rows),
                          Inverse(below->*rate), static_cast<double>(above->rows),
                          Inverse(above->*rate));
  };
  MatmulCost cost;
  SplitHotRates({between(&MatmulRates::narrow_macs), between(&MatmulRates::square_macs),
                 between(&MatmulRates::wide_macs)},
                &cost);
  // Bytes take longer to stream the more rows each is used for.
  cost.streamed_byte_seconds = between(&MatmulRates::streamed_bytes);
  cost.row_byte_seconds = Inverse(first->streamed_bytes);
  return cost;
}

TileCost RateTables::MeasuredTile(KvDtype dtype, int64_t head_dim, int64_t rows,
                                  double keys) const {
  const AttentionRates* best = nullptr;
  const auto distance = [&](const AttentionRates& a) {
    return std::pair(std::llabs(a.head_dim - head_dim), std::llabs(a.rows - rows));
  };
  for (const AttentionRates& a : profile_.attention) {
    if (a.dtype == dtype && (best == nullptr || distance(a) < distance(*best))) best = &a;
  }
  if (best == nullptr) best = &profile_.attention.front();
  const auto [few, many] = Ends(profile_.attention, [best](const AttentionRates& a) {
    return a.dtype == best->dtype && a.head_dim == best->head_dim && a.rows == best->rows;
  });
  TileCost cost;
  cost.score_seconds = AtKeys(*few, *many, &AttentionRates::score_macs, keys);
  cost.value_seconds = AtKeys(*few, *many, &AttentionRates::value_macs, keys);
  cost.softmax_seconds = AtKeys(*few, *many, &AttentionRates::softmax_pairs, keys);
  return cost;
}

StreamCost RateTables::Stream(KvDtype dtype, double keys) const {
  const bool known = std::any_of(profile_.streams.begin(), profile_.streams.end(),
                                 [dtype](const StreamRates& s) { return s.dtype == dtype; });
  const KvDtype looked_up = known ? dtype : profile_.streams.front().dtype;
  const auto [few, many] =
      Ends(profile_.streams, [looked_up](const StreamRates& s) { return s.dtype == looked_up; });
  return {AtKeys(*few, *many, &StreamRates::score_bytes, keys),
          AtKeys(*few, *many, &StreamRates::softmax_bytes, keys),
          AtKeys(*few, *many, &StreamRates::value_bytes, keys)};
}

TileCost RateTables::Tile(KvDtype dtype, int64_t head_dim, int64_t rows, double keys,
                          bool always_gathered) const {
  const bool gathered = always_gathered || (dtype != KvDtype::kF32 && rows >= kGatherFrom);
  const KvDtype read_as = gathered ? KvDtype::kF32 : dtype;
  const int64_t rest = rows % kMicroRows;
  const auto rest_share = static_cast<double>(rest) / static_cast<double>(rows);
  TileCost cost = MeasuredTile(read_as, head_dim, rest == rows ? rest : kMicroRows, keys);
  if (rest > 0 && rest < rows) {
    const TileCost tail = MeasuredTile(read_as, head_dim, rest, keys);
    const auto mix = [&](double full, double part) {
      return full * (1 - rest_share) + part * rest_share;
    };
    cost.score_seconds = mix(cost.score_seconds, tail.score_seconds);
    cost.value_seconds = mix(cost.value_seconds, tail.value_seconds);
    cost.softmax_seconds = mix(cost.softmax_seconds, tail.softmax_seconds);
  }
  const double first = std::min(1.0, static_cast<double>(kMicroRows) / static_cast<double>(rows));
  if (!gathered) {
    cost.softmax_reading_seconds = cost.softmax_seconds * first;
    cost.score_reading_seconds = cost.score_seconds * first;
    cost.value_reading_seconds = cost.value_seconds * first;
    return cost;
  }
  const TileCost tile = MeasuredTile(dtype, head_dim, kTileRates, keys);
  const TileCost plain = MeasuredTile(KvDtype::kF32, head_dim, kMicroRows, keys);
  const auto sharing = static_cast<double>(kTileRates) / static_cast<double>(rows);
  cost.score_reading_seconds = std::max(0.0, tile.score_seconds - plain.score_seconds) * sharing;
  cost.value_reading_seconds = std::max(0.0, tile.value_seconds - plain.value_seconds) * sharing;
  cost.score_seconds += cost.score_reading_seconds;
  cost.value_seconds += cost.value_reading_seconds;
  return cost;
}

TileCost RateTables::CpuTile(KvDtype dtype, int64_t head_dim, int64_t rows, double keys) const {
  int64_t below = 1;
  int64_t above = kTileRates;
  for (const AttentionRates& a : profile_.attention) {
    if (a.dtype != dtype) continue;
    if (a.rows <= rows) below = std::max(below, a.rows);
    if (a.rows >= rows) above = std::min(above, a.rows);
  }
  const TileCost low = MeasuredTile(dtype, head_dim, below, keys);
  const TileCost high = MeasuredTile(dtype, head_dim, above, keys);
  const auto between = [&](double TileCost::*seconds) {
    return LogInterpolate(static_cast<double>(rows), static_cast<double>(below), low.*seconds,
                          static_cast<double>(above), high.*seconds);
  };
  TileCost cost;
  cost.score_seconds = between(&TileCost::score_seconds);
  cost.value_seconds = between(&TileCost::value_seconds);
  cost.softmax_seconds = between(&TileCost::softmax_seconds);
  const double first =
      std::min(1.0, static_cast<double>(cutting::kTiledRows) / static_cast<double>(rows));
  cost.score_reading_seconds = cost.score_seconds * first;
  cost.value_reading_seconds = cost.value_seconds * first;
  cost.softmax_reading_seconds = cost.softmax_seconds * first;
  return cost;
}

const CacheRates& RateTables::Cache(KvDtype dtype) const {
  const auto found = std::find_if(profile_.caches.begin(), profile_.caches.end(),
                                  [&](const CacheRates& c) { return c.dtype == dtype; });
  return found == profile_.caches.end() ? profile_.caches.front() : *found;
}

}  // namespace plumbline
