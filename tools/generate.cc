#include "tools/generate.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/block_mover.h"
#include "cache/block_pool.h"
#include "cache/kv_store.h"
#include "engine/limit_probe.h"
#include "engine/model.h"
#include "scheduler/clock.h"
#include "scheduler/executor.h"
#include "scheduler/session.h"
#include "scheduler/text_stream.h"
#include "spdlog/spdlog.h"
#include "tools/generate_json.h"
#include "tools/generate_report.h"
#include "tools/generate_setup.h"
#include "tools/interrupt.h"
#include "tools/machine_file.h"
#include "tools/output.h"
#include "tools/plan_check.h"
#include "tools/progress.h"
#include "tools/resident.h"
#include "tools/table.h"

namespace plumbline {
namespace {

absl::StatusOr<std::unique_ptr<Model>> LoadModel(const GenerateSetup& setup) {
  const ModelConfig& config = setup.source->config();
  Progress progress(absl::StrCat("loading ", config.name), TotalElements(config));
  const std::unique_ptr<TensorSource> source = WithProgress(*setup.source, progress);
  return Model::Load(*source, setup.model_options);
}

std::vector<int32_t> EndTokens(const Tokenizer& tokenizer) {
  std::vector<int32_t> ends;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_end(id)) ends.push_back(id);
  }
  return ends;
}

struct Stores {
  std::unique_ptr<KvStore> cache;
  std::unique_ptr<KvStore> host;  // null: nothing is swapped
};

absl::StatusOr<Stores> MakeStores(const GenerateSetup& setup, const PreemptOptions& preempt) {
  Stores stores;
  absl::StatusOr<std::unique_ptr<KvStore>> store =
      KvStore::Create(setup.geometry, setup.cache_blocks);
  if (!store.ok()) return store.status();
  stores.cache = *std::move(store);
  store = MakeHostStore(preempt, setup.geometry, setup.swap_blocks);
  if (!store.ok()) return store.status();
  stores.host = *std::move(store);
  return stores;
}

// Writes one request's text as it comes, and takes everybody's results.
class Run {
 public:
  Run(const GenerateOptions& options, const GenerateSetup& setup, std::ostream& out)
      : options_(options),
        setup_(setup),
        out_(out),
        streams_text_(!options.json && setup.prompts.size() == 1 && options.samples == 1),
        ends_(EndTokens(*setup.tokenizer)) {
    for (const std::string& prompt : setup.prompts) {
      for (int sample = 0; sample < options.samples; ++sample) {
        streams_.emplace_back(*setup.tokenizer, options.stop);
        requests_.push_back({prompt, "", {}});
      }
    }
  }

  // Runs all requests to their ends; `profile` may be null. True where Ctrl-C ended them.
  bool Execute(Model& model, const Stores& stores, const MachineProfile* profile) {
    BlockPool pool(setup_.cache_blocks);
    ModelExecutor executor(model, *stores.cache);
    Progress progress(streams_text_ ? "reading the prompt" : "running", ExpectedTokens());
    progress_ = &progress;
    const std::unique_ptr<Executor> reporting = WithProgress(executor, progress);
    SessionOptions session_options;
    session_options.scheduler.step_tokens = setup_.model_options.max_step_tokens;
    session_options.scheduler.max_running = setup_.model_options.max_step_spans;
    session_options.scheduler.geometry = setup_.geometry;
    session_options.scheduler.prefix_sharing = options_.prefix_sharing;
    session_options.scheduler.recompute_each_step = options_.no_cache;
    session_options.scheduler.preemption = options_.preempt.policy();
    KvBlockMover mover(*stores.cache, stores.host.get());
    session_options.scheduler.mover = &mover;
    session_options.profile = profile;
    const SteadyClock clock;
    Session session(session_options, *reporting, pool, clock);
    session_ = &session;
    for (size_t i = 0; i < setup_.prompt_ids.size(); ++i) Submit(i, clock.NowSeconds());
    const InterruptScope interrupt(session);
    spdlog::debug("running {} texts in a cache of {} blocks", streams_.size(), setup_.cache_blocks);
    session.RunUntilIdle();
    prefix_ = session.scheduler().prefix_stats();
    preemption_ = session.scheduler().preemption_stats();
    return interrupt.interrupted();
  }

  std::vector<GeneratedRequest> TakeRequests() { return std::move(requests_); }
  const PrefixStats& prefix() const { return prefix_; }
  const PreemptionStats& preemption() const { return preemption_; }

 private:
  int64_t ExpectedTokens() const {
    int64_t tokens = 0;
    for (const auto& ids : setup_.prompt_ids) {
      tokens += static_cast<int64_t>(ids.size());
      if (!streams_text_) tokens += LaterTokens(static_cast<int64_t>(ids.size()));
    }
    return tokens;
  }

  // Tokens computed after a prompt's own, where the outputs are as long as they may be.
  int64_t LaterTokens(int64_t prompt) const {
    const int64_t samples = options_.samples;
    if (!options_.no_cache) return samples * (options_.max_new_tokens - 1);
    const int64_t room = setup_.source->config().context - prompt;
    const int64_t later = std::min<int64_t>(options_.max_new_tokens - 1, room);
    return samples * (later * prompt + later * (later + 1) / 2) + (samples - 1) * prompt;
  }

