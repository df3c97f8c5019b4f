#include "tools/perplexity_run.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/parallel.h"

namespace plumbline {
namespace {

// The scores of one window while it runs.
struct OpenWindow {
  WindowSums sums;
  std::vector<double> divergences;
};

// One text and its models.
class Scoring {
 public:
  Scoring(const PerplexityText& text, WindowEngine& reference,
          absl::Span<WindowEngine* const> others, const PassHooks& hooks)
      : text_(text),
        reference_(reference),
        others_(others),
        hooks_(hooks),
        vocab_(static_cast<size_t>(reference.model().config().vocab)),
        threads_(reference.model().options().threads) {}

  // Scores by model, the reference's first.
  absl::Status RunWindow(int64_t index, std::vector<OpenWindow>* open) {
    const PerplexityWindow window = WindowAt(text_.layout, index);
    sequence_.assign(text_.start.begin(), text_.start.end());
    const auto tokens = text_.tokens.subspan(static_cast<size_t>(window.begin),
                                             static_cast<size_t>(window.end - window.begin));
    sequence_.insert(sequence_.end(), tokens.begin(), tokens.end());
    open->assign(others_.size() + 1, {});
    // The row at a position speaks of the token after it; the last token has none.
    const auto fed = static_cast<int64_t>(sequence_.size()) - 1;
    const int64_t first_scored = fed - window.scored;
    for (int64_t first = 0; first < fed; first += text_.chunk_tokens) {
      if (hooks_.cancelled && hooks_.cancelled()) return absl::CancelledError("interrupted");
      const int64_t count = std::min(text_.chunk_tokens, fed - first);
      const int64_t rows = std::clamp<int64_t>(first + count - first_scored, 0, count);
      absl::Status status = RunStep(first, count, rows, open);
      if (!status.ok()) return status;
    }
    return CheckFinite(window, *open);
  }

 private:
  absl::Status RunStep(int64_t first, int64_t count, int64_t rows, std::vector<OpenWindow>* open) {
    const absl::StatusOr<absl::Span<const float>> logits = Feed(reference_, first, count, rows);
    if (!logits.ok()) return logits.status();
    const int64_t first_row = first + count - rows;
    reference_rows_.assign(static_cast<size_t>(rows), LogitRow());
    ParallelFor(threads_, rows, [&](int64_t row) {
      reference_rows_[static_cast<size_t>(row)] = RowOf(*logits, static_cast<size_t>(row));
    });
    Add(first_row, rows, (*open)[0], [&](size_t row, int32_t next) {
      const double negative_log = reference_rows_[row].NegativeLog(next);
      return TokenScore{negative_log, negative_log, 0, true};
    });
    for (size_t i = 0; i < others_.size(); ++i) {
      const absl::StatusOr<absl::Span<const float>> other = Feed(*others_[i], first, count, rows);
      if (!other.ok()) return other.status();
      Add(first_row, rows, (*open)[i + 1], [&](size_t row, int32_t next) {
        return ScoreToken(reference_rows_[row], RowOf(*other, row), next);
      });
    }
    return absl::OkStatus();
  }

  absl::StatusOr<absl::Span<const float>> Feed(WindowEngine& engine, int64_t first, int64_t count,
                                               int64_t rows) {
    const auto tokens = absl::MakeConstSpan(sequence_).subspan(static_cast<size_t>(first),
                                                               static_cast<size_t>(count));
    absl::StatusOr<absl::Span<const float>> logits = engine.Feed(tokens, first, rows);
    if (hooks_.on_positions) hooks_.on_positions(count);
    return logits;
  }

  LogitRow RowOf(absl::Span<const float> logits, size_t row) const {
    return LogitRow(logits.subspan(row * vocab_, vocab_));
  }

  // Rows are scored by several threads, and added up in their order. `score_row` is called with a
  // row of logits, the first one at position `first_row`, and the token that follows it.
  template <class Score>
  void Add(int64_t first_row, int64_t rows, OpenWindow& window, const Score& score_row) {
    scores_.resize(static_cast<size_t>(rows));
    ParallelFor(threads_, rows, [&](int64_t row) {
      const auto i = static_cast<size_t>(row);
      scores_[i] = score_row(i, sequence_[static_cast<size_t>(first_row) + i + 1]);
    });
    for (const TokenScore& score : scores_) {
      window.sums.Add(score);
      window.divergences.push_back(score.divergence);
    }
  }

