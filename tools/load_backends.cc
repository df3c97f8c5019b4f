// What a load can drive: this process's engine, and a simulation.
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/block_mover.h"
#include "cache/kv_store.h"
#include "engine/limit_probe.h"
#include "engine/model.h"
#include "engine/step_time.h"
#include "tools/load_anchors.h"
#include "tools/load_engine.h"
#include "tools/load_json.h"
#include "tools/load_replay.h"
#include "tools/load_run.h"
#include "tools/load_simulation.h"
#include "tools/load_step_scale.h"
#include "tools/machine_file.h"
#include "tools/progress.h"
#include "tools/resident.h"

namespace plumbline {
namespace {

// A twelfth of a run's time or so: a minute of it has a hundred steps or more to compare.
constexpr int64_t kRepeatEvery = 10;

class EngineBackend final : public LoadBackend {
 public:
  EngineBackend(const LoadSetup& setup, bool measures_anchors, std::unique_ptr<Model> model,
                std::unique_ptr<KvStore> store, std::unique_ptr<KvStore> host,
                std::optional<MachineProfile> profile)
      : setup_(setup),
        measures_anchors_(measures_anchors),
        model_(std::move(model)),
        store_(std::move(store)),
        host_(std::move(host)),
        mover_(*store_, host_.get()),
        profile_(std::move(profile)) {}

  absl::StatusOr<std::unique_ptr<LoadTarget>> MakeTarget(int64_t /*repetition*/,
                                                         LoadSink& sink) override {
    SessionOptions session;
    session.scheduler = setup_.scheduler;
    session.profile = now_.has_value() ? &*now_ : nullptr;
    session.keep_steps = session.profile != nullptr;
    session.scheduler.mover = &mover_;
    AnchorPlan anchors;
    if (probe_ != nullptr) {
      anchors.measure = [this] { return probe_->Measure(); };
      anchors.repeat_every = kRepeatEvery;
    }
    return std::make_unique<EngineTarget>(session, *model_, *store_, sink, anchors);
  }

  absl::StatusOr<std::optional<Anchors>> MeasureNow() override {
    if (!measures_anchors_) return std::optional<Anchors>();
    if (probe_ == nullptr) {
      absl::StatusOr<std::unique_ptr<AnchorProbe>> probe =
          AnchorProbe::Create(model_->options().threads);
      if (!probe.ok()) return probe.status();
      probe_ = *std::move(probe);
    }
    const Anchors anchors = probe_->Measure();
    if (profile_.has_value()) now_ = AtAnchors(*profile_, anchors);
    return std::optional<Anchors>(anchors);
  }

  bool needs_warm_up() const override { return true; }

 private:
  const LoadSetup& setup_;
  const bool measures_anchors_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> store_;
  std::unique_ptr<KvStore> host_;  // null: nothing is swapped
  KvBlockMover mover_;
  std::optional<MachineProfile> profile_;
  std::optional<MachineProfile> now_;  // at the anchors of the repetition to come
  std::unique_ptr<AnchorProbe> probe_;
};

class SimulationBackend final : public LoadBackend {
 public:
  // `real`: the run whose anchors the simulation has, or null; not owned. `same_steps`: it ran the
  // model that is simulated, so that what its steps took says something of these.
  SimulationBackend(SimulationOptions options, MachineProfile profile, const LoadRecord* real,
                    bool same_steps)
      : options_(std::move(options)),
        profile_(std::move(profile)),
        real_(real),
        same_steps_(same_steps) {
    options_.session.scheduler.profile = &profile_;
    options_.step_seconds = [this](absl::Span<const SpanShape> spans, double now_seconds) {
      const MachineProfile& now = anchored_->At(now_seconds);
      return scale_->Seconds(PredictStep(now, options_.shape, spans), SpanTokens(spans)) +
             PredictSampling(now, options_.shape, spans);
    };
  }
  // A repetition sends what the real one of its number sent, at the anchors that this had.
  absl::StatusOr<std::unique_ptr<LoadTarget>> MakeTarget(int64_t repetition,
                                                         LoadSink& sink) override {
    absl::Span<const AnchorMark> marks;
    absl::Span<const RepeatedStep> repeated;
    if (real_ != nullptr && repetition < std::ssize(real_->repetitions)) {
      marks = real_->repetitions[repetition].anchor_marks;
      if (same_steps_) repeated = real_->repetitions[repetition].repeated_steps;
    }
    anchored_.emplace(profile_, marks);
    scale_.emplace(*anchored_, options_.shape, repeated);
    return std::make_unique<SimulationTarget>(options_, sink);
  }
  absl::StatusOr<std::optional<Anchors>> MeasureNow() override { return std::optional<Anchors>(); }
  bool needs_warm_up() const override { return false; }
  std::string note() const override {
    const std::string times = scale_.has_value() ? scale_->ToString() : "";
    if (times.empty()) return "";
    return absl::StrCat("Predictions are multiplied, class by class, by what steps of the real ",
                        "run took of theirs when they were run again; in all ", times, ".\n");
  }

