// Steps of the model as anchors.
#include "tools/load_reference.h"

#include <sstream>
#include <string>
#include <utility>
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

namespace plumbline::load_reference_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr int64_t kManyBlocks = 1000;
constexpr ReferenceStep kTwo = {2, 64, 0};
constexpr ReferenceStep kEight = {8, 64, 0};
constexpr ReferenceStep kThirtyTwo = {32, 64, 0};
constexpr ReferenceStep kPrompt = {16, 64, 240};
// Of the tiny model's runs that are made here.
constexpr ReferenceStep kFewRows = {4, 20, 0};
constexpr ReferenceStep kManyRows = {4, 20, 60};

ModelOptions Options(int step_tokens, int spans) {
  ModelOptions options;
  options.max_step_tokens = step_tokens;
  options.max_step_spans = spans;
  options.block_tokens = 16;
  return options;
}

TEST(ReferenceSteps, DecodeFewAndManyAndReadAPrompt) {
  EXPECT_THAT(ChooseReferenceSteps(Options(512, 64), 2048, 64, kManyBlocks),
              ElementsAre(kTwo, kEight, kThirtyTwo, kPrompt));
}

TEST(ReferenceSteps, AreCutToOptionsAndContext) {
  EXPECT_THAT(
      ChooseReferenceSteps(Options(512, 4), 50, 64, kManyBlocks),
      ElementsAre(ReferenceStep{2, 49, 0}, ReferenceStep{4, 49, 0}, ReferenceStep{3, 49, 50}));
  EXPECT_THAT(ChooseReferenceSteps(Options(20, 20), 2048, 64, kManyBlocks),
              ElementsAre(kTwo, kEight, ReferenceStep{20, 64, 0}));
  EXPECT_THAT(ChooseReferenceSteps(Options(1, 1), 1, 64, kManyBlocks),
              ElementsAre(ReferenceStep{1, 0, 0}));
}

// 65 tokens take 5 blocks of 16: 32 streams 160. A prompt of 240 tokens takes 15.
TEST(ReferenceSteps, AreCutToTheirCacheAndLeftOutWhereItHasNoRoom) {
  const auto with_blocks = [](int64_t blocks) {
    return ChooseReferenceSteps(Options(512, 64), 2048, 64, blocks);
  };
  EXPECT_THAT(with_blocks(160), ElementsAre(kTwo, kEight, kThirtyTwo, kPrompt));
  EXPECT_THAT(with_blocks(159), ElementsAre(kTwo, kEight, ReferenceStep{32, 63, 0}, kPrompt));
  EXPECT_THAT(with_blocks(31),
              ElementsAre(kTwo, ReferenceStep{8, 47, 0}, ReferenceStep{16, 15, 240}));
  EXPECT_THAT(with_blocks(30), ElementsAre(kTwo, ReferenceStep{8, 47, 0}));
  EXPECT_THAT(with_blocks(7), ElementsAre(ReferenceStep{2, 47, 0}));
  EXPECT_THAT(with_blocks(1), IsEmpty());
  EXPECT_THAT(with_blocks(0), IsEmpty());
}

TEST(ReferenceSteps, RunOnAModelThatIsThereAlready) {
  const auto source = OpenModel(kTinyLoadModel);
  ASSERT_TRUE(source.ok()) << source.status();
  ModelOptions options = Options(64, 8);
  const auto model = Model::Load(**source, options);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto steps = ChooseReferenceSteps((*model)->options(), 256, 64, kManyBlocks);
  ASSERT_THAT(steps, SizeIs(3));
  const auto runner = ReferenceRunner::Create(**model, steps);
  ASSERT_TRUE(runner.ok()) << runner.status();
  const auto seconds = (*runner)->Run();
  ASSERT_TRUE(seconds.ok()) << seconds.status();
  ASSERT_THAT(*seconds, SizeIs(3));
  for (const ClassSeconds& classes : *seconds) EXPECT_GT(Total(classes), 0);
}