  void Submit(size_t prompt, double now) {
    const size_t first = prompt * static_cast<size_t>(options_.samples);
    Request request;
    request.prompt = setup_.prompt_ids[prompt];
    request.samples = options_.samples;
    request.max_new_tokens = options_.max_new_tokens;
    request.sampling = options_.sampling;
    request.end_tokens = ends_;
    request.logprobs = options_.logprobs;
    request.arrival_seconds = now;
    request.on_token = [this, first](const TokenEvent& event) {
      const size_t index = first + static_cast<size_t>(event.sample);
      Show(streams_[index].Push(event.token));
      return !streams_[index].stopped();
    };
    session_->Submit(std::move(request), [this, first](RequestResult result) {
      const size_t index = first + static_cast<size_t>(result.sample);
      Show(streams_[index].Finish());
      requests_[index].text = streams_[index].text();
      requests_[index].result = std::move(result);
    });
  }

  void Show(const std::string& text) {
    if (!streams_text_) return;
    progress_->Stop();  // both may share a terminal
    out_ << text << std::flush;
    if (!out_) session_->CancelAll();  // nobody reads on
  }

  const GenerateOptions& options_;
  const GenerateSetup& setup_;
  std::ostream& out_;
  const bool streams_text_;
  const std::vector<int32_t> ends_;
  std::deque<TextStream> streams_;
  std::vector<GeneratedRequest> requests_;
  PrefixStats prefix_;
  PreemptionStats preemption_;
  Session* session_ = nullptr;    // while Execute runs
  Progress* progress_ = nullptr;  // while Execute runs
};

// The machine's profile at this run's anchors, or none. The anchors' buffers are gone before the
// run; a memory check sees not even what they leave behind, and goes without.
absl::StatusOr<std::optional<MachineProfile>> ProfileOfThisRun(const GenerateOptions& options,
                                                               int threads) {
  if (!options.predict || options.plan_check) return std::optional<MachineProfile>();
  absl::StatusOr<std::optional<MachineProfile>> profile =
      FindMachineProfile(options.machine, threads);
  if (!profile.ok() || !profile->has_value()) return profile;
  const absl::StatusOr<Anchors> anchors = MeasureAnchors(threads);
  if (!anchors.ok()) return anchors.status();
  return std::optional<MachineProfile>(AtAnchors(**profile, *anchors));
}

GenerateRun DescribeRun(const GenerateSetup& setup, const Model& model, const KvStore& store) {
  GenerateRun run;
  run.model = setup.model;
  run.config = model.config();
  run.weights = model.options().weights;
  run.kv_dtype = model.options().kv_dtype;
  run.threads = model.options().threads;
  run.weight_bytes = Total(model.weight_sizes().bytes);
  run.pool_bytes = store.allocated_bytes();
  run.score_scratch_bytes = model.scratch_sizes().attention;
  run.same_bits_exception = model.same_bits_exception();
  run.matmul_implementations = model.matmul_implementations();
  run.shape = CostShape::From(run.config, run.weights, run.kv_dtype, model.options().block_tokens);
  return run;
}

absl::Status Outcome(const GenerateRun& run, int samples, bool interrupted, std::ostream& out) {
  if (absl::Status status = FlushOutput(out); !status.ok()) return status;
  for (size_t i = 0; i < run.requests.size(); ++i) {
    const RequestResult& result = run.requests[i].result;
    if (result.reason != FinishReason::kError) continue;
    return absl::Status(result.status.code() == absl::StatusCode::kCancelled
                            ? absl::StatusCode::kInternal
                            : result.status.code(),
                        absl::StrCat("prompt ", i / static_cast<size_t>(samples) + 1, ": ",
                                     result.status.message()));
  }
  return interrupted ? absl::CancelledError("interrupted") : absl::OkStatus();
}

}  // namespace

absl::Status RunGenerate(const GenerateOptions& options, bool echo_prompt, std::ostream& out) {
  const absl::StatusOr<GenerateSetup> setup = PrepareGenerate(options);
  if (!setup.ok()) return setup.status();
  std::shared_ptr<PlanCheck> check;
  if (options.plan_check) {
    const absl::StatusOr<PlanCheck> started = StartPlanCheck(*setup);
    if (!started.ok()) return started.status();
    check = std::make_shared<PlanCheck>(*started);
  }
  const absl::StatusOr<std::unique_ptr<Model>> model = LoadModel(*setup);
  if (!model.ok()) return model.status();
  const absl::StatusOr<Stores> stores = MakeStores(*setup, options.preempt);
  if (!stores.ok()) return stores.status();
  if (check != nullptr) MakeResident(**model, *stores->cache);
  absl::StatusOr<std::optional<MachineProfile>> profile =
      ProfileOfThisRun(options, (*model)->options().threads);
  if (!profile.ok()) return profile.status();

  if (echo_prompt && !options.json && setup->prompts.size() == 1 && options.samples == 1) {
    out << "\033[2m" << setup->prompts[0] << "\033[0m" << std::flush;
  }
  Run run(options, *setup, out);
  const bool interrupted =
      run.Execute(**model, *stores, profile->has_value() ? &**profile : nullptr);
  if (check != nullptr) {
    const absl::Status finished = FinishPlanCheck(**model, *stores->cache, check.get());
    if (!finished.ok()) return finished;
  }
  GenerateRun facts = DescribeRun(*setup, **model, *stores->cache);
  facts.logprobs = options.logprobs;
  facts.prefix = run.prefix();
  facts.preemption = run.preemption();
  facts.no_cache = options.no_cache;
  facts.profile = *std::move(profile);
  facts.plan_check = std::move(check);
  facts.requests = run.TakeRequests();
  if (options.json) {
    out << GenerateJson(facts);
  } else {
    out << GenerateReport(facts);
  }
  out.flush();
  return Outcome(facts, options.samples, interrupted, out);
}

}  // namespace plumbline
