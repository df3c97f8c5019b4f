#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engine/bf16_unit.h"
#include "tools/numeric_options.h"
#include "tools/scale_files.h"
#include "tools/scale_json.h"
#include "tools/table.h"

namespace plumbline {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostCount = int64_t{1} << 53;  // sums of them fit an int64_t
constexpr int64_t kMostSize = int64_t{1} << 31;   // of a shape's and a point's sizes
constexpr double kMostNumber = 1e15;              // seconds, and rates per second
constexpr int64_t kMostRepetitionsStored = 1000000;

// Reads the members of an object, and remembers whether one was missing or out of range.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) { ok_ = json.is_object(); }
  bool ok() const { return ok_; }

  const Json* Member(const char* name) {
    const auto found = ok_ ? json_.find(name) : json_.end();
    if (found == json_.end()) ok_ = false;
    return ok_ ? &*found : nullptr;
  }
  int64_t Whole(const char* name, int64_t low, int64_t high) {
    const Json* member = Member(name);
    return member == nullptr ? 0 : WholeOf(*member, low, high);
  }
  double Number(const char* name, double low) {
    const Json* member = Member(name);
    return member == nullptr ? 0 : NumberOf(*member, low);
  }
  void Fill(const char* name, ByteCounts& counts) {
    FillFrom(name, [&](size_t i, const Json& item) { counts[i] = WholeOf(item, 0, kMostCount); });
  }
  void Fill(const char* name, ClassSeconds& seconds) {
    FillFrom(name, [&](size_t i, const Json& item) { seconds[i] = NumberOf(item, 0); });
  }

 private:
  template <class Set>
  void FillFrom(const char* name, const Set& set) {
    const Json* member = Member(name);
    if (member == nullptr || !member->is_array() || member->size() != kNumWorkClasses) {
      ok_ = false;
      return;
    }
    for (size_t i = 0; i < kNumWorkClasses; ++i) set(i, (*member)[i]);
  }
  int64_t WholeOf(const Json& json, int64_t low, int64_t high) {
    if (json.is_number_unsigned()) {
      const auto value = json.get<uint64_t>();
      if (value <= static_cast<uint64_t>(high) && static_cast<int64_t>(value) >= low) {
        return static_cast<int64_t>(value);
      }
    }
    ok_ = false;
    return 0;
  }
  double NumberOf(const Json& json, double low) {
    const double value = json.is_number() ? json.get<double>() : std::nan("");
    if (value >= low && value <= kMostNumber) return value;
    ok_ = false;
    return 0;
  }

  const Json& json_;
  bool ok_ = true;
};

template <class Dtype>
bool ReadDtype(const Json* json, absl::Span<const Dtype> all, absl::string_view (*name_of)(Dtype),
               Dtype& dtype) {
  if (json == nullptr || !json->is_string()) return false;
  const auto name = json->get<std::string>();
  for (const Dtype known : all) {
    if (name_of(known) != name) continue;
    dtype = known;
    return true;
  }
  return false;
}

bool ReadShape(const Json& json, CostShape& s) {
  Reader reader(json);
  s.L = reader.Whole("layers", 1, kMostSize);
  s.d = reader.Whole("width", 1, kMostSize);
  s.h = reader.Whole("heads", 1, kMostSize);
  s.g = reader.Whole("kv_heads", 1, kMostSize);
  s.e = reader.Whole("head_dim", 1, kMostSize);
  s.F = reader.Whole("ffn", 1, kMostSize);
  s.m = reader.Whole("ffn_matrices", 1, kMostSize);
  s.V = reader.Whole("vocab", 1, kMostSize);
  s.block_tokens = reader.Whole("block_tokens", 1, kMostSize);
  s.layer_small_elements = reader.Whole("layer_small_elements", 0, kMostCount);
  s.final_small_elements = reader.Whole("final_small_elements", 0, kMostCount);
  s.embedding_elements = reader.Whole("embedding_elements", 0, kMostCount);
  const bool dtypes =
      ReadDtype<WeightDtype>(reader.Member("weights"), kWeightDtypes, &WeightDtypeName,
                             s.weight_dtype) &&
      ReadDtype<KvDtype>(reader.Member("kv_dtype"), kKvDtypes, &KvDtypeName, s.cache_dtype);
  // A study goes on where it began.
  s.SetForms(UsedBf16Unit());
  s.cache_bytes = KvDtypeBytes(s.cache_dtype);
  s.cache_scale_bytes = KvScaleBytes(s.cache_dtype);
  return reader.ok() && dtypes && s.h % s.g == 0;
}

