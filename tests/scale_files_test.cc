// A scale study in files, and back.
#include "tools/scale_files.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/scale_json.h"

namespace plumbline::scale_files_test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

ScalePoint Point(ScaleSweep sweep, const std::string& model, int64_t tokens) {
  ScalePoint point;
  point.sweep = sweep;
  point.model = model;
  point.shape = CostShape{2, 64, 4, 2, 16, 128, 3, 300};
  point.shape.weight_dtype = WeightDtype::kBf16;
  point.shape.cache_dtype = KvDtype::kF16;
  point.shape.cache_bytes = KvDtypeBytes(KvDtype::kF16);
  point.shape.layer_small_elements = 7;
  point.shape.embedding_elements = 64;
  point.tokens = tokens;
  return point;
}

ScaleSample RandomSample(std::mt19937_64& random, int64_t point) {
  std::uniform_int_distribution<int64_t> count(0, int64_t{1} << 52);
  std::uniform_real_distribution<double> seconds(0, 1e-3);
  ScaleSample s;
  s.point = point;
  s.repetition = static_cast<int>(random() % 100);
  s.start_seconds = seconds(random);
  s.seconds = seconds(random);
  for (size_t c = 0; c < kNumWorkClasses; ++c) {
    s.class_seconds[c] = seconds(random);
    s.macs.useful[c] = count(random);
    s.macs.executed[c] = count(random);
    s.formula_macs.useful[c] = count(random);
    s.formula_macs.executed[c] = count(random);
    s.bytes[c] = count(random);
    s.formula_bytes[c] = count(random);
    s.predicted_class_seconds[c] = seconds(random);
  }
  s.softmax_pairs = count(random);
  s.formula_softmax_pairs = count(random);
  s.predicted_seconds = random() % 2 == 0 ? -1 : seconds(random);
  s.anchors = {1e9 * seconds(random), 1e12 * seconds(random)};
  return s;
}

// Two planned points, one that a counter-example added, and samples of all.
ScaleStudy Study() {
  ScaleStudy study;
  study.settings = {{"models", "a b"}, {"longest_prompt", "8192"}};
  study.elapsed_seconds = 1.0 / 3;
  study.finished_runs = {0, 2};
  study.settled_points = 2;
  study.left_out = {"decode of b: no room"};
  study.matmuls = {{WeightDtype::kBf16, 7.0 / 3}, {WeightDtype::kInt8, 4}};
  study.data.points = {Point(ScaleSweep::kPrefill, "a", 128), Point(ScaleSweep::kDecode, "b", 16)};
  study.data.points[1].streams = 3;
  study.data.points[1].filled = true;
  std::mt19937_64 random(11);
  for (int i = 0; i < 20; ++i) study.data.samples.push_back(RandomSample(random, i % 3));
  ScalePoint added = Point(ScaleSweep::kPaged, "a,\"quoted\"", 99);
  added.peak_score_bytes = 5;
  added.cache_bytes = 6;
  added.cache_used_bytes = 7;
  added.scratch_bytes = 8;
  study.data.points.push_back(added);
  return study;
}

// The study as a run would plan it that wants to go on.
ScaleStudy Planned() {
  ScaleStudy study = Study();
  study.data.points.resize(2);
  study.data.samples.clear();
  study.finished_runs.clear();
  study.left_out = {"said again by the plan"};
  study.matmuls.clear();
  study.elapsed_seconds = 0;
  return study;
}

