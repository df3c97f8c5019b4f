#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tools/calibrate.h"
#include "tools/machine_file.h"
#include "tools/table.h"

namespace plumbline {
namespace {

// "123.4" billions per second.
Cell Giga(const Rate& rate, double units = 1) {
  return Cell::Text(absl::StrFormat("%.4g", rate.per_second * units / 1e9));
}

Cell SpreadCell(std::initializer_list<const Rate*> rates) {
  double largest = 0;
  for (const Rate* rate : rates) largest = std::max(largest, rate->spread);
  return Cell::Text(absl::StrFormat("%.0f%%", 100 * largest));
}

std::string MatmulTable(const MachineProfile& profile) {
  const auto size = [](const MatrixSize& matrix) {
    return absl::StrCat(matrix.outputs, " x ", matrix.inputs);
  };
  Table table({"GFLOP/s", "rows", size(kNarrowMatrix), size(kSquareMatrix), size(kWideMatrix),
               "streams, GB/s", "spread"});
  for (const MatmulRates& m : profile.matmuls) {
    table.AddRow({Cell::Text(absl::StrCat("  ", WeightDtypeName(m.dtype))), Cell::Count(m.rows),
                  Giga(m.narrow_macs, 2), Giga(m.square_macs, 2), Giga(m.wide_macs, 2),
                  Giga(m.streamed_bytes),
                  SpreadCell({&m.narrow_macs, &m.square_macs, &m.wide_macs, &m.streamed_bytes})});
  }
  return table.ToString();
}

std::string ReadTable(const MachineProfile& profile) {
  Table table({"Read", "threads", "MiB", "GB/s", "spread"});
  table.SetLeastWidths({10, 8, 10, 10, 8});
  for (const ReadRate& r : profile.reads) {
    const double mib = static_cast<double>(r.bytes) / (1 << 20);
    table.AddRow({Cell::Text("  read"), Cell::Count(r.threads),
                  Cell::Text(absl::StrFormat("%g", mib)), Giga(r.read_bytes),
                  SpreadCell({&r.read_bytes})});
  }
  return table.ToString();
}

// The keys of a whole segment, and the rows that a decode step and a long prompt run with; the file
// has all.
constexpr int64_t kFullSegment = 256;
std::string AttentionTable(const MachineProfile& profile) {
  Table table({"Attention, a thread", "head", "rows", "scores", "values", "softmax", "spread"});
  for (const AttentionRates& a : profile.attention) {
    if (a.rows != 1 && a.rows != 6 && a.rows != kTileRates) continue;
    if (a.keys < kFullSegment) continue;
    table.AddRow({Cell::Text(absl::StrCat("  ", KvDtypeName(a.dtype))), Cell::Count(a.head_dim),
                  Cell::Count(a.rows), Giga(a.score_macs), Giga(a.value_macs),
                  Giga(a.softmax_pairs),
                  SpreadCell({&a.score_macs, &a.value_macs, &a.softmax_pairs})});
  }
  return table.ToString();
}

std::string StreamTable(const MachineProfile& profile) {
  Table table({"Streamed cache, GB/s", "keys", "scores", "softmax", "values", "spread"});
  for (const StreamRates& s : profile.streams) {
    table.AddRow({Cell::Text(absl::StrCat("  ", KvDtypeName(s.dtype))), Cell::Count(s.keys),
                  Giga(s.score_bytes), Giga(s.softmax_bytes), Giga(s.value_bytes),
                  SpreadCell({&s.score_bytes, &s.softmax_bytes, &s.value_bytes})});
  }
  return table.ToString();
}

std::string WriteTable(const MachineProfile& profile) {
  Table table({"Cache, a thread", "hot writes", "cold writes", "spread"});
  for (const CacheRates& c : profile.caches) {
    table.AddRow({Cell::Text(absl::StrCat("  ", KvDtypeName(c.dtype))), Giga(c.hot_write_elements),
                  Giga(c.cold_write_elements),
                  SpreadCell({&c.hot_write_elements, &c.cold_write_elements})});
  }
  return table.ToString();
}

std::string RowTable(const MachineProfile& profile) {
  const RowRates& r = profile.rows;
  Table table(
      {"Rows, a thread", "RMS norm", "layer norm", "SwiGLU", "GELU", "RoPE", "largest", "spread"});
  table.AddRow(
      {Cell::Text("  elements, G/s"), Giga(r.rms_norm), Giga(r.layer_norm), Giga(r.swiglu),
       Giga(r.gelu), Giga(r.rotate), Giga(r.largest),
       SpreadCell({&r.rms_norm, &r.layer_norm, &r.swiglu, &r.gelu, &r.rotate, &r.largest})});
  return table.ToString();
}

}  // namespace

std::string CalibrateReport(const MachineMeasurement& measurement,
                            const std::vector<std::string>& warnings, const std::string& path) {
  const MachineProfile& profile = measurement.profile;
  std::string out = WrapText(absl::StrFormat(
      "%s, %d %s, %s. Matmul %.4g GFLOP/s (f32), read %.4g GB/s; a matmul call costs %.2g us, "
      "a parallel loop %.2g us. Medians of %d repetitions; spread: the largest range of the middle "
      "half "
      "in a line, over its median.",
      Printable(profile.cpu_model), profile.threads, profile.threads == 1 ? "thread" : "threads",
      absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(profile.unix_seconds),
                       absl::LocalTimeZone()),
      profile.anchors.matmul_flops_per_second / 1e9, profile.anchors.read_bytes_per_second / 1e9,
      1e6 / profile.matmul_calls.per_second, 1e6 / profile.parallel_regions.per_second,
      measurement.repetitions));
  absl::StrAppend(
      &out, "\n", MatmulTable(profile), "\n", ReadTable(profile), "\n", AttentionTable(profile),
      "\n", StreamTable(profile), "\n", WriteTable(profile), "\n", RowTable(profile),
      "Attention: G MAC/s, and G pairs/s of softmax. Writes: G elements/s of a thread.\n");
  for (const std::string& warning : warnings) {
    absl::StrAppend(&out, WrapText(absl::StrCat("Warning: ", warning, "."), 2));
  }
  absl::StrAppend(&out, WrapText(absl::StrCat("Written to ", Printable(path), ".")));
  return out;
}

std::string CalibrateJson(const MachineMeasurement& measurement,
                          const std::vector<std::string>& warnings, const std::string& path) {
  using Json = nlohmann::ordered_json;
  Json json = Json::parse(MachineProfileJson(measurement.profile));
  json["repetitions"] = measurement.repetitions;
  json["warnings"] = warnings;
  json["path"] = path;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace plumbline
