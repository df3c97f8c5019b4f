#include "tools/perplexity.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/perplexity_setup.h"
#include "tools/progress.h"

namespace plumbline {
namespace {

constexpr int64_t kLogitElementBytes = 4;

std::string TypesName(const NumericTypes& types) {
  return absl::StrCat(WeightDtypeName(types.weights), "/", KvDtypeName(types.kv_dtype));
}

absl::StatusOr<std::unique_ptr<WindowEngine>> LoadEngine(const PerplexitySetup& setup,
                                                         const NumericTypes& types) {
  const ModelConfig& config = setup.source->config();
  Progress progress(absl::StrCat("loading ", config.name, " as ", TypesName(types)),
                    TotalElements(config));
  const std::unique_ptr<TensorSource> source = WithProgress(*setup.source, progress);
  ModelOptions options = setup.model_options;
  options.weights = types.weights;
  options.kv_dtype = types.kv_dtype;
  return WindowEngine::Load(*source, options, setup.layout.context - 1);
}

void Summarise(const TextScores& scores, PerplexityRow* row) {
  if (!scores.windows.empty()) row->summary = Summarize(scores);
}

// Everything that is run, pass by pass.
class Study {
 public:
  Study(const PerplexitySetup& setup, PerplexityResult* result) : setup_(setup), result_(result) {}

  // Cancelled after Ctrl-C.
  absl::Status Run() {
    const InterruptScope interrupt;
    const auto cancelled = [&interrupt] { return interrupt.interrupted(); };
    absl::StatusOr<std::unique_ptr<WindowEngine>> reference = LoadEngine(setup_, setup_.reference);
    if (!reference.ok()) return reference.status();
    size_t begin = 0;
    absl::Status status;
    for (const size_t end : setup_.pass_ends) {
      status = RunPass(**reference, begin, end, cancelled);
      if (!status.ok()) break;
      begin = end;
    }
    result_->agreement += (*reference)->agreement();
    return status;
  }

 private:
  absl::Status RunPass(WindowEngine& reference, size_t begin, size_t end,
                       const std::function<bool()>& cancelled) {
    std::vector<std::unique_ptr<WindowEngine>> engines;
    std::vector<WindowEngine*> others;
    for (size_t i = begin; i < end; ++i) {
      if (cancelled()) return absl::CancelledError("interrupted");
      absl::StatusOr<std::unique_ptr<WindowEngine>> engine = LoadEngine(setup_, setup_.others[i]);
      if (!engine.ok()) return engine.status();
      engines.push_back(*std::move(engine));
      others.push_back(engines.back().get());
    }
    const PerplexityText text = {setup_.tokens, setup_.start, setup_.layout,
                                 setup_.model_options.max_step_tokens};
    const auto models = static_cast<int64_t>(others.size()) + 1;
    Progress progress(absl::StrCat("scoring ", models, " models"),
                      models * setup_.layout.fed_positions());
    PassHooks hooks;
    hooks.cancelled = cancelled;
    hooks.on_positions = [&progress](int64_t positions) { progress.Add(positions); };
    spdlog::debug("scoring {} windows with {} models", setup_.layout.windows(), models);
    TextScores reference_scores;
    std::vector<TextScores> scores;
    const auto start = std::chrono::steady_clock::now();
    const absl::Status status =
        ScoreText(text, reference, others, hooks, &reference_scores, &scores);
    result_->seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (begin == 0) Summarise(reference_scores, &result_->reference);
    for (size_t i = begin; i < end; ++i) {
      Summarise(scores[i - begin], &result_->rows[i]);
      result_->agreement += engines[i - begin]->agreement();
    }
    return status;
  }

  const PerplexitySetup& setup_;
  PerplexityResult* result_;
};

PerplexityResult Describe(const PerplexityOptions& options, const PerplexitySetup& setup) {
  PerplexityResult result;
  const ModelConfig& config = setup.source->config();
  result.model = setup.model;
  result.name = config.name;
  result.architecture = config.architecture;
  result.text_name = options.text_file == "-" ? "standard input" : options.text_file;
  result.text_bytes = setup.text_bytes;
  result.layout = setup.layout;
  result.threads = setup.model_options.threads;
  result.chunk_tokens = setup.model_options.max_step_tokens;
  result.logit_bytes =
      int64_t{setup.model_options.max_logit_rows} * config.vocab * kLogitElementBytes;
  result.passes = static_cast<int64_t>(setup.pass_ends.size());
  result.reference.types = setup.reference;
  for (const NumericTypes& types : setup.others) result.rows.push_back({types, {}});
  result.left_out = setup.left_out;
  return result;
}

}  // namespace

absl::Status RunPerplexity(const PerplexityOptions& options, std::istream& in, std::ostream& out) {
  const absl::StatusOr<PerplexitySetup> setup = PreparePerplexity(options, in);
  if (!setup.ok()) return setup.status();
  PerplexityResult result = Describe(options, *setup);
  absl::Status status = Study(*setup, &result).Run();
  result.interrupted = absl::IsCancelled(status);
  if (!status.ok() && !result.interrupted) return status;
  out << (options.json ? PerplexityJson(result) : PerplexityReport(result));
  const absl::Status written = FlushOutput(out);
  return written.ok() ? status : written;
}

}  // namespace plumbline