TEST(ScaleFilesTest, JsonComesBackBitForBit) {
  const ScaleStudy study = Study();
  const std::string text = ScaleJson(study);
  ScaleStudy back = Planned();
  ASSERT_TRUE(ResumeScale(text, "file", back).ok()) << ResumeScale(text, "file", back).message();
  EXPECT_EQ(ScaleJson(back), text);
  ASSERT_EQ(back.data.samples.size(), study.data.samples.size());
  for (size_t i = 0; i < study.data.samples.size(); ++i) {
    const ScaleSample &a = back.data.samples[i], &b = study.data.samples[i];
    EXPECT_EQ(a.seconds, b.seconds);
    EXPECT_EQ(a.start_seconds, b.start_seconds);
    EXPECT_EQ(a.class_seconds, b.class_seconds);
    EXPECT_EQ(a.macs, b.macs);
    EXPECT_EQ(a.formula_macs, b.formula_macs);
    EXPECT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(a.formula_bytes, b.formula_bytes);
    EXPECT_EQ(a.formula_softmax_pairs, b.formula_softmax_pairs);
    EXPECT_EQ(a.predicted_seconds, b.predicted_seconds);
    EXPECT_EQ(a.anchors, b.anchors);
  }
  EXPECT_EQ(back.elapsed_seconds, study.elapsed_seconds);
  EXPECT_EQ(back.finished_runs, study.finished_runs);
  EXPECT_EQ(back.settled_points, 2);
  EXPECT_EQ(back.left_out, study.left_out);
  EXPECT_EQ(back.matmuls, study.matmuls);
  ASSERT_THAT(back.data.points, SizeIs(3));
  EXPECT_EQ(back.data.points[2].cache_used_bytes, 7);
  EXPECT_EQ(back.data.points[2].shape.cache_dtype, KvDtype::kF16);
}

