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

RatesByAnchor SortByAnchor(MachineProfile& profile) {
  RatesByAnchor rates;
  const auto add = [](std::vector<Rate*>& to, std::initializer_list<Rate*> more) {
    to.insert(to.end(), more);
  };
  for (MatmulRates& m : profile.matmuls) {
    add(rates.matmul, {&m.narrow_macs, &m.square_macs, &m.wide_macs});
    add(rates.read, {&m.streamed_bytes});
  }
  for (ReadRate& r : profile.reads) {
    const bool own = r.bytes <= kOwnCacheBytesPerThread * r.threads;
    add(own ? rates.matmul : rates.read, {&r.read_bytes});
  }
  for (AttentionRates& a : profile.attention) {
    add(rates.matmul, {&a.score_macs, &a.value_macs, &a.softmax_pairs});
  }
  for (StreamRates& s : profile.streams) {
    add(rates.read, {&s.score_bytes, &s.softmax_bytes, &s.value_bytes});
  }
  for (CacheRates& c : profile.caches) {
    add(rates.read, {&c.cold_write_elements});
    add(rates.matmul, {&c.hot_write_elements});
  }
  RowRates& rows = profile.rows;
  add(rates.matmul,
      {&rows.rms_norm, &rows.layer_norm, &rows.swiglu, &rows.gelu, &rows.rotate, &rows.angles,
       &rows.widen, &rows.largest, &profile.matmul_calls, &profile.parallel_regions});
  return rates;
}

MachineProfile AtAnchors(const MachineProfile& profile, const Anchors& anchors) {
  const double compute =
      Ratio(anchors.matmul_flops_per_second, profile.anchors.matmul_flops_per_second);
  const double memory = Ratio(anchors.read_bytes_per_second, profile.anchors.read_bytes_per_second);
  MachineProfile now = profile;
  now.anchors.matmul_flops_per_second *= compute;
  now.anchors.read_bytes_per_second *= memory;
  const RatesByAnchor rates = SortByAnchor(now);
  for (Rate* rate : rates.matmul) rate->per_second *= compute;
  for (Rate* rate : rates.read) rate->per_second *= memory;
  return now;
}

}  // namespace plumbline