// Whether no formula of the point overflows.
bool FormulasFit(const ScalePoint& point) {
  const CostShape& s = point.shape;
  const auto n = static_cast<double>(point.tokens);
  const auto d = static_cast<double>(s.d);
  const double heads = static_cast<double>(s.h) * static_cast<double>(s.e);
  const double ffn = static_cast<double>(s.m) * static_cast<double>(s.F);
  const double layer = n * d * (4 * heads + ffn) + 2 * heads * n * (n + 1);
  const double macs = static_cast<double>(s.L) * layer + static_cast<double>(s.V) * d;
  return macs * static_cast<double>(point.streams) < static_cast<double>(kMostCount);
}

bool ReadPoint(const Json& json, ScalePoint& point) {
  Reader reader(json);
  const Json* sweep = reader.Member("sweep");
  const Json* model = reader.Member("model");
  const Json* shape = reader.Member("shape");
  const Json* filled = reader.Member("filled");
  point.tokens = reader.Whole("tokens", 1, kMostSize);
  point.streams = reader.Whole("streams", 1, kMostSize);
  point.chunk = reader.Whole("chunk", 0, kMostSize);
  point.peak_score_bytes = reader.Whole("peak_score_bytes", 0, kMostCount);
  point.cache_bytes = reader.Whole("cache_bytes", 0, kMostCount);
  point.cache_used_bytes = reader.Whole("cache_used_bytes", 0, kMostCount);
  point.scratch_bytes = reader.Whole("scratch_bytes", 0, kMostCount);
  if (!reader.ok() || !model->is_string() || !filled->is_boolean()) return false;
  point.model = Printable(model->get<std::string>());
  point.filled = filled->get<bool>();
  return ReadShape(*shape, point.shape) && FormulasFit(point) && sweep->is_string() &&
         ParseScaleSweep(sweep->get<std::string>(), &point.sweep);
}

// Planned points first, which must be those of `points`; then those that counter-examples added.
bool ReadPoints(const Json& json, std::vector<ScalePoint>& points) {
  if (!json.is_array() || json.size() < points.size()) return false;
  for (size_t i = 0; i < json.size(); ++i) {
    if (i < points.size()) {
      if (json[i] != ScalePointJson(points[i])) return false;
      continue;
    }
    points.emplace_back();
    if (!ReadPoint(json[i], points.back())) return false;
  }
  return true;
}

bool ReadSample(const Json& json, size_t points, ScaleSample& s) {
  Reader reader(json);
  s.point = reader.Whole("point", 0, static_cast<int64_t>(points) - 1);
  s.repetition = static_cast<int>(reader.Whole("repetition", 0, kMostRepetitionsStored));
  s.start_seconds = reader.Number("start_seconds", 0);
  s.seconds = reader.Number("seconds", 0);
  reader.Fill("class_seconds", s.class_seconds);
  reader.Fill("macs", s.macs.useful);
  reader.Fill("executed_macs", s.macs.executed);
  reader.Fill("formula_macs", s.formula_macs.useful);
  reader.Fill("formula_executed_macs", s.formula_macs.executed);
  reader.Fill("bytes", s.bytes);
  reader.Fill("formula_bytes", s.formula_bytes);
  s.softmax_pairs = reader.Whole("softmax_pairs", 0, kMostCount);
  s.formula_softmax_pairs = reader.Whole("formula_softmax_pairs", 0, kMostCount);
  s.predicted_seconds = reader.Number("predicted_seconds", -1);
  reader.Fill("predicted_class_seconds", s.predicted_class_seconds);
  s.anchors.matmul_flops_per_second = reader.Number("matmul_flops_per_second", 0);
  s.anchors.read_bytes_per_second = reader.Number("read_bytes_per_second", 0);
  return reader.ok();
}

