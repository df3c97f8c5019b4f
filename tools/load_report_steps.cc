// The part of a load test's report that has a formula beside it.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/load_report.h"
#include "tools/table.h"

namespace plumbline {
namespace {

struct StepSums {
  int64_t steps = 0;
  int64_t tokens = 0;
  double seconds = 0;
  double longest = 0;
  int64_t predicted_steps = 0;
  double predicted_seconds = 0;  // of predicted_steps
  double measured_seconds = 0;   // of the same
  int64_t over_itl_target = 0;
};

void AddStep(const StepRecord& step, StepSums* sums) {
  const double seconds = step.end_seconds - step.start_seconds;
  ++sums->steps;
  sums->tokens += step.prompt_tokens + step.decode_tokens;
  sums->seconds += seconds;
  sums->longest = std::max(sums->longest, seconds);
  sums->over_itl_target += step.over_itl_target;
  if (step.predicted_seconds < 0) return;
  ++sums->predicted_steps;
  sums->predicted_seconds += step.predicted_seconds;
  sums->measured_seconds += seconds;
}

void AddLoadStepRow(const char* label, const StepSums& sums, Table* table) {
  if (sums.steps == 0) return;
  const auto mean = [](double sum, int64_t count) {
    return count > 0 ? FormatSeconds(sum / static_cast<double>(count)) : std::string("-");
  };
  const std::string residual =
      sums.predicted_seconds > 0
          ? absl::StrFormat("%+.1f%%", 100 * (sums.measured_seconds / sums.predicted_seconds - 1))
          : "-";
  table->AddRow({{label, ""},
                 Cell::Count(sums.steps),
                 Cell::Text(absl::StrFormat(
                     "%.1f", static_cast<double>(sums.tokens) / static_cast<double>(sums.steps))),
                 Cell::Text(mean(sums.seconds, sums.steps)),
                 Cell::Text(mean(sums.predicted_seconds, sums.predicted_steps)),
                 Cell::Text(residual),
                 Cell::Text(FormatSeconds(sums.longest))});
}

std::string OverTargetNote(const StepSums& sums) {
  if (sums.over_itl_target == 0) return "";
  return WrapText(absl::StrCat(FormatCount(sums.over_itl_target),
                               " steps were predicted to miss --itl-target by their streams alone, "
                               "and ran 16 prompt tokens"));
}

// At the fullest step. Measured: blocks that were held, in the store's bytes, and of them the part
// that was not waste.
std::string CacheTable(const LoadRecord& record) {
  const StepRecord* fullest = nullptr;
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const StepRecord& step : repetition.steps) {
      if (fullest == nullptr || step.blocks_used > fullest->blocks_used) fullest = &step;
    }
  }
  if (fullest == nullptr || record.block_tokens < 1) return "";
  Table table({"Cache at its fullest, bytes", "measured", "formula", "article"});
  const int64_t tokens = fullest->cached_tokens;
  const int64_t held = fullest->blocks_used * record.block_bytes;
  const int64_t wasted = fullest->waste_tokens * (record.block_bytes / record.block_tokens);
  table.AddRow({{absl::StrCat("  used, ", FormatCount(tokens), " tokens"), ""},
                Cell::Count(held - wasted),
                Cell::Count(tokens * record.token_bytes),
                Cell::Count(tokens * record.article_token_bytes)});
  table.AddRow({{absl::StrCat("  allocated, ", FormatCount(fullest->blocks_used), " blocks"), ""},
                Cell::Count(held),
                Cell::Count((tokens + fullest->waste_tokens) * record.token_bytes),
                Cell::None()});
  return table.ToString();
}

}  // namespace

std::string LoadStepsReport(const LoadRecord& record) {
  StepSums prompts;
  StepSums decodes;
  StepSums all;
  for (const RepetitionRecord& repetition : record.repetitions) {
    for (const StepRecord& step : repetition.steps) {
      AddStep(step, step.prompt_tokens > 0 ? &prompts : &decodes);
      AddStep(step, &all);
    }
  }
  if (all.steps == 0) return "The target tells no steps.\n";
  const bool real = record.target == "engine";
  Table table({"Steps", "count", "tokens", real ? "measured" : "simulated", "predicted", "residual",
               "longest"});
  AddLoadStepRow("  with prompt tokens", prompts, &table);
  AddLoadStepRow("  decode alone", decodes, &table);
  AddLoadStepRow("  all", all, &table);
  return absl::StrCat(
      table.ToString(),
      real ? "predicted: the forward pass alone; a step also plans and samples\n" : "",
      OverTargetNote(all), "\n", CacheTable(record));
}

}  // namespace plumbline
