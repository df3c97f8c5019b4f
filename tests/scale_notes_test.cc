// What stands below a study's findings.
#include "tools/scale_notes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/scale_run.h"
#include "tools/table.h"

namespace plumbline::scale_notes_test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string NotesOf(int late) {
  ScaleStudy study;
  study.left_out = {"decode of a: no room"};
  for (int i = 1; i <= late; ++i) {
    study.left_out.push_back(absl::StrCat("prefill of a, ", i, " tokens: ", kNoTimeLeft));
  }
  std::string notes = ScaleNotes(study, "");
  for (const absl::string_view line : absl::StrSplit(notes, '\n')) {
    EXPECT_LE(DisplayWidth(line), kTerminalColumns) << line;
  }
  return notes;
}

TEST(ScaleNotesTest, WhatThereWasNoTimeForIsCounted) {
  EXPECT_THAT(NotesOf(0), HasSubstr("- decode of a: no room\n"));
  EXPECT_THAT(NotesOf(0), Not(HasSubstr("no time")));
  EXPECT_THAT(NotesOf(1), HasSubstr("- prefill of a, 1 tokens: no time was left: give more"));
  EXPECT_THAT(NotesOf(30), HasSubstr("- 30 parts, the last of them prefill of a, 30 tokens: no"));
  EXPECT_THAT(NotesOf(30), Not(HasSubstr("29 tokens")));
  EXPECT_THAT(NotesOf(30), HasSubstr("- decode of a: no room\n"));
}

TEST(ScaleNotesTest, CountsAreHeldAgainstTheirFormulas) {
  ScaleStudy study;
  study.data.samples.resize(2);
  EXPECT_THAT(ScaleNotes(study, ""), HasSubstr("counts of all 2 samples equal their formulas"));
  ++study.data.samples[1].macs.executed[3];
  study.data.samples[0].formula_softmax_pairs = 7;
  const CountAgreement agreement = CompareWithFormulas(study.data);
  EXPECT_EQ(agreement.figures, 2 * (3 * kNumWorkClasses + 1));
  EXPECT_EQ(agreement.differences, 2);
  EXPECT_THAT(ScaleNotes(study, ""), HasSubstr("!= 2 of 44 counts differ"));
}

}  // namespace
}  // namespace plumbline::scale_notes_test
