// Predictions of steps, carried to a run by what its repeated steps took.
#include "tools/load_step_scale.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/replacing_file.h"
#include "engine/step_time.h"
#include "engine/tensor_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/made_profile.h"
#include "tests/support/tiny_load.h"
#include "tools/load.h"
#include "tools/load_json.h"
#include "tools/load_metrics.h"
#include "tools/machine_file.h"

namespace plumbline::load_step_scale_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// Of the tiny model: four streams, and the same beside 60 tokens of a prompt.
const std::vector<SpanShape>& FewRows() {
  static const std::vector<SpanShape> spans(4, {20, 1, 1});
  return spans;
}
const std::vector<SpanShape>& ManyRows() {
  static const std::vector<SpanShape> spans = {
      {20, 1, 1}, {20, 1, 1}, {20, 1, 1}, {20, 1, 1}, {0, 60, 1}};
  return spans;
}

MachineProfile ComputeAlone() {
  MachineProfile profile = MadeProfile(1e8, kNoLimit, kNoLimit);
  profile.rows.largest.per_second = kNoLimit;  // of sampling, which is no part of a forward pass
  return profile;
}

CostShape TinyShape() {
  const auto source = OpenModel(kTinyLoadModel);
  return CostShape::From((*source)->config(), WeightDtype::kF32, KvDtype::kF32, 16);
}

StepTime Predicted(const std::vector<SpanShape>& spans) {
  return PredictStep(ComputeAlone(), TinyShape(), spans);
}

// Took so many times its prediction.
RepeatedStep Repeated(const std::vector<SpanShape>& spans, double times) {
  RepeatedStep step;
  step.spans = spans;
  step.classes = Predicted(spans).class_seconds();
  for (double& seconds : step.classes) seconds *= times;
  return step;
}

// Second by second, so many of each in turn as make two groups.
std::vector<RepeatedStep> FewAndMany(double few, double many) {
  std::vector<RepeatedStep> steps;
  for (int64_t i = 0; i < 2 * kScaleSteps; ++i) {
    steps.push_back(i % 2 == 0 ? Repeated(FewRows(), few) : Repeated(ManyRows(), many));
    steps.back().seconds = static_cast<double>(i);
  }
  return steps;
}

StepScale Scale(const std::vector<RepeatedStep>& steps, const std::vector<AnchorMark>& marks = {}) {
  return {AnchoredProfile(ComputeAlone(), marks), TinyShape(), steps};
}

// What a step of a second in one class, and of none in the others, becomes.
double Second(const StepScale& scale, int64_t rows, WorkClass work = WorkClass::kFeedForward) {
  StepTime step;
  step.classes[static_cast<size_t>(work)].compute_seconds = 1;
  return scale.Seconds(step, rows);
}

TEST(StepScale, IsStraightOverTheLogarithmOfRows) {
  const StepScale scale = Scale(FewAndMany(1.5, 1.1));
  EXPECT_NEAR(Second(scale, 1), 1.5, 1e-12);
  EXPECT_NEAR(Second(scale, 4), 1.5, 1e-12);
  EXPECT_NEAR(Second(scale, 16), 1.3, 1e-12);  // 4, 16, 64
  EXPECT_NEAR(Second(scale, 8), 1.4, 1e-12);
  EXPECT_NEAR(Second(scale, 64), 1.1, 1e-12);
  EXPECT_NEAR(Second(scale, 512), 1.1, 1e-12);
  EXPECT_EQ(scale.ToString(), "1.50 at 4.0 rows, 1.10 at 64");
}

TEST(StepScale, IsTheTimeOfAllStepsOfAGroupTogether) {
  const StepScale scale =
      Scale({Repeated(FewRows(), 1), Repeated(FewRows(), 0.9), Repeated(FewRows(), 1.4)});
  EXPECT_NEAR(Second(scale, 1), 1.1, 1e-12);
  EXPECT_NEAR(Second(scale, 100), 1.1, 1e-12);
}

TEST(StepScale, CutsStepsByRowsIntoGroupsOfAFewAtLeast) {
  std::vector<RepeatedStep> steps;
  for (int64_t i = 0; i < 100 * kScaleSteps; ++i) {
    steps.push_back(Repeated({{0, 1 + i % 200, 1}}, 1));
  }
  const auto groups = [](const StepScale& scale) {
    const std::string text = scale.ToString();
    return text.empty() ? 0 : 1 + std::count(text.begin(), text.end(), ',');
  };
  EXPECT_EQ(groups(Scale(steps)), kScalePoints);
  steps.resize(2 * kScaleSteps);
  EXPECT_EQ(groups(Scale(steps)), 2);
  steps.resize(2 * kScaleSteps - 1);
  EXPECT_EQ(groups(Scale(steps)), 1);
  steps.resize(1);
  EXPECT_EQ(groups(Scale(steps)), 1);
}