  // A sum with one member that is not finite is not finite.
  static absl::Status CheckFinite(const PerplexityWindow& window,
                                  const std::vector<OpenWindow>& open) {
    for (const OpenWindow& of_model : open) {
      const WindowSums& sums = of_model.sums;
      if (TokenScore{sums.negative_log, sums.reference_negative_log, sums.divergence}.finite()) {
        continue;
      }
      return absl::DataLossError(
          absl::StrCat("between tokens ", window.begin, " and ", window.end,
                       " of the text a logit is not a finite number: the model's weights do not "
                       "fit its shape, or overflow; try another --weights, or another file"));
    }
    return absl::OkStatus();
  }

  const PerplexityText& text_;
  WindowEngine& reference_;
  const absl::Span<WindowEngine* const> others_;
  const PassHooks& hooks_;
  const size_t vocab_;
  const int threads_;
  std::vector<int32_t> sequence_;         // of the window at hand
  std::vector<LogitRow> reference_rows_;  // of the step at hand
  std::vector<TokenScore> scores_;        // of the step and the model at hand
};

void Close(const OpenWindow& window, TextScores* scores) {
  scores->windows.push_back(window.sums);
  scores->divergences.insert(scores->divergences.end(), window.divergences.begin(),
                             window.divergences.end());
}

}  // namespace

WindowEngine::WindowEngine(std::unique_ptr<Model> model, std::unique_ptr<KvStore> store)
    : model_(std::move(model)),
      store_(std::move(store)),
      executor_(*model_, *store_),
      shape_(executor_.cost_shape()),
      blocks_(static_cast<size_t>(store_->num_blocks())) {
  std::iota(blocks_.begin(), blocks_.end(), 0);
}

absl::StatusOr<std::unique_ptr<WindowEngine>> WindowEngine::Load(const TensorSource& source,
                                                                 const ModelOptions& options,
                                                                 int64_t positions) {
  absl::StatusOr<std::unique_ptr<Model>> model = Model::Load(source, options);
  if (!model.ok()) return model.status();
  const KvGeometry geometry = source.config().CacheGeometry(options.kv_dtype, options.block_tokens);
  const int64_t blocks = geometry.BlocksFor(positions);
  if (blocks > std::numeric_limits<int>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a cache of ", positions, " positions is too large: lower --context"));
  }
  absl::StatusOr<std::unique_ptr<KvStore>> store =
      KvStore::Create(geometry, static_cast<int>(blocks));
  if (!store.ok()) return store.status();
  return std::unique_ptr<WindowEngine>(new WindowEngine(*std::move(model), *std::move(store)));
}

absl::StatusOr<absl::Span<const float>> WindowEngine::Feed(absl::Span<const int32_t> tokens,
                                                           int64_t first, int64_t logit_rows) {
  const SpanShape span = {first, static_cast<int64_t>(tokens.size()), logit_rows};
  batch_.Clear();
  batch_.AddSpan(tokens, static_cast<int>(first), static_cast<int>(logit_rows), blocks_);
  StepWork work;
  absl::StatusOr<absl::Span<const float>> logits = executor_.Run(batch_, &work);
  if (logits.ok()) CheckCounts(work, span);
  return logits;
}

void WindowEngine::CheckCounts(const StepWork& work, const SpanShape& span) {
  agreement_.Compare(work.spans[0], SpanMacs(shape_, span));
  agreement_.Compare(work.bytes, StepBytes(shape_, {&span, 1}));
  agreement_.Compare(work.softmax_pairs, SpanSoftmaxPairs(shape_, span));
}

absl::Status ScoreText(const PerplexityText& text, WindowEngine& reference,
                       absl::Span<WindowEngine* const> others, const PassHooks& hooks,
                       TextScores* reference_scores, std::vector<TextScores>* scores) {
  *reference_scores = {};
  scores->assign(others.size(), {});
  Scoring scoring(text, reference, others, hooks);
  std::vector<OpenWindow> open;
  for (int64_t index = 0; index < text.layout.windows(); ++index) {
    if (absl::Status status = scoring.RunWindow(index, &open); !status.ok()) return status;
    Close(open[0], reference_scores);
    for (size_t i = 0; i < others.size(); ++i) Close(open[i + 1], &(*scores)[i]);
  }
  return absl::OkStatus();
}

}  // namespace plumbline