TEST(ScaleFilesTest, OtherSettingsAreRefusedByName) {
  const std::string text = ScaleJson(Study());
  ScaleStudy other = Planned();
  other.settings[1].second = "4096";
  const absl::Status status = ResumeScale(text, "study/samples.json", other);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* part : {"study/samples.json", "longest_prompt", "8192", "4096"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
  EXPECT_TRUE(other.data.samples.empty());
  EXPECT_EQ(other.elapsed_seconds, 0);
}

TEST(ScaleFilesTest, OtherPointsAreRefused) {
  const std::string text = ScaleJson(Study());
  ScaleStudy other = Planned();
  other.data.points[0].shape.L = 3;
  EXPECT_EQ(ResumeScale(text, "f", other).code(), absl::StatusCode::kInvalidArgument);
  other = Planned();
  other.data.points.resize(4, other.data.points[0]);
  EXPECT_EQ(ResumeScale(text, "f", other).code(), absl::StatusCode::kInvalidArgument);
}

// Each member damaged in turn: refused, and what there was stays.
TEST(ScaleFilesTest, DamagedFilesAreRefused) {
  using Json = nlohmann::ordered_json;
  const Json good = Json::parse(ScaleJson(Study()));
  const std::vector<Json> bad_values = {Json(),
                                        Json("text"),
                                        Json(-1.5),
                                        Json(1),
                                        Json::array({-7}),
                                        Json::array({"x", 1}),
                                        Json(std::numeric_limits<uint64_t>::max())};
  const auto refuse = [](const Json& json, const std::string& what) {
    ScaleStudy study = Planned();
    EXPECT_FALSE(ResumeScale(json.dump(), "f", study).ok()) << what;
    EXPECT_TRUE(study.data.samples.empty());
  };
  for (const char* where : {"", "points", "samples"}) {
    Json json = good;
    Json& object = *where == 0 ? json : json[where].back();
    const Json members = object;
    for (const auto& [key, value] : members.items()) {
      if (key == "classes") continue;  // for the reader's eye
      Json changed = json;
      (*where == 0 ? changed : changed[where].back()).erase(key);
      refuse(changed, std::string(where) + " without " + key);
      for (const Json& bad : bad_values) {
        // Some values are as good as what was there.
        const bool fits = bad == value || (value.is_number() && bad == Json(1)) ||
                          (value.is_string() && key == "model" && bad.is_string());
        if (fits) continue;
        changed = json;
        (*where == 0 ? changed : changed[where].back())[key] = bad;
        refuse(changed, std::string(where) + " " + key + " " + bad.dump());
      }
    }
  }
}

TEST(ScaleFilesTest, CutAndStrangeTextIsRefused) {
  const std::string text = ScaleJson(Study());
  ScaleStudy study = Planned();
  for (size_t length = 0; length + 2 < text.size(); length += 97) {
    EXPECT_FALSE(ResumeScale(text.substr(0, length), "f", study).ok()) << length;
  }
  for (const char* strange : {"", "[]", "null", "{}", "\xff\xfe", R"({"format":"other"})"}) {
    EXPECT_FALSE(ResumeScale(strange, "f", study).ok()) << strange;
  }
  EXPECT_FALSE(ResumeScale(std::string(200000, '['), "f", study).ok());
}

// Shapes whose formulas would overflow never reach them.
TEST(ScaleFilesTest, GiantShapesAreRefused) {
  auto json = nlohmann::ordered_json::parse(ScaleJson(Study()));
  json["points"].back()["tokens"] = int64_t{1} << 30;
  json["points"].back()["shape"]["ffn"] = int64_t{1} << 30;
  ScaleStudy study = Planned();
  EXPECT_FALSE(ResumeScale(json.dump(), "f", study).ok());
}

// Fields of a line of CSV.
std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

TEST(ScaleFilesTest, CsvHasALineForEachSample) {
  const ScaleStudy study = Study();
  std::istringstream lines(ScaleCsv(study));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const std::vector<std::string> names = Fields(line);
  const auto column = [&names](const std::string& name) {
    return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  };
  for (const ScaleSample& sample : study.data.samples) {
    ASSERT_TRUE(std::getline(lines, line));
    const std::vector<std::string> fields = Fields(line);
    ASSERT_EQ(fields.size(), names.size()) << line;
    const ScalePoint& point = study.data.points[static_cast<size_t>(sample.point)];
    EXPECT_EQ(fields[column("sweep")], ScaleSweepName(point.sweep));
    EXPECT_EQ(fields[column("tokens")], std::to_string(point.tokens));
    EXPECT_EQ(std::stod(fields[column("seconds")]), sample.seconds);
    EXPECT_EQ(fields[column("head_executed_macs")], std::to_string(sample.macs.executed[5]));
    EXPECT_EQ(fields[column("other_formula_bytes")], std::to_string(sample.formula_bytes[6]));
    EXPECT_EQ(fields[column("softmax_pairs")], std::to_string(sample.softmax_pairs));
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(ScaleFilesTest, FilesAreWrittenAndReadBack) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "plumbline-scale-files" / "made";
  std::filesystem::remove_all(folder);
  const ScaleStudy study = Study();
  ASSERT_TRUE(WriteScaleFiles(folder.string(), study).ok());
  ASSERT_TRUE(WriteScaleFiles(folder.string(), study).ok());  // replaced
  const auto text = ReadScaleFile(folder.string());
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, ScaleJson(study));
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++files;
  EXPECT_EQ(files, 2);
  std::filesystem::remove_all(folder);
  EXPECT_EQ(ReadScaleFile(folder.string()).status().code(), absl::StatusCode::kNotFound);
  // A file stands where the folder should.
  std::ofstream(folder.string()) << "x";
  EXPECT_FALSE(WriteScaleFiles(folder.string(), study).ok());
  EXPECT_EQ(ReadScaleFile(folder.string()).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::remove_all(folder.parent_path());
}

TEST(ScaleSamplesTest, NamesOfSweepsGoBothWays) {
  for (int i = 0; i <= static_cast<int>(ScaleSweep::kContiguous); ++i) {
    ScaleSweep sweep = ScaleSweep::kPrefill;
    EXPECT_TRUE(ParseScaleSweep(ScaleSweepName(static_cast<ScaleSweep>(i)), &sweep));
    EXPECT_EQ(static_cast<int>(sweep), i);
  }
  ScaleSweep sweep = ScaleSweep::kPrefill;
  EXPECT_FALSE(ParseScaleSweep("unknown", &sweep));
  EXPECT_FALSE(ParseScaleSweep("", &sweep));
}

}  // namespace
}  // namespace plumbline::scale_files_test
