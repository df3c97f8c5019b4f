// A load test's record made by hand, whose every time is known.
#ifndef PLUMBLINE_TESTS_SUPPORT_HAND_MADE_LOAD_H_
#define PLUMBLINE_TESTS_SUPPORT_HAND_MADE_LOAD_H_

#include <utility>
#include <vector>

#include "tools/load_record.h"

namespace plumbline {

// One replica, ten steps between 1 and 14 (all sums of them are exact), and five requests:
//   0: intended at 0.5, chunks in steps 0 and 2, evicted at 5.5, computed anew in step 5, tokens in
//      steps 5, 6, 8 (step 7 had none of its own) and 9.
//   1: intended at 0.25, chunk in step 1, tokens in steps 1, 2 and 3; evicted at 4.5, never back.
//   2: intended at 2, refused at once, with a reason that JSON must escape.
//   3: intended at 3, waits until it is cancelled at 9.
//   4: intended at 10, never seen to end.
//
// What the file says of the whole test.
inline LoadRecord HandMadeHead() {
  LoadRecord record;
  record.model = "models/made <by> hand";
  record.target = "engine";
  record.weights = "bf16";
  record.kv_dtype = "f16";
  record.workload = "all; prompts 8; outputs 4";
  record.policy = {{"max_running", "2"}, {"itl_target", "1.5"}};
  record.step_tokens = 8;
  record.block_tokens = 4;
  record.blocks = 10;
  record.block_bytes = 400;
  record.token_bytes = 100;
  record.article_token_bytes = 200;
  record.unix_seconds = 1700000000;
  return record;
}

inline void AddHandMadeSteps(RepetitionRecord& repetition) {
  const std::vector<std::pair<double, double>> times = {
      {1, 2}, {2, 3}, {3, 4}, {4, 4.5}, {4.5, 5.5}, {6, 8}, {8, 9}, {9, 10}, {10, 11}, {11.5, 12}};
  for (const auto& [start, end] : times) {
    StepRecord& step = repetition.steps.emplace_back();
    step.start_seconds = start;
    step.end_seconds = end;
    step.predicted_seconds = 0.75;
    step.decode_tokens = 1;
    step.running = 2;
    step.waiting = 1;
    step.blocks_used = 4;
    step.blocks_free = 6;
    step.cached_tokens = 14;
    step.waste_tokens = 2;
  }
  for (const size_t i : {0, 1, 2, 5}) repetition.steps[i].prompt_tokens = 8;
  repetition.steps[5].over_itl_target = 1;
}

inline void AddHandMadeRequests(RepetitionRecord& repetition) {
  repetition.requests.resize(5);
  for (size_t i = 0; i < 5; ++i) {
    repetition.requests[i].id = static_cast<int64_t>(i);
    repetition.requests[i].prompt_tokens = 16;
    repetition.requests[i].output_tokens = 4;
  }
  RequestRecord& whole = repetition.requests[0];
  whole.intended_seconds = 0.5;
  whole.first_scheduled_seconds = 1;
  whole.chunks = {{0, 0, 8}, {2, 8, 4}, {5, 0, 16}};
  whole.preemptions = {{5.5, 6}};
  whole.token_seconds = {8, 9, 11, 12};
  whole.finish_seconds = 12;
  whole.outcome = LoadOutcome::kCompleted;
  RequestRecord& cut = repetition.requests[1];
  cut.intended_seconds = 0.25;
  cut.first_scheduled_seconds = 2;
  cut.chunks = {{1, 0, 16}};
  cut.token_seconds = {3, 4, 4.5};
  cut.preemptions = {{4.5, -1}};
  cut.finish_seconds = 7;
  cut.outcome = LoadOutcome::kExpired;
  RequestRecord& refused = repetition.requests[2];
  refused.intended_seconds = refused.finish_seconds = 2;
  refused.outcome = LoadOutcome::kRefused;
  refused.error = "no \"room\" \x01\xFF";
  RequestRecord& cancelled = repetition.requests[3];
  cancelled.intended_seconds = 3;
  cancelled.finish_seconds = 9;
  cancelled.outcome = LoadOutcome::kCancelled;
  repetition.requests[4].intended_seconds = 10;
}

inline LoadRecord HandMadeLoad() {
  LoadRecord record = HandMadeHead();
  RepetitionRecord& repetition = record.repetitions.emplace_back();
  AddHandMadeSteps(repetition);
  AddHandMadeRequests(repetition);
  repetition.end_seconds = 14;
  return record;
}

}  // namespace plumbline

#endif  // PLUMBLINE_TESTS_SUPPORT_HAND_MADE_LOAD_H_
