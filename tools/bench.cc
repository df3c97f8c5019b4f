#include "tools/bench.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/machine.h"
#include "spdlog/spdlog.h"
#include "tools/interrupt.h"
#include "tools/numeric_options.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/toy_path.h"

namespace plumbline {
namespace {

constexpr double kProgressUnits = 1e6;  // of a second that the tests take at the limits

template <class T>
std::vector<T> OrUsual(const std::vector<T>& values, T usual) {
  return values.empty() ? std::vector<T>{std::move(usual)} : values;
}

bool SameSetup(const BenchSetup& a, const BenchSetup& b) {
  return a.model == b.model && a.weights == b.weights && a.kv_dtype == b.kv_dtype &&
         a.threads == b.threads;
}

absl::StatusOr<std::vector<std::string>> BenchModels(const BenchOptions& options) {
  if (!options.models.empty()) return options.models;
  absl::StatusOr<std::string> toy = FindToyModel();
  if (!toy.ok()) return toy.status();
  return std::vector<std::string>{*std::move(toy)};
}

// Measures one setup.
class BenchGroupRunner {
 public:
  BenchGroupRunner(const BenchHow& how, BenchLimitSizes limits, BenchCancelled cancelled,
                   BenchGroup& group)
      : how_(how), limits_(limits), cancelled_(std::move(cancelled)), group_(group) {}

  // An error leaves the tests out that were not measured, and is returned where it does not speak
  // of this machine's means. Cancelled as it comes.
  absl::Status Run() {
    absl::Status status = Measure();
    if (status.ok() || absl::IsCancelled(status)) return status;
    for (const BenchTest& test : todo_) {
      const auto done = [&test](const BenchResult& result) {
        return result.test == test && !result.samples.empty();
      };
      if (std::any_of(group_.results.begin(), group_.results.end(), done)) continue;
      std::erase_if(group_.results,
                    [&test](const BenchResult& result) { return result.test == test; });
      group_.left_out.push_back({test, std::string(status.message())});
    }
    const bool means = absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status);
    return means ? absl::OkStatus() : status;
  }

 private:
  absl::Status Measure() {
    todo_ = group_.setup.tests;
    const auto source = OpenModel(group_.setup.model);
    if (!source.ok()) return source.status();
    group_.name = (*source)->config().name;
    group_.architecture = (*source)->config().architecture;
    // First, so that its memory does not count as free.
    const auto limits = AnchorProbe::Create(group_.setup.threads, limits_(group_.setup.weights));
    if (!limits.ok()) return limits.status();
    BenchRoom room;
    todo_ = ChooseBenchTests((*source)->config(), group_.setup, how_,
                             DetectMachine().free_memory_bytes, &room, group_.left_out);
    if (todo_.empty()) return absl::OkStatus();
    const auto rig = Load(**source, room);
    if (!rig.ok()) return rig.status();
    group_.weight_bytes = Total((*rig)->model().weight_sizes().bytes);
    group_.parameters = (*rig)->model().weight_sizes().parameters;
    group_.matmul = (*rig)->model().matmul_implementations();
    group_.same_bits_exception = (*rig)->model().same_bits_exception();
    return RunTests(**rig, **limits);
  }

  absl::StatusOr<std::unique_ptr<BenchRig>> Load(const TensorSource& source,
                                                 const BenchRoom& room) const {
    Progress progress(absl::StrCat("loading ", group_.setup.model), TotalElements(source.config()));
    return BenchRig::Load(*WithProgress(source, progress), group_.setup, how_, room, cancelled_);
  }

