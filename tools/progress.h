// A line on standard error that tells how far a long piece of work is.
#ifndef PLUMBLINE_TOOLS_PROGRESS_H_
#define PLUMBLINE_TOOLS_PROGRESS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "engine/tensor_source.h"
#include "scheduler/executor.h"

namespace plumbline {

// "loading toy: 45% after 9 s, 11 s left"; nothing wider than a terminal. The time left is not
// told before a twentieth is done. REQUIRES: total > 0.
std::string ProgressLine(absl::string_view what, int64_t done, int64_t total, double seconds);

// Shows nothing in the first two seconds, and nothing ever where standard error is no terminal.
// A thread of its own draws, so that the line moves while one step of the work takes long.
class Progress {
 public:
  Progress(std::string what, int64_t total);
  ~Progress() { Stop(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Safe from any thread.
  void Add(int64_t done) { done_ += done; }
  void Set(int64_t done) { done_ = done; }
  // What the line names from now on.
  void SetWhat(std::string what);
  // Stands behind the name instead of the share that is done.
  void SetNote(std::string note);
  // Takes the line away, for good. Belongs to the thread that made the object.
  void Stop();

 private:
  void Draw();

  std::string what_;  // guarded by mutex_
  std::string note_;  // guarded by mutex_; empty: the share that is done
  const int64_t total_;
  const std::chrono::steady_clock::time_point start_;
  std::atomic<int64_t> done_ = 0;
  std::mutex mutex_;
  std::condition_variable stop_came_;
  bool stop_ = false;  // guarded by mutex_
  std::thread drawer_;
};

// A source that tells `progress` of every element read. Neither is owned; the rest is as in
// `source`.
std::unique_ptr<TensorSource> WithProgress(const TensorSource& source, Progress& progress);
// Elements of all tensors: the total of such a progress.
int64_t TotalElements(const ModelConfig& config);

// An executor that tells `progress` of every token it ran. Neither is owned.
std::unique_ptr<Executor> WithProgress(Executor& executor, Progress& progress);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_PROGRESS_H_
