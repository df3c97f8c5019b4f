#include "tools/scale_files.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/replacing_file.h"
#include "nlohmann/json.hpp"
#include "tools/csv_text.h"
#include "tools/json_text.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr int64_t kMostFileBytes = int64_t{1} << 30;

// The shortest digits that give the same number back, as in the JSON.
std::string Digits(double value) { return nlohmann::json(value).dump(); }

std::string CsvHeading() {
  std::string line =
      "sweep,model,layers,width,heads,kv_heads,weights,kv_dtype,block_tokens,tokens,streams,chunk,"
      "filled,repetition,start_seconds,seconds";
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    const std::string name = WorkClassKey(static_cast<WorkClass>(c));
    for (const char* figure : {"seconds", "macs", "executed_macs", "formula_macs",
                               "formula_executed_macs", "bytes", "formula_bytes"}) {
      absl::StrAppend(&line, ",", name, "_", figure);
    }
  }
  return absl::StrCat(line,
                      ",softmax_pairs,formula_softmax_pairs,predicted_seconds,"
                      "matmul_flops_per_second,read_bytes_per_second\n");
}

std::string CsvLine(const ScalePoint& p, const ScaleSample& s) {
  std::string line =
      absl::StrCat(ScaleSweepName(p.sweep), ",", QuotedCsv(Printable(p.model)), ",", p.shape.L);
  absl::StrAppend(&line, ",", p.shape.d, ",", p.shape.h, ",", p.shape.g, ",",
                  WeightDtypeName(p.shape.weight_dtype));
  absl::StrAppend(&line, ",", KvDtypeName(p.shape.cache_dtype), ",", p.shape.block_tokens, ",",
                  p.tokens, ",");
  absl::StrAppend(&line, p.streams, ",", p.chunk, ",", p.filled ? 1 : 0, ",", s.repetition);
  absl::StrAppend(&line, ",", Digits(s.start_seconds), ",", Digits(s.seconds));
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    absl::StrAppend(&line, ",", Digits(s.class_seconds[c]), ",", s.macs.useful[c], ",");
    absl::StrAppend(&line, s.macs.executed[c], ",", s.formula_macs.useful[c], ",");
    absl::StrAppend(&line, s.formula_macs.executed[c], ",", s.bytes[c], ",", s.formula_bytes[c]);
  }
  absl::StrAppend(&line, ",", s.softmax_pairs, ",", s.formula_softmax_pairs, ",");
  return absl::StrCat(line, Digits(s.predicted_seconds), ",",
                      Digits(s.anchors.matmul_flops_per_second), ",",
                      Digits(s.anchors.read_bytes_per_second), "\n");
}

}  // namespace

std::string ScaleCsv(const ScaleStudy& study) {
  std::string text = CsvHeading();
  for (const ScaleSample& sample : study.data.samples) {
    absl::StrAppend(&text, CsvLine(study.data.points[static_cast<size_t>(sample.point)], sample));
  }
  return text;
}

absl::Status WriteScaleFiles(const std::string& folder, const ScaleStudy& study) {
  const std::filesystem::path path(folder);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::UnknownError(absl::StrCat("folder ", folder, " cannot be made: ", error.message(),
                                           ": choose another with --output"));
  }
  if (absl::Status status = ReplaceFile(path / std::string(kScaleCsvFile), ScaleCsv(study));
      !status.ok()) {
    return status;
  }
  return ReplaceFile(path / std::string(kScaleJsonFile), ScaleJson(study));
}

absl::StatusOr<std::string> ReadScaleFile(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::path(folder) / std::string(kScaleJsonFile);
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    return absl::NotFoundError(absl::StrCat(path.string(), " cannot be read (", error.message(),
                                            "): give --resume the folder of an earlier --output"));
  }
  if (size > static_cast<uint64_t>(kMostFileBytes)) {
    return absl::ResourceExhaustedError(absl::StrCat(path.string(), " has ", size, " bytes, and ",
                                                     kMostFileBytes,
                                                     " can be read: start anew with --output"));
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || in.bad()) {
    return absl::NotFoundError(
        absl::StrCat(path.string(), " cannot be read: check its permissions"));
  }
  return std::move(text).str();
}

}  // namespace plumbline
