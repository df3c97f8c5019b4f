#include "tools/machine_file.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/bf16_unit.h"
#include "engine/machine.h"
#include "engine/replacing_file.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 6;
constexpr std::streamsize kMostBytes = 1 << 20;  // a profile takes some 30 kB
constexpr const char* kAgain = ": run plumbline calibrate";

Json RateJson(const Rate& rate) {
  return {{"per_second", rate.per_second}, {"spread", rate.spread}};
}

Rate ToRate(const Json& json) {
  return {json.at("per_second").get<double>(), json.at("spread").get<double>()};
}

// The dtype of this name; the library complains of any other.
WeightDtype ToWeightDtype(const Json& json) {
  const Json dtypes = {{"f32", WeightDtype::kF32},
                       {"bf16", WeightDtype::kBf16},
                       {"int8", WeightDtype::kInt8},
                       {"q4", WeightDtype::kQ4}};
  return dtypes.at(json.get<std::string>()).get<WeightDtype>();
}

KvDtype ToKvDtype(const Json& json) {
  const Json dtypes = {{"f32", KvDtype::kF32},
                       {"f16", KvDtype::kF16},
                       {"bf16", KvDtype::kBf16},
                       {"int8", KvDtype::kInt8}};
  return dtypes.at(json.get<std::string>()).get<KvDtype>();
}

Bf16Unit ToBf16Unit(const Json& json) {
  const Json units = {
      {"none", Bf16Unit::kNone}, {"pairs", Bf16Unit::kPairs}, {"tiles", Bf16Unit::kTiles}};
  return units.at(json.get<std::string>()).get<Bf16Unit>();
}

// The tables, in both directions; each field's name stands once.
struct NamedRowRate {
  const char* name;
  Rate RowRates::*rate;
};
constexpr NamedRowRate kRowRates[] = {
    {"rms_norm", &RowRates::rms_norm}, {"layer_norm", &RowRates::layer_norm},
    {"swiglu", &RowRates::swiglu},     {"gelu", &RowRates::gelu},
    {"rotate", &RowRates::rotate},     {"angles", &RowRates::angles},
    {"widen", &RowRates::widen},       {"largest", &RowRates::largest},
};

void WriteTables(const MachineProfile& profile, Json& json) {
  Json& matmuls = json["matmul"] = Json::array();
  for (const MatmulRates& m : profile.matmuls) {
    matmuls.push_back({{"dtype", WeightDtypeName(m.dtype)},
                       {"rows", m.rows},
                       {"narrow_macs", RateJson(m.narrow_macs)},
                       {"square_macs", RateJson(m.square_macs)},
                       {"wide_macs", RateJson(m.wide_macs)},
                       {"streamed_bytes", RateJson(m.streamed_bytes)}});
  }
  Json& reads = json["read"] = Json::array();
  for (const ReadRate& r : profile.reads) {
    reads.push_back({{"threads", r.threads}, {"bytes", r.bytes}, {"rate", RateJson(r.read_bytes)}});
  }
  Json& attention = json["attention"] = Json::array();
  for (const AttentionRates& a : profile.attention) {
    attention.push_back({{"dtype", KvDtypeName(a.dtype)},
                         {"head_dim", a.head_dim},
                         {"rows", a.rows},
                         {"keys", a.keys},
                         {"score_macs", RateJson(a.score_macs)},
                         {"value_macs", RateJson(a.value_macs)},
                         {"softmax_pairs", RateJson(a.softmax_pairs)}});
  }
  Json& streams = json["stream"] = Json::array();
  for (const StreamRates& s : profile.streams) {
    streams.push_back({{"dtype", KvDtypeName(s.dtype)},
                       {"keys", s.keys},
                       {"score_bytes", RateJson(s.score_bytes)},
                       {"softmax_bytes", RateJson(s.softmax_bytes)},
                       {"value_bytes", RateJson(s.value_bytes)}});
  }
  Json& caches = json["cache"] = Json::array();
  for (const CacheRates& c : profile.caches) {
    caches.push_back({{"dtype", KvDtypeName(c.dtype)},
                      {"hot_write_elements", RateJson(c.hot_write_elements)},
                      {"cold_write_elements", RateJson(c.cold_write_elements)}});
  }
  for (const NamedRowRate& row : kRowRates)
    json["rows"][row.name] = RateJson(profile.rows.*row.rate);
}

void ReadTables(const Json& json, MachineProfile& profile) {
  for (const Json& m : json.at("matmul")) {
    profile.matmuls.push_back({ToWeightDtype(m.at("dtype")), m.at("rows").get<int64_t>(),
                               ToRate(m.at("narrow_macs")), ToRate(m.at("square_macs")),
                               ToRate(m.at("wide_macs")), ToRate(m.at("streamed_bytes"))});
  }
  for (const Json& r : json.at("read")) {
    profile.reads.push_back(
        {r.at("threads").get<int>(), r.at("bytes").get<int64_t>(), ToRate(r.at("rate"))});
  }
  for (const Json& a : json.at("attention")) {
    profile.attention.push_back({ToKvDtype(a.at("dtype")), a.at("head_dim").get<int64_t>(),
                                 a.at("rows").get<int64_t>(), a.at("keys").get<int64_t>(),
                                 ToRate(a.at("score_macs")), ToRate(a.at("value_macs")),
                                 ToRate(a.at("softmax_pairs"))});
  }
  for (const Json& s : json.at("stream")) {
    profile.streams.push_back({ToKvDtype(s.at("dtype")), s.at("keys").get<int64_t>(),
                               ToRate(s.at("score_bytes")), ToRate(s.at("softmax_bytes")),
                               ToRate(s.at("value_bytes"))});
  }
  for (const Json& c : json.at("cache")) {
    profile.caches.push_back({ToKvDtype(c.at("dtype")), ToRate(c.at("hot_write_elements")),
                              ToRate(c.at("cold_write_elements"))});
  }
  for (const NamedRowRate& row : kRowRates) {
    profile.rows.*row.rate = ToRate(json.at("rows").at(row.name));
  }
}