absl::Status Damaged(const std::string& name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", what, ", so no study can go on from it: start anew with another --output"));
}

// What was asked then and is asked now must be the same.
absl::Status CheckSettings(const Json& had, const std::string& name, const ScaleStudy& study) {
  if (!had.is_object()) return Damaged(name, "its settings are missing");
  for (const auto& [key, value] : study.settings) {
    const auto found = had.find(key);
    if (found == had.end() || !found->is_string()) {
      return Damaged(name, absl::StrCat("its setting ", key, " is missing"));
    }
    const auto then = found->get<std::string>();
    if (then == value) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " was measured with ", key, " ", Printable(then), ", and this run has ",
                     value, ": give the options of then, or start anew with --output"));
  }
  return absl::OkStatus();
}

bool ReadMatmuls(Reader& reader, ScaleStudy& study) {
  const Json* ratios = reader.Member("matmul_over_f32");
  if (ratios == nullptr || !ratios->is_object()) return false;
  study.matmuls.clear();
  Reader numbers(*ratios);
  for (const auto& item : ratios->items()) {
    MatmulOverF32 matmul;
    const Json name = item.key();
    if (!ReadDtype<WeightDtype>(&name, kWeightDtypes, &WeightDtypeName, matmul.dtype)) return false;
    matmul.ratio = numbers.Number(item.key().c_str(), 0);
    if (!numbers.ok() || matmul.ratio <= 0) return false;
    study.matmuls.push_back(matmul);
  }
  return true;
}

bool ReadProgress(Reader& reader, ScaleStudy& study) {
  study.elapsed_seconds = reader.Number("elapsed_seconds", 0);
  study.settled_points = reader.Whole("settled_points", study.settled_points,
                                      static_cast<int64_t>(study.data.points.size()));
  const Json* finished = reader.Member("finished_runs");
  const Json* left_out = reader.Member("left_out");
  if (!reader.ok() || !finished->is_array() || !left_out->is_array()) return false;
  study.finished_runs.clear();
  for (const Json& run : *finished) {
    if (!run.is_number_unsigned() || run.get<uint64_t>() > uint64_t{1} << 31) return false;
    study.finished_runs.push_back(run.get<int64_t>());
  }
  study.left_out.clear();
  for (const Json& reason : *left_out) {
    if (!reason.is_string()) return false;
    study.left_out.push_back(Printable(reason.get<std::string>()));
  }
  return true;
}

}  // namespace

absl::Status ResumeScale(absl::string_view text, const std::string& name, ScaleStudy& study) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) return Damaged(name, "it is no whole JSON object");
  Reader reader(json);
  const Json* format = reader.Member("format");
  if (format == nullptr || !format->is_string() || format->get<std::string>() != kScaleFormat) {
    return Damaged(name, absl::StrCat("its format is not ", kScaleFormat));
  }
  const Json* settings = reader.Member("settings");
  const Json* points = reader.Member("points");
  const Json* samples = reader.Member("samples");
  if (!reader.ok() || !samples->is_array()) return Damaged(name, "a part of it is missing");
  if (absl::Status status = CheckSettings(*settings, name, study); !status.ok()) return status;
  ScaleStudy progress = study;
  if (!ReadPoints(*points, progress.data.points)) {
    return Damaged(name, "its points are not those of this run");
  }
  if (!ReadProgress(reader, progress) || !ReadMatmuls(reader, progress)) {
    return Damaged(name, "its progress cannot be read");
  }
  progress.data.samples.clear();
  for (const Json& item : *samples) {
    ScaleSample sample;
    if (!ReadSample(item, progress.data.points.size(), sample)) {
      return Damaged(name, absl::StrCat("its sample ", progress.data.samples.size() + 1,
                                        " lacks a number or has one out of range"));
    }
    progress.data.samples.push_back(sample);
  }
  study = std::move(progress);
  return absl::OkStatus();
}

}  // namespace plumbline
