// Predicted times of attention over segments shorter than those the rates were measured over, and
// of the softmax while it waits for keys, worked out on paper.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/step_time.h"
#include "tests/support/made_profile.h"
#include "tests/support/step_times.h"

namespace plumbline::step_time_segments_test {
namespace {

// Two streams on two threads.
std::vector<SpanShape> Decode(int64_t context) { return {2, SpanShape{context - 1, 1, 1}}; }

// As MadeProfile, but a key of a segment of 32 takes `factor` times as long as one of 256: with
// seconds per key = a + b / keys, a = (8 - factor) / 7 and b = 256 (factor - 1) / 7.
MachineProfile WithShortSegments(MachineProfile profile, double factor) {
  for (const AttentionRates& whole : std::vector<AttentionRates>(profile.attention)) {
    AttentionRates& rates = profile.attention.emplace_back(whole);
    rates.keys = 32;
    for (Rate* rate : {&rates.score_macs, &rates.value_macs, &rates.softmax_pairs}) {
      rate->per_second /= factor;
    }
  }
  for (const StreamRates& whole : std::vector<StreamRates>(profile.streams)) {
    StreamRates& rates = profile.streams.emplace_back(whole);
    rates.keys = 32;
    for (Rate* rate : {&rates.score_bytes, &rates.softmax_bytes, &rates.value_bytes}) {
      rate->per_second /= factor;
    }
  }
  return profile;
}

double PerKey(double factor, double keys) {
  return (8 - factor) / 7 + 256 * (factor - 1) / 7 / keys;
}

double Longer(const MachineProfile& plain, double factor, int64_t context, WorkClass c) {
  const std::vector<SpanShape> spans = Decode(context);
  const MachineProfile profile = WithShortSegments(plain, factor);
  return Of(PredictStep(profile, StepTimeShape(), spans), c).seconds() /
         Of(PredictStep(plain, StepTimeShape(), spans), c).seconds();
}

TEST(PredictSegmentsTest, AShortSegmentTakesMoreByTheKey) {
  const MachineProfile compute = MadeProfile(1e9, kNoLimit, kNoLimit);
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kSoftmax, WorkClass::kWeightedValues}) {
    SCOPED_TRACE(WorkClassName(c));
    ExpectClose(Longer(compute, 3, 256, c), 1);
    ExpectClose(Longer(compute, 3, 32, c), 3);
    ExpectClose(Longer(compute, 3, 64, c), PerKey(3, 64));
    ExpectClose(Longer(compute, 3, 50, c), PerKey(3, 64));    // whole groups run
    ExpectClose(Longer(compute, 3, 288, c), PerKey(3, 144));  // two segments
    ExpectClose(Longer(compute, 3, 2, c), PerKey(3, 16));     // one group is the least
    ExpectClose(Longer(compute, 0.5, 32, c), 1);              // noise: less is not believed
  }
}

TEST(PredictSegmentsTest, AShortSegmentIsReadMoreSlowly) {
  const MachineProfile memory = MadeProfile(kNoLimit, 1e9, kNoLimit);
  for (const WorkClass c : {WorkClass::kScores, WorkClass::kSoftmax, WorkClass::kWeightedValues}) {
    SCOPED_TRACE(WorkClassName(c));
    ExpectClose(Longer(memory, 3, 256, c), 1);
    ExpectClose(Longer(memory, 3, 32, c), 3);
    ExpectClose(Longer(memory, 3, 50, c), PerKey(3, 50));  // the keys that are there are read
    ExpectClose(Longer(memory, 3, 288, c), PerKey(3, 144));
  }
}

TEST(PredictSegmentsTest, TheSoftmaxWaitsForItsKeys) {
  MachineProfile profile = MadeProfile(kNoLimit, 1e9, kNoLimit);
  for (StreamRates& rates : profile.streams) rates.softmax_bytes.per_second *= 4;
  const StepTime time = PredictStep(profile, StepTimeShape(), Decode(512));
  EXPECT_EQ(Of(time, WorkClass::kSoftmax).bound(), Bound::kMemory);
  ExpectClose(Of(time, WorkClass::kSoftmax).seconds(), Of(time, WorkClass::kScores).seconds() / 4);
}

}  // namespace
}  // namespace plumbline::step_time_segments_test