  absl::Status RunTests(BenchRig& rig, AnchorProbe& limits) {
    const Anchors first = limits.Measure();
    std::vector<int64_t> units;  // of one repetition of each test
    int64_t all = 0;
    for (const BenchTest& test : todo_) {
      const double seconds = Attainable(rig.shape(), rig.Steps(test), first).seconds;
      units.push_back(std::max<int64_t>(1, std::llround(seconds * kProgressUnits)));
      all += units.back() * how_.repetitions;
    }
    Progress progress("benchmarking", all);
    for (size_t i = 0; i < todo_.size(); ++i) {
      const std::string name = BenchTestName(todo_[i]);
      progress.SetWhat(absl::StrCat("benchmarking ", name));
      spdlog::debug("benchmarking {}", name);
      group_.results.push_back({todo_[i], {}, {}});
      absl::Status status = MeasureBenchTest(
          rig, limits, how_.repetitions, [&] { progress.Add(units[i]); }, group_.results.back());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const BenchHow& how_;
  const BenchLimitSizes limits_;
  const BenchCancelled cancelled_;
  BenchGroup& group_;
  std::vector<BenchTest> todo_;
};

}  // namespace

absl::StatusOr<std::vector<BenchSetup>> MakeBenchSetups(const BenchOptions& options) {
  const auto models = BenchModels(options);
  if (!models.ok()) return models.status();
  const auto tests = MakeBenchTests(
      {OrUsual<int64_t>(options.prompts, 512), OrUsual<int64_t>(options.generated, 128),
       options.both, OrUsual<int64_t>(options.depths, 0), OrUsual<int64_t>(options.streams, 1)});
  if (!tests.ok()) return tests.status();
  std::vector<BenchSetup> setups;
  for (const std::string& model : *models) {
    for (const std::string& weights : OrUsual<std::string>(options.weights, "auto")) {
      for (const std::string& kv_dtype : OrUsual<std::string>(options.kv_dtypes, "auto")) {
        const NumericTypes types = ChooseNumericTypes(weights, kv_dtype);
        for (const int64_t threads : OrUsual<int64_t>(options.threads, DetectMachine().cores)) {
          BenchSetup setup{model, types.weights, types.kv_dtype, static_cast<int>(threads), *tests};
          const auto same = [&setup](const BenchSetup& other) { return SameSetup(setup, other); };
          if (std::none_of(setups.begin(), setups.end(), same)) setups.push_back(std::move(setup));
        }
      }
    }
  }
  return setups;
}

absl::StatusOr<BenchRun> MeasureBench(const std::vector<BenchSetup>& setups, const BenchHow& how,
                                      BenchLimitSizes limits) {
  for (const BenchSetup& setup : setups) {
    const auto source = OpenModel(setup.model);
    if (!source.ok()) return source.status();
    absl::Status valid =
        (*source)->config().CacheGeometry(setup.kv_dtype, how.block_tokens).Validate();
    if (!valid.ok()) return valid;
  }
  BenchRun run;
  run.cpu = DetectMachine().cpu_model;
  run.chunk_tokens = how.chunk_tokens;
  run.block_tokens = how.block_tokens;
  const InterruptScope interrupt;
  const auto cancelled = [&interrupt] { return interrupt.interrupted(); };
  for (const BenchSetup& setup : setups) {
    if (cancelled()) break;
    run.groups.push_back({});
    run.groups.back().setup = setup;
    absl::Status status = BenchGroupRunner(how, limits, cancelled, run.groups.back()).Run();
    if (!absl::IsCancelled(status)) run.fault.Update(status);
  }
  run.interrupted = cancelled();
  return run;
}

absl::Status RunBench(const BenchOptions& options, bool out_is_terminal, std::ostream& out) {
  const auto setups = MakeBenchSetups(options);
  if (!setups.ok()) return setups.status();
  const absl::StatusOr<BenchRun> run = MeasureBench(*setups, options.how);
  if (!run.ok()) return run.status();
  if (options.output == "json") {
    out << BenchJson(*run);
  } else if (options.output == "csv") {
    out << BenchCsv(*run);
  } else {
    const bool markdown = options.output == "md" || !out_is_terminal;
    out << (markdown ? BenchMarkdown(*run) : BenchTable(*run));
  }
  if (absl::Status status = FlushOutput(out); !status.ok()) return status;
  return run->interrupted ? absl::CancelledError("interrupted") : run->fault;
}

}  // namespace plumbline
