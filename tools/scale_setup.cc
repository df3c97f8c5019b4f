#include "tools/scale_setup.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/machine.h"
#include "tools/machine_file.h"
#include "tools/numeric_options.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr int64_t kLongest = 8192;  // prompt and context, where nothing is said
constexpr int64_t kQuickLongestPrompt = 2048;
constexpr double kMinutes = 10;
constexpr double kQuickMinutes = 1.25;  // leaves room for loading the last model and the report
constexpr int kCounterRepetitions = 7;
constexpr int kQuickCounterRepetitions = 5;
constexpr double kSecondsPerMinute = 60;

ScaleSweepOptions SweepOptions(const ScaleOptions& options, const NumericTypes& types) {
  ScaleSweepOptions sweeps;
  sweeps.sweeps = options.sweeps;
  sweeps.max_prompt = options.max_tokens.value_or(options.quick ? kQuickLongestPrompt : kLongest);
  sweeps.max_context = options.max_tokens.value_or(kLongest);
  if (options.no_cache) sweeps.max_no_cache = sweeps.max_prompt;
  sweeps.chunk_tokens = options.chunk_tokens;
  sweeps.block_tokens = options.block_tokens;
  sweeps.brief = options.quick;
  sweeps.weights = types.weights;
  sweeps.kv_dtype = types.kv_dtype;
  return sweeps;
}

// The toy and a synthetic GPT-2 with no more positions than are needed.
absl::StatusOr<std::vector<std::string>> StudiedModels(const ScaleOptions& options,
                                                       const ScaleSweepOptions& sweeps) {
  std::vector<std::string> models;
  for (const std::string& model : options.models) {
    if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
  }
  if (!models.empty()) return models;
  absl::StatusOr<std::string> toy = FindToyModel();
  if (!toy.ok()) return toy.status();
  models.push_back(*std::move(toy));
  models.push_back(
      WithKey("synthetic:gpt2-small", "context", std::max(sweeps.max_prompt, sweeps.max_context)));
  return models;
}

// What two sittings of one study have in common.
std::vector<std::pair<std::string, std::string>> Settings(const ScaleOptions& options,
                                                          const ScaleSweepOptions& sweeps,
                                                          const std::vector<std::string>& models,
                                                          const Machine& machine, int threads) {
  return {
      {"version", PLUMBLINE_VERSION},
      {"models", absl::StrJoin(models, " ")},
      {"sweeps", absl::StrJoin(sweeps.sweeps.empty() ? ScaleSweepGroups() : sweeps.sweeps, ",")},
      {"quick", options.quick ? "yes" : "no"},
      {"longest_prompt", absl::StrCat(sweeps.max_prompt)},
      {"longest_context", absl::StrCat(sweeps.max_context)},
      {"longest_without_cache", absl::StrCat(sweeps.max_no_cache)},
      {"precision_percent", absl::StrCat(options.precision_percent)},
      {"repetitions", absl::StrCat(options.repetitions)},
      {"chunk_tokens", absl::StrCat(options.chunk_tokens)},
      {"block_tokens", absl::StrCat(options.block_tokens)},
      {"weights", std::string(WeightDtypeName(sweeps.weights))},
      {"kv_dtype", std::string(KvDtypeName(sweeps.kv_dtype))},
      {"threads", absl::StrCat(threads)},
      {"cpu", machine.cpu_model}};
}

absl::Status PlanAll(const ScaleSweepOptions& sweeps, const std::vector<std::string>& models,
                     ScaleSetup& setup) {
  for (const std::string& model : models) {
    const auto source = OpenModel(model);
    if (!source.ok()) return source.status();
    absl::StatusOr<ScalePlan> plan = PlanScale(sweeps, model, (*source)->config());
    if (!plan.ok()) return plan.status();
    for (ScaleRun& run : plan->runs) {
      auto& points = setup.study.data.points;
      points.insert(points.end(), run.points.begin(), run.points.end());
      setup.plan.runs.push_back(std::move(run));
    }
    for (std::string& reason : plan->left_out) setup.study.left_out.push_back(std::move(reason));
  }
  setup.study.settled_points = static_cast<int64_t>(setup.study.data.points.size());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScaleSetup> PrepareScale(const ScaleOptions& options) {
  const NumericTypes types = ChooseNumericTypes(options.weights, options.kv_dtype);
  const ScaleSweepOptions sweeps = SweepOptions(options, types);
  const absl::StatusOr<std::vector<std::string>> models = StudiedModels(options, sweeps);
  if (!models.ok()) return models.status();
  const Machine machine = DetectMachine();
  const int threads = options.threads > 0 ? options.threads : machine.cores;

  absl::StatusOr<std::optional<MachineProfile>> profile =
      FindMachineProfile(options.machine, threads);
  if (!profile.ok()) return profile.status();

  ScaleSetup setup;
  if (absl::Status status = PlanAll(sweeps, *models, setup); !status.ok()) return status;
  setup.study.settings = Settings(options, sweeps, *models, machine, threads);
  setup.folder = options.output.empty() ? options.resume : options.output;
  if (!options.resume.empty()) {
    const absl::StatusOr<std::string> text = ReadScaleFile(options.resume);
    if (!text.ok()) return text.status();
    absl::Status status =
        ResumeScale(*text, absl::StrCat(options.resume, "/", kScaleJsonFile), setup.study);
    if (!status.ok()) return status;
  }
  ScaleMeasureOptions& measure = setup.measure;
  measure.engine.threads = threads;
  measure.engine.weights = types.weights;
  measure.engine.kv_dtype = types.kv_dtype;
  measure.engine.profile = *std::move(profile);
  measure.stop.relative_half_width = options.precision_percent / 100;
  measure.most_repetitions = options.repetitions;
  measure.chunk_tokens = options.chunk_tokens;
  measure.counter_repetitions =
      std::min(options.repetitions, options.quick ? kQuickCounterRepetitions : kCounterRepetitions);
  const double usual_minutes = options.quick ? kQuickMinutes : kMinutes;
  measure.budget_seconds =
      kSecondsPerMinute * (options.minutes > 0 ? options.minutes : usual_minutes);
  return setup;
}

}  // namespace plumbline