MachineProfile FromJson(const Json& json) {
  MachineProfile profile;
  profile.cpu_model = json.at("cpu").get<std::string>();
  profile.features = json.at("features").get<std::vector<std::string>>();
  profile.threads = json.at("threads").get<int>();
  profile.unix_seconds = json.at("unix_seconds").get<int64_t>();
  profile.bf16_unit = ToBf16Unit(json.at("bf16_unit"));
  profile.anchors.matmul_flops_per_second = json.at("anchors").at("matmul_flops_per_second");
  profile.anchors.read_bytes_per_second = json.at("anchors").at("read_bytes_per_second");
  profile.matmul_calls = ToRate(json.at("matmul_calls"));
  profile.parallel_regions = ToRate(json.at("parallel_regions"));
  ReadTables(json, profile);
  return profile;
}

}  // namespace

absl::StatusOr<std::string> DefaultMachinePath(int threads) {
  const std::string file = absl::StrCat("/plumbline/machine-", threads, ".json");
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] != '\0') {
    return cache + file;
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] != '\0') {
    return absl::StrCat(home, "/.cache", file);
  }
  return absl::FailedPreconditionError(
      "neither XDG_CACHE_HOME nor HOME says where machine profiles lie: name a file");
}

std::string MachineProfileJson(const MachineProfile& profile) {
  Json json;
  json["plumbline_machine_profile"] = kVersion;
  json["cpu"] = profile.cpu_model;
  json["features"] = profile.features;
  json["threads"] = profile.threads;
  json["unix_seconds"] = profile.unix_seconds;
  json["bf16_unit"] = Bf16UnitName(profile.bf16_unit);
  json["anchors"] = {{"matmul_flops_per_second", profile.anchors.matmul_flops_per_second},
                     {"read_bytes_per_second", profile.anchors.read_bytes_per_second}};
  json["matmul_calls"] = RateJson(profile.matmul_calls);
  json["parallel_regions"] = RateJson(profile.parallel_regions);
  WriteTables(profile, json);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<MachineProfile> ParseMachineProfile(absl::string_view text) {
  try {
    const Json json = Json::parse(text.begin(), text.end());
    const int version = json.at("plumbline_machine_profile").get<int>();
    if (version != kVersion) {
      return absl::FailedPreconditionError(absl::StrCat("the machine profile has version ", version,
                                                        ", and ", kVersion, " is needed", kAgain));
    }
    MachineProfile profile = FromJson(json);
    if (absl::Status status = profile.Validate(); !status.ok()) return status;
    return profile;
  } catch (const std::exception& error) {
    return absl::DataLossError(
        absl::StrCat("this is no machine profile (", error.what(), ")", kAgain));
  }
}

absl::Status SaveMachineProfile(const MachineProfile& profile, const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat("folder ", folder.string(), " cannot be made (",
                                                    error.message(),
                                                    "): choose another place for the profile"));
  }
  return ReplaceFile(path, MachineProfileJson(profile));
}

absl::StatusOr<MachineProfile> ReadMachineProfile(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("there is no machine profile ", name, kAgain));
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), kMostBytes + 1);
  text.resize(in.gcount());
  if (in.gcount() > kMostBytes) {
    return absl::DataLossError(absl::StrCat(name, " is too long for a machine profile", kAgain));
  }
  absl::StatusOr<MachineProfile> profile = ParseMachineProfile(text);
  if (!profile.ok()) {
    return absl::Status(profile.status().code(),
                        absl::StrCat(name, ": ", profile.status().message()));
  }
  return profile;
}

absl::StatusOr<MachineProfile> LoadMachineProfile(const std::string& path, int threads) {
  std::string name = path;
  if (name.empty()) {
    absl::StatusOr<std::string> usual = DefaultMachinePath(threads);
    if (!usual.ok()) return usual.status();
    name = *std::move(usual);
  }
  absl::StatusOr<MachineProfile> profile = ReadMachineProfile(name);
  if (!profile.ok()) return profile;
  const std::string cpu = DetectMachine().cpu_model;
  if (profile->cpu_model != cpu) {
    return absl::FailedPreconditionError(absl::StrCat(name, " was measured on \"",
                                                      profile->cpu_model, "\", and this is \"", cpu,
                                                      "\"", kAgain, " here"));
  }
  if (profile->bf16_unit != UsedBf16Unit()) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " was measured with bf16_unit \"", Bf16UnitName(profile->bf16_unit),
                     "\", and this process runs with \"", Bf16UnitName(UsedBf16Unit()), "\"",
                     kAgain, " again, or see to it that ONEDNN_MAX_CPU_ISA is set as it was then"));
  }
  if (profile->threads != threads) {
    return absl::FailedPreconditionError(absl::StrCat(name, " was measured with ", profile->threads,
                                                      " threads, and ", threads, " are to run",
                                                      kAgain, " --threads ", threads));
  }
  return profile;
}

absl::StatusOr<std::optional<MachineProfile>> FindMachineProfile(const std::string& path,
                                                                 int threads) {
  absl::StatusOr<MachineProfile> profile = LoadMachineProfile(path, threads);
  if (profile.ok()) return std::optional<MachineProfile>(*std::move(profile));
  if (!path.empty()) return profile.status();
  if (!absl::IsNotFound(profile.status())) {
    spdlog::warn("nothing is predicted: {}", std::string(profile.status().message()));
  }
  return std::optional<MachineProfile>();
}

}  // namespace plumbline