TEST(ReferenceSteps, NoneRunWhereNoneAreAskedFor) {
  const auto source = OpenModel(kTinyLoadModel);
  ASSERT_TRUE(source.ok()) << source.status();
  const auto model = Model::Load(**source, Options(64, 8));
  ASSERT_TRUE(model.ok()) << model.status();
  const auto runner = ReferenceRunner::Create(**model, {});
  ASSERT_TRUE(runner.ok()) << runner.status();
  EXPECT_THAT(*(*runner)->Run(), IsEmpty());
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

StepTime Predicted(const MachineProfile& profile, const ReferenceStep& step) {
  std::vector<SpanShape> spans(static_cast<size_t>(step.streams), {step.position, 1, 1});
  if (step.prompt_tokens > 0) spans.push_back({0, step.prompt_tokens, 1});
  return PredictStep(profile, TinyShape(), spans);
}

ClassSeconds Times(double times, const ReferenceStep& step) {
  ClassSeconds seconds = Predicted(ComputeAlone(), step).class_seconds();
  for (double& of_class : seconds) of_class *= times;
  return seconds;
}

// Every second: how many times their prediction the two steps took.
std::vector<AnchorMark> Marks(const std::vector<std::pair<double, double>>& times) {
  std::vector<AnchorMark> marks;
  for (const auto& [few, many] : times) {
    AnchorMark& mark = marks.emplace_back();
    mark.seconds = static_cast<double>(marks.size());
    mark.anchors = ComputeAlone().anchors;
    mark.steps = {Times(few, kFewRows), Times(many, kManyRows)};
  }
  return marks;
}

StepScale Scale(const std::vector<AnchorMark>& marks) {
  const AnchoredProfile profile(ComputeAlone(), marks);
  return {profile, TinyShape(), {kFewRows, kManyRows}, marks};
}

// What a step of a second in one class, and of none in the others, becomes.
double Second(const StepScale& scale, int64_t rows, WorkClass work = WorkClass::kFeedForward) {
  StepTime step;
  step.classes[static_cast<size_t>(work)].compute_seconds = 1;
  return scale.Seconds(step, rows);
}

TEST(StepScale, IsStraightOverTheLogarithmOfRows) {
  const StepScale scale = Scale(Marks({{1.5, 1.1}}));
  EXPECT_NEAR(Second(scale, 1), 1.5, 1e-12);
  EXPECT_NEAR(Second(scale, 4), 1.5, 1e-12);
  EXPECT_NEAR(Second(scale, 16), 1.3, 1e-12);  // 4, 16, 64
  EXPECT_NEAR(Second(scale, 8), 1.4, 1e-12);
  EXPECT_NEAR(Second(scale, 64), 1.1, 1e-12);
  EXPECT_NEAR(Second(scale, 512), 1.1, 1e-12);
  EXPECT_EQ(scale.ToString(), "1.50 at 4 rows, 1.10 at 64");
}

TEST(StepScale, IsTheTimeOfAllMarksTogether) {
  const StepScale scale = Scale(Marks({{1, 1}, {0.9, 4}, {1.4, 1}}));
  EXPECT_NEAR(Second(scale, 4), 1.1, 1e-12);
  EXPECT_NEAR(Second(scale, 64), 2, 1e-12);
}

TEST(StepScale, IsOfEachClassByItself) {
  std::vector<AnchorMark> marks = Marks({{1, 1}});
  marks[0].steps[1][static_cast<size_t>(WorkClass::kScores)] *= 3;
  const StepScale scale = Scale(marks);
  EXPECT_NEAR(Second(scale, 64, WorkClass::kScores), 3, 1e-12);
  EXPECT_NEAR(Second(scale, 64, WorkClass::kHead), 1, 1e-12);
  StepTime step = Predicted(ComputeAlone(), kManyRows);
  const double scores = step.classes[static_cast<size_t>(WorkClass::kScores)].seconds();
  EXPECT_NEAR(scale.Seconds(step, 64), step.seconds() + 2 * scores, 1e-9 * step.seconds());
}

TEST(StepScale, LooksAtWhatTheMachineDidAtEachMark) {
  std::vector<AnchorMark> marks = Marks({{1.2, 1.2}});
  marks[0].anchors.matmul_flops_per_second *= 2;
  EXPECT_NEAR(Second(Scale(marks), 4), 2.4, 1e-9);
}

TEST(StepScale, LeavesPredictionsAloneWhereNothingWasMeasured) {
  EXPECT_EQ(Second(Scale({}), 7), 1);
  EXPECT_EQ(Scale({}).ToString(), "");
  std::vector<AnchorMark> marks = Marks({{2, 2}});
  marks[0].steps.clear();
  EXPECT_EQ(Second(Scale(marks), 7), 1);
}

class SimulatedBesideReference : public testing::Test {
 protected:
  SimulatedBesideReference() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string stem = absl::StrCat(testing::TempDir(), "/load-reference-", test->name());
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
    record.reference_steps = {kFewRows, kManyRows};
    RepetitionRecord& repetition = record.repetitions.emplace_back();
    repetition.anchors_before = ComputeAlone().anchors;
    repetition.anchors_after = ComputeAlone().anchors;
    repetition.anchor_marks = Marks({{times, times}});
    const std::string json = LoadJson(record, {}, ComputeMetrics(record, {}), nullptr);
    ASSERT_TRUE(ReplaceFile(run_path_, json).ok());
  }

  LoadOptions options_;
  std::string run_path_;
};

TEST_F(SimulatedBesideReference, TakesAsManyTimesItsPrediction) {
  const double as_predicted = EndSeconds(options_);
  EXPECT_GT(as_predicted, 0);
  WriteRun(kTinyLoadModel, 1.25);
  options_.anchors_of = run_path_;
  EXPECT_NEAR(EndSeconds(options_), 1.25 * as_predicted, 1e-6 * as_predicted);
  EXPECT_THAT(Report(), HasSubstr("in all 1.25 at 4 rows, 1.25 at 64."));
}

TEST_F(SimulatedBesideReference, TakesNothingFromStepsOfAnotherModel) {
  const double as_predicted = EndSeconds(options_);
  WriteRun("another", 1.25);
  options_.anchors_of = run_path_;
  EXPECT_NEAR(EndSeconds(options_), as_predicted, 1e-6 * as_predicted);
  EXPECT_THAT(Report(), Not(HasSubstr("reference steps")));
}

}  // namespace
}  // namespace plumbline::load_reference_test