TEST(StepScale, GroupsOfEqualRowsAreNoTrouble) {
  std::vector<RepeatedStep> steps(4 * kScaleSteps, Repeated(FewRows(), 1.2));
  EXPECT_NEAR(Second(Scale(steps), 2), 1.2, 1e-12);
  EXPECT_NEAR(Second(Scale(steps), 4), 1.2, 1e-12);
  EXPECT_NEAR(Second(Scale(steps), 9), 1.2, 1e-12);
}

TEST(StepScale, IsOfEachClassByItself) {
  std::vector<RepeatedStep> steps = {Repeated(ManyRows(), 1)};
  steps[0].classes[static_cast<size_t>(WorkClass::kScores)] *= 3;
  const StepScale scale = Scale(steps);
  EXPECT_NEAR(Second(scale, 64, WorkClass::kScores), 3, 1e-12);
  EXPECT_NEAR(Second(scale, 64, WorkClass::kHead), 1, 1e-12);
  const StepTime step = Predicted(ManyRows());
  const double scores = step.classes[static_cast<size_t>(WorkClass::kScores)].seconds();
  EXPECT_NEAR(scale.Seconds(step, 64), step.seconds() + 2 * scores, 1e-9 * step.seconds());
}

TEST(StepScale, LooksAtWhatTheMachineDidAtEachStep) {
  AnchorMark slow{1, 0, ComputeAlone().anchors};
  AnchorMark fast{9, 0, ComputeAlone().anchors};
  fast.anchors.matmul_flops_per_second *= 2;
  RepeatedStep step = Repeated(FewRows(), 1.2);
  step.seconds = 1;
  EXPECT_NEAR(Second(Scale({step}, {slow}), 4), 1.2, 1e-9);
  EXPECT_NEAR(Second(Scale({step}, {fast}), 4), 2.4, 1e-9);
}

TEST(StepScale, LeavesPredictionsAloneWhereNothingWasRepeated) {
  EXPECT_EQ(Second(Scale({}), 7), 1);
  EXPECT_EQ(Scale({}).ToString(), "");
}

class SimulatedBesideRepeats : public testing::Test {
 protected:
  SimulatedBesideRepeats() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string stem = absl::StrCat(testing::TempDir(), "/load-repeats-", test->name());
    options_ = TinyModelLoad();
    options_.requests = 12;
    options_.arrivals = "all";
    options_.simulate = true;
    options_.machine = stem + "-profile.json";
    run_path_ = stem + "-run.json";
    EXPECT_TRUE(SaveMachineProfile(ComputeAlone(), options_.machine).ok());
  }

  // Of a simulation, from its JSON.
  double EndSeconds(LoadOptions options) {
    options.json = true;
    std::ostringstream out;
    const absl::Status status = RunLoad(options, out);
    EXPECT_TRUE(status.ok()) << status;
    const auto file = ParseLoadJson(out.str());
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? file->record.repetitions.at(0).end_seconds : 0;
  }

  // What people read, in one line.
  std::string Report() {
    std::ostringstream out;
    const absl::Status status = RunLoad(options_, out);
    EXPECT_TRUE(status.ok()) << status;
    return absl::StrReplaceAll(out.str(), {{"\n", " "}});
  }

  // A run of `model` whose steps took so many times their prediction, as a file.
  void WriteRun(const std::string& model, double times) {
    LoadRecord record;
    record.model = model;
    record.weights = "f32";
    record.kv_dtype = "f32";
    record.block_tokens = 16;
    RepetitionRecord& repetition = record.repetitions.emplace_back();
    repetition.anchors_before = ComputeAlone().anchors;
    repetition.anchors_after = ComputeAlone().anchors;
    repetition.repeated_steps = FewAndMany(times, times);
    const std::string json = LoadJson(record, {}, ComputeMetrics(record, {}), nullptr);
    ASSERT_TRUE(ReplaceFile(run_path_, json).ok());
  }

  LoadOptions options_;
  std::string run_path_;
};

TEST_F(SimulatedBesideRepeats, TakesAsManyTimesItsPrediction) {
  const double as_predicted = EndSeconds(options_);
  EXPECT_GT(as_predicted, 0);
  WriteRun(kTinyLoadModel, 1.25);
  options_.anchors_of = run_path_;
  EXPECT_NEAR(EndSeconds(options_), 1.25 * as_predicted, 1e-6 * as_predicted);
  EXPECT_THAT(Report(), HasSubstr("in all 1.25 at 4.0 rows, 1.25 at 64."));
}

TEST_F(SimulatedBesideRepeats, TakesNothingFromStepsOfAnotherModel) {
  const double as_predicted = EndSeconds(options_);
  WriteRun("another", 1.25);
  options_.anchors_of = run_path_;
  EXPECT_NEAR(EndSeconds(options_), as_predicted, 1e-6 * as_predicted);
  EXPECT_THAT(Report(), Not(HasSubstr("run again")));
}

}  // namespace
}  // namespace plumbline::load_step_scale_test