 private:
  SimulationOptions options_;
  const MachineProfile profile_;  // at the real run's mean anchors
  const LoadRecord* real_;
  const bool same_steps_;
  std::optional<AnchoredProfile> anchored_;  // of the target that lives
  std::optional<StepScale> scale_;           // the same
};

// Repeats the recorded repetitions one after the other.
class ReplayBackend final : public LoadBackend {
 public:
  ReplayBackend(SimulationOptions options, const LoadRecord& recorded)
      : options_(std::move(options)), recorded_(recorded) {}
  absl::StatusOr<std::unique_ptr<LoadTarget>> MakeTarget(int64_t repetition,
                                                         LoadSink& sink) override {
    const auto& repetitions = recorded_.repetitions;
    ReplayTimes(TimesOf(repetitions[repetition % std::ssize(repetitions)]), &options_);
    return std::make_unique<SimulationTarget>(options_, sink);
  }
  absl::StatusOr<std::optional<Anchors>> MeasureNow() override { return std::optional<Anchors>(); }
  bool needs_warm_up() const override { return false; }

 private:
  SimulationOptions options_;
  const LoadRecord& recorded_;
};

// Whether steps of the real run are steps of what is simulated.
bool HasSameSteps(const LoadRecord& real, const LoadRecord& simulated) {
  return real.model == simulated.model && real.weights == simulated.weights &&
         real.kv_dtype == simulated.kv_dtype && real.threads == simulated.threads &&
         real.block_tokens == simulated.block_tokens;
}

// A machine that this process does not run on will do.
absl::StatusOr<MachineProfile> AnyProfile(const LoadOptions& options, const LoadSetup& setup) {
  absl::StatusOr<MachineProfile> profile = options.machine.empty()
                                               ? LoadMachineProfile("", setup.model_options.threads)
                                               : ReadMachineProfile(options.machine);
  if (!profile.ok() || !setup.real.has_value()) return profile;
  const absl::StatusOr<Anchors> anchors = MeanAnchors(setup.real->record);
  if (!anchors.ok()) {
    return absl::Status(anchors.status().code(),
                        absl::StrCat(options.anchors_of, ": ", anchors.status().message()));
  }
  return AtAnchors(*profile, *anchors);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadBackend>> MakeEngineBackend(const LoadOptions& options,
                                                               const LoadSetup& setup) {
  std::optional<MachineProfile> profile;
  if (options.predict) {
    auto found = FindMachineProfile(options.machine, setup.model_options.threads);
    if (!found.ok()) return found.status();
    profile = *std::move(found);
  }
  if (options.itl_target_seconds > 0 && !profile.has_value()) {
    return absl::FailedPreconditionError(
        "--itl-target needs a profile of this machine to predict steps from, and there is none: "
        "run plumbline calibrate");
  }
  const ModelConfig& config = setup.source->config();
  absl::StatusOr<std::unique_ptr<Model>> model;
  {
    Progress progress(absl::StrCat("loading ", config.name), TotalElements(config));
    const std::unique_ptr<TensorSource> source = WithProgress(*setup.source, progress);
    model = Model::Load(*source, setup.model_options);
  }
  if (!model.ok()) return model.status();
  absl::StatusOr<std::unique_ptr<KvStore>> store =
      KvStore::Create(setup.scheduler.geometry, setup.cache_blocks);
  if (!store.ok()) return store.status();
  absl::StatusOr<std::unique_ptr<KvStore>> host =
      MakeHostStore(options.preempt, setup.scheduler.geometry, setup.swap_blocks);
  if (!host.ok()) return host.status();
  // As a server's would be: else the first requests to fill the cache wait for pages to be cleared.
  MakeResident(**model, **store);
  return std::make_unique<EngineBackend>(setup, options.predict, *std::move(model),
                                         *std::move(store), *std::move(host), std::move(profile));
}

absl::StatusOr<std::unique_ptr<LoadBackend>> MakeSimulationBackend(const LoadOptions& options,
                                                                   const LoadSetup& setup) {
  SimulationOptions simulation;
  simulation.session.scheduler = setup.scheduler;
  simulation.shape = setup.shape;
  simulation.context = setup.scheduler.context;
  simulation.num_blocks = setup.cache_blocks;
  simulation.replicas = options.replicas;
  simulation.route =
      options.route == "least-loaded" ? LoadRoute::kLeastLoaded : LoadRoute::kRoundRobin;
  if (setup.recorded.has_value()) {
    return std::make_unique<ReplayBackend>(std::move(simulation), *setup.recorded);
  }
  absl::StatusOr<MachineProfile> profile = AnyProfile(options, setup);
  if (!profile.ok()) return profile.status();
  const LoadRecord* real = setup.real.has_value() ? &setup.real->record : nullptr;
  const bool same_steps = real != nullptr && HasSameSteps(*real, DescribeLoad(options, setup));
  return std::make_unique<SimulationBackend>(std::move(simulation), *std::move(profile), real,
                                             same_steps);
}

}  // namespace plumbline
