#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "absl/strings/str_format.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr std::chrono::milliseconds kPatience(2000);
constexpr std::chrono::milliseconds kRedraw(200);
constexpr size_t kLongestName = 40;     // columns
constexpr double kLeastForRest = 0.05;  // done, before the time left is told

class ProgressSource final : public ForwardingSource {
 public:
  ProgressSource(const TensorSource& source, Progress& progress)
      : ForwardingSource(source), progress_(progress) {}
  absl::Status ReadRows(const TensorShape& shape, int64_t row, int64_t num_rows,
                        float* out) const override {
    absl::Status status = ForwardingSource::ReadRows(shape, row, num_rows, out);
    progress_.Add(num_rows * shape.row_elements);
    return status;
  }

 private:
  Progress& progress_;
};

class ProgressExecutor final : public Executor {
 public:
  ProgressExecutor(Executor& executor, Progress& progress)
      : executor_(executor), progress_(progress) {}
  absl::StatusOr<absl::Span<const float>> Run(const StepBatch& batch, StepWork* work) override {
    absl::StatusOr<absl::Span<const float>> logits = executor_.Run(batch, work);
    progress_.Add(batch.num_tokens());
    return logits;
  }
  int vocab() const override { return executor_.vocab(); }
  int context() const override { return executor_.context(); }
  CostShape cost_shape() const override { return executor_.cost_shape(); }

 private:
  Executor& executor_;
  Progress& progress_;
};

}  // namespace

std::string ProgressLine(absl::string_view what, int64_t done, int64_t total, double seconds) {
  const double part = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  std::string line = absl::StrFormat("%s: %.0f%% after %.0f s",
                                     CutText(Printable(what), kLongestName), 100 * part, seconds);
  if (part >= kLeastForRest) {
    absl::StrAppendFormat(&line, ", %.0f s left", seconds * (1 - part) / part);
  }
  return line;
}

Progress::Progress(std::string what, int64_t total)
    : what_(std::move(what)),
      total_(std::max<int64_t>(1, total)),
      start_(std::chrono::steady_clock::now()) {
  if (isatty(STDERR_FILENO) == 1) drawer_ = std::thread([this] { Draw(); });
}

void Progress::SetWhat(std::string what) {
  const std::lock_guard<std::mutex> lock(mutex_);
  what_ = std::move(what);
}

void Progress::SetNote(std::string note) {
  const std::lock_guard<std::mutex> lock(mutex_);
  note_ = std::move(note);
}

void Progress::Draw() {
  bool drawn = false;
  std::unique_lock<std::mutex> lock(mutex_);
  std::chrono::milliseconds wait = kPatience;
  while (!stop_came_.wait_for(lock, wait, [this] { return stop_; })) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    const std::string line = note_.empty() ? ProgressLine(what_, done_, total_, passed.count())
                                           : CutText(what_ + ": " + note_, kTerminalColumns - 1);
    std::cerr << "\r\033[K" << line << std::flush;
    drawn = true;
    wait = kRedraw;
  }
  if (drawn) std::cerr << "\r\033[K" << std::flush;
}

void Progress::Stop() {
  if (!drawer_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  stop_came_.notify_all();
  drawer_.join();
}

std::unique_ptr<TensorSource> WithProgress(const TensorSource& source, Progress& progress) {
  return std::make_unique<ProgressSource>(source, progress);
}

int64_t TotalElements(const ModelConfig& config) {
  int64_t total = 0;
  for (const TensorShape& shape : ExpectedTensors(config)) total += shape.rows * shape.row_elements;
  return total;
}

std::unique_ptr<Executor> WithProgress(Executor& executor, Progress& progress) {
  return std::make_unique<ProgressExecutor>(executor, progress);
}

}  // namespace plumbline
