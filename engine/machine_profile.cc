#include "engine/machine_profile.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "engine/quantile.h"

namespace plumbline {
namespace {

bool IsRate(double value) { return std::isfinite(value) && value > 0; }

bool AreRates(std::initializer_list<const Rate*> rates) {
  return std::all_of(rates.begin(), rates.end(), [](const Rate* rate) {
    return IsRate(rate->per_second) && std::isfinite(rate->spread) && rate->spread >= 0;
  });
}

absl::Status Bad(absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("the machine profile's ", what,
                   " are missing or not positive numbers: run plumbline calibrate again"));
}

double Ratio(double now, double then) { return IsRate(now) && IsRate(then) ? now / then : 1; }

// Reads this small come from a core's own caches, which follow its clock and not the memory.
constexpr int64_t kOwnCacheBytesPerThread = int64_t{512} << 10;

double Seconds(const Rate& rate) { return IsRate(rate.per_second) ? 1 / rate.per_second : 0; }

// What the products of one byte of weights take where these are hot.
double ProductSeconds(const MatmulRates& m) {
  const double byte_products = static_cast<double>(m.rows * kQ4BlockInputs) /
                               static_cast<double>(WeightRowBytes(m.dtype, kQ4BlockInputs));
  return byte_products * Seconds(m.square_macs);
}

// What a stream does with its bytes is known from what it takes beside a read of them, and is
// never less than its products take where nothing is waited for.
BoundRate Streamed(const MachineProfile& profile, double product_seconds, Rate& rate) {
  const double memory = Seconds({profile.anchors.read_bytes_per_second, 0});
  const double streamed = Seconds(rate);
  const double own = std::sqrt(std::max(0.0, streamed * streamed - memory * memory));
  return {&rate, std::max(own, product_seconds), memory, profile.anchors.read_bytes_per_second};
}

// Rows of attention over a cache in memory, beside the same over hot keys and values. The softmax
// reads neither.
void BoundStream(const MachineProfile& profile, StreamRates& s, std::vector<BoundRate>& rates) {
  const auto hot = std::find_if(
      profile.attention.begin(), profile.attention.end(),
      [&](const auto& a) { return a.dtype == s.dtype && a.rows == 1 && a.keys == s.keys; });
  double score = 0;
  double value = 0;
  if (hot != profile.attention.end()) {
    const double products = static_cast<double>(hot->head_dim) /
                            KvRowBytes(hot->dtype, static_cast<int>(hot->head_dim)) /
                            profile.threads;
    score = products * Seconds(hot->score_macs);
    value = products * Seconds(hot->value_macs);
  }
  rates.push_back(Streamed(profile, score, s.score_bytes));
  rates.push_back({&s.softmax_bytes, 1, 0});
  rates.push_back(Streamed(profile, value, s.value_bytes));
}

}  // namespace

absl::Status MachineProfile::Validate() const {
  if (threads < 1) return Bad("threads");
  if (!IsRate(anchors.matmul_flops_per_second) || !IsRate(anchors.read_bytes_per_second)) {
    return Bad("anchors");
  }
  bool good = !matmuls.empty();
  for (const MatmulRates& m : matmuls) {
    good = good && m.rows > 0 &&
           AreRates({&m.narrow_macs, &m.square_macs, &m.wide_macs, &m.streamed_bytes});
  }
  if (!good) return Bad("matmul rates");
  good = !reads.empty();
  for (const ReadRate& r : reads) {
    good = good && r.threads > 0 && r.bytes > 0 && AreRates({&r.read_bytes});
  }
  if (!good) return Bad("read rates");
  good = !attention.empty();
  for (const AttentionRates& a : attention) {
    good = good && a.head_dim > 0 && a.rows > 0 && a.keys > 0 &&
           AreRates({&a.score_macs, &a.value_macs, &a.softmax_pairs});
  }
  if (!good) return Bad("attention rates");
  good = !streams.empty();
  for (const StreamRates& s : streams) {
    good = good && s.keys > 0 && AreRates({&s.score_bytes, &s.softmax_bytes, &s.value_bytes});
  }
  if (!good) return Bad("rates of streamed caches");
  good = !caches.empty();
  for (const CacheRates& c : caches) {
    good = good && AreRates({&c.hot_write_elements, &c.cold_write_elements});
  }
  if (!good) return Bad("cache rates");
  if (!AreRates({&rows.rms_norm, &rows.layer_norm, &rows.swiglu, &rows.gelu, &rows.rotate,
                 &rows.angles, &rows.widen, &rows.largest})) {
    return Bad("row rates");
  }
  if (!AreRates({&matmul_calls, &parallel_regions})) return Bad("call rates");
  return absl::OkStatus();
}

Anchors MedianAnchors(absl::Span<const Anchors> anchors) {
  std::vector<double> matmuls;
  std::vector<double> reads;
  for (const Anchors& a : anchors) {
    matmuls.push_back(a.matmul_flops_per_second);
    reads.push_back(a.read_bytes_per_second);
  }
  return {Quantile(matmuls, 0.5), Quantile(reads, 0.5)};
}

double BoundRate::Factor(double compute, double memory) const {
  const double before = std::hypot(compute_seconds, memory_seconds);
  const double now = std::hypot(compute_seconds / compute, memory_seconds / memory);
  return now > 0 ? before / now : 1;
}

std::vector<BoundRate> BoundRates(MachineProfile& profile) {
  std::vector<BoundRate> rates;
  const auto add = [&](std::initializer_list<Rate*> more, bool by_memory) {
    for (Rate* rate : more) rates.push_back({rate, by_memory ? 0.0 : 1.0, by_memory ? 1.0 : 0.0});
  };
  for (MatmulRates& m : profile.matmuls) {
    add({&m.narrow_macs, &m.square_macs, &m.wide_macs}, false);
    rates.push_back(Streamed(profile, ProductSeconds(m), m.streamed_bytes));
  }
  for (ReadRate& r : profile.reads) {
    add({&r.read_bytes}, r.bytes > kOwnCacheBytesPerThread * r.threads);
  }
  for (AttentionRates& a : profile.attention) {
    add({&a.score_macs, &a.value_macs, &a.softmax_pairs}, false);
  }
  for (StreamRates& s : profile.streams) BoundStream(profile, s, rates);
  for (CacheRates& c : profile.caches) {
    add({&c.cold_write_elements}, true);
    add({&c.hot_write_elements}, false);
  }
  RowRates& rows = profile.rows;
  add({&rows.rms_norm, &rows.layer_norm, &rows.swiglu, &rows.gelu, &rows.rotate, &rows.angles,
       &rows.widen, &rows.largest, &profile.matmul_calls, &profile.parallel_regions},
      false);
  return rates;
}

MachineProfile AtAnchors(const MachineProfile& profile, const Anchors& anchors) {
  const double compute =
      Ratio(anchors.matmul_flops_per_second, profile.anchors.matmul_flops_per_second);
  const double memory = Ratio(anchors.read_bytes_per_second, profile.anchors.read_bytes_per_second);
  MachineProfile now = profile;
  for (const BoundRate& bound : BoundRates(now)) {
    bound.rate->per_second *= bound.Factor(compute, memory);
  }
  now.anchors.matmul_flops_per_second *= compute;
  now.anchors.read_bytes_per_second *= memory;
  return now;
}

}  // namespace plumbline
