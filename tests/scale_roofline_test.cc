// Which samples of a study go on its roofline, and their medians.
#include "tools/scale_roofline.h"

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace plumbline::scale_roofline_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kScoresIndex = static_cast<size_t>(WorkClass::kScores);
constexpr auto kFfnIndex = static_cast<size_t>(WorkClass::kFeedForward);
constexpr auto kOtherIndex = static_cast<size_t>(WorkClass::kOther);

// Adds a point and a sample of it for each time; its feed-forward takes that time, its scores half
// of it, the rest has no products.
void AddPoint(ScaleSweep sweep, const std::string& model, int64_t tokens, int64_t macs,
              std::initializer_list<double> times, ScaleStudy* study) {
  ScalePoint point;
  point.sweep = sweep;
  point.model = model;
  point.tokens = tokens;
  study->data.points.push_back(point);
  for (const double seconds : times) {
    ScaleSample sample;
    sample.point = static_cast<int64_t>(study->data.points.size()) - 1;
    sample.macs.useful[kFfnIndex] = macs;
    sample.macs.useful[kScoresIndex] = macs / 4;
    sample.bytes[kFfnIndex] = 1000;
    sample.bytes[kScoresIndex] = 500;
    sample.bytes[kOtherIndex] = 100;
    sample.class_seconds[kFfnIndex] = seconds;
    sample.class_seconds[kScoresIndex] = seconds / 2;
    sample.class_seconds[kOtherIndex] = seconds;
    sample.anchors.matmul_flops_per_second = 1e9 * seconds;
    sample.anchors.read_bytes_per_second = 1e8 * seconds;
    study->data.samples.push_back(sample);
  }
}

TEST(ScaleRooflineTest, NothingWithoutPrefillOrDecode) {
  ScaleStudy study;
  EXPECT_THAT(StudyRoofline(study).points, IsEmpty());
  AddPoint(ScaleSweep::kBatch, "one", 64, 4000, {1, 2, 3}, &study);
  EXPECT_THAT(StudyRoofline(study).points, IsEmpty());
  EXPECT_THAT(StudyRoofline(study).ceilings, IsEmpty());
}

TEST(ScaleRooflineTest, TakesTheHeaviestOfOneModelAndMedians) {
  ScaleStudy study;
  AddPoint(ScaleSweep::kPrefill, "synthetic:small", 512, 4000, {1, 1, 1}, &study);
  AddPoint(ScaleSweep::kPrefill, "synthetic:large", 128, 2000, {1, 1, 1}, &study);
  AddPoint(ScaleSweep::kPrefill, "synthetic:large", 256, 8000, {5, 100, 7}, &study);
  AddPoint(ScaleSweep::kDecode, "synthetic:small", 9000, 90000, {1}, &study);
  AddPoint(ScaleSweep::kDecode, "synthetic:large", 400, 40, {2, 4, 3}, &study);
  const ScaleRoofline roofline = StudyRoofline(study);
  // Scores and feed-forward of each; the rest has no products.
  ASSERT_THAT(roofline.points, SizeIs(4));
  int found = 0;
  for (const ScaleRooflinePoint& point : roofline.points) {
    const bool ffn = point.name == WorkClassName(WorkClass::kFeedForward);
    const double share = ffn ? 1 : 0.5;
    EXPECT_EQ(point.bytes, ffn ? 1000 : 500);
    if (point.group == "prefill of 256") {
      EXPECT_EQ(point.macs, ffn ? 8000 : 2000);
      EXPECT_EQ(point.seconds.median, 7 * share);
      ++found;
    } else {
      EXPECT_EQ(point.group, "decode at 400");
      EXPECT_EQ(point.macs, ffn ? 40 : 10);
      EXPECT_EQ(point.seconds.median, 3 * share);
      ++found;
    }
    EXPECT_LE(point.seconds.low, point.seconds.median);
    EXPECT_GE(point.seconds.high, point.seconds.median);
  }
  EXPECT_EQ(found, 4);
  // The median of all samples' anchors: 1 (seven of them), 2, 3, 4, 5, 7, 100.
  ASSERT_THAT(roofline.ceilings, SizeIs(1));
  EXPECT_EQ(roofline.ceilings[0].label, "f32");
  EXPECT_EQ(roofline.ceilings[0].flops_per_second, 1e9);
  EXPECT_EQ(roofline.bytes_per_second, 1e8);
  EXPECT_THAT(roofline.note, HasSubstr("large"));
}

TEST(ScaleRooflineTest, DecodeAloneAndSamplesWithoutAnchors) {
  ScaleStudy study;
  AddPoint(ScaleSweep::kDecode, "synthetic:small", 64, 400, {2, 4, 6}, &study);
  study.data.samples[0].anchors = {};
  const ScaleRoofline roofline = StudyRoofline(study);
  ASSERT_THAT(roofline.points, SizeIs(2));
  EXPECT_EQ(roofline.points[0].group, "decode at 64");
  ASSERT_THAT(roofline.ceilings, SizeIs(1));
  EXPECT_EQ(roofline.ceilings[0].flops_per_second, 5e9);  // of the two that have anchors
}

// A ceiling for each type that ran, at its own rate; f32's where nothing is known of it.
TEST(ScaleRooflineTest, CeilingsAreThoseOfTheTypesThatRan) {
  ScaleStudy study;
  AddPoint(ScaleSweep::kPrefill, "synthetic:small", 64, 400, {2, 4, 6}, &study);
  CostShape& shape = study.data.points[0].shape;
  const auto ceilings = [&] {
    std::vector<std::string> texts;
    for (const ScaleCeiling& ceiling : StudyRoofline(study).ceilings) {
      texts.push_back(absl::StrCat(ceiling.label, " ", ceiling.flops_per_second / 1e9));
    }
    return texts;
  };
  shape.weight_dtype = WeightDtype::kQ4;
  shape.attention = AttentionForm::kTiles;
  EXPECT_THAT(DtypesBesideF32(study.data), ElementsAre(WeightDtype::kInt8, WeightDtype::kBf16));
  EXPECT_THAT(ceilings(), ElementsAre("f32 4"));
  study.matmuls = {{WeightDtype::kInt8, 4}, {WeightDtype::kBf16, 2}};
  EXPECT_THAT(ceilings(), ElementsAre("int8 matrices 16", "bf16 attention 8"));
  shape.weight_dtype = WeightDtype::kBf16;
  EXPECT_THAT(ceilings(), ElementsAre("bf16 8"));
  shape.attention = AttentionForm::kVectors;
  EXPECT_THAT(ceilings(), ElementsAre("bf16 matrices 8", "f32 attention 4"));
  EXPECT_THAT(DtypesBesideF32(study.data), ElementsAre(WeightDtype::kBf16));
}

}  // namespace
}  // namespace plumbline::scale_roofline_test
