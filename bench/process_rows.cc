// Rows that need a fresh process: the time from its start to the first token, and its peak memory.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "bench/rows.h"
#include "engine/cgroup.h"
#include "engine/step_clock.h"
#include "engine/tensor_source.h"
#include "tools/bench_measure.h"
#include "tools/child_process.h"
#include "tools/synth.h"
#include "tools/table.h"

namespace plumbline {
namespace {

constexpr int64_t kReadBytesAtOnce = int64_t{4} << 20;
constexpr int64_t kShortPrompt = 16;
constexpr int64_t kLongPrompt = 512;
constexpr int64_t kDecoded = 8;
constexpr int64_t kMemoryCacheTokens = 2048;
constexpr double kMemoryShare = 1.1;
constexpr double kMemoryRest = 256.0 * 1024 * 1024;

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The file of these rows. One that is written here has no name any more once it is whole, so that
// nothing is left behind however this ends; it is reached through this process's descriptor.
class RowFile {
 public:
  static absl::StatusOr<std::unique_ptr<RowFile>> Open(const std::string& given) {
    if (!given.empty()) return std::make_unique<RowFile>(given, nullptr);
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
    if (error) return absl::NotFoundError("there is no folder for temporary files: use --file");
    SynthOptions synth;
    synth.model = "synthetic:tinyllama-1.1b";
    synth.output = (folder / absl::StrCat("rows_bench-", getpid(), ".gguf")).string();
    if (absl::Status status = RunSynth(synth); !status.ok()) return status;
    auto descriptor = std::make_unique<Descriptor>(synth.output);
    std::filesystem::remove(synth.output, error);
    std::string path = absl::StrCat("/proc/", getpid(), "/fd/", descriptor->get());
    return std::make_unique<RowFile>(std::move(path), std::move(descriptor));
  }
  // `descriptor`: what `path` goes through; may be null.
  RowFile(std::string path, std::unique_ptr<Descriptor> descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::unique_ptr<Descriptor> descriptor_;
};

// Written pages cannot be dropped before they are on the disk.
absl::Status EvictPages(const std::string& path) {
  const Descriptor file(path);
  if (file.get() < 0 || fsync(file.get()) != 0 ||
      posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) != 0) {
    return absl::UnavailableError(absl::StrCat(path, ": its pages cannot be evicted"));
  }
  return absl::OkStatus();
}

absl::StatusOr<double> PlainReadSeconds(const std::string& path) {
  const Descriptor file(path);
  std::vector<char> buffer(kReadBytesAtOnce);
  const double start = SteadySeconds();
  ssize_t got = 0;
  do {
    got = read(file.get(), buffer.data(), buffer.size());
  } while (got > 0);
  if (got < 0) return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  return SteadySeconds() - start;
}

struct ChildFigures {
  double start = 0;        // by the clock that all processes share
  double first_token = 0;  // the same
  double peak_bytes = 0;
  double held_bytes = 0;  // weights and cache
};

absl::StatusOr<ChildFigures> RunChildOn(const std::string& file, int threads, int64_t prompt) {
  ChildRun run;
  run.program = "/proc/self/exe";
  run.arguments = {"--threads", absl::StrCat(threads), "--child", file, absl::StrCat(prompt)};
  run.time_limit = absl::Minutes(10);
  ChildFigures figures;
  figures.start = SteadySeconds();
  const absl::StatusOr<ChildResult> result = RunChild(run);
  if (!result.ok()) return result.status();
  const std::vector<std::string> words = absl::StrSplit(result->out, ' ');
  if (result->exit_code != 0 || words.size() != 3 ||
      !absl::SimpleAtod(words[0], &figures.first_token) ||
      !absl::SimpleAtod(words[1], &figures.peak_bytes) ||
      !absl::SimpleAtod(words[2], &figures.held_bytes)) {
    return absl::UnknownError(absl::StrCat("a repetition's process failed: ", result->err));
  }
  return figures;
}

// VmHWM: the most that was ever resident, pages of mapped files too.
double PeakResidentBytes() {
  for (const absl::string_view line : absl::StrSplit(ReadSmallFile("/proc/self/status"), '\n')) {
    absl::string_view rest = line;
    double kib = 0;
    if (absl::ConsumePrefix(&rest, "VmHWM:") &&
        absl::SimpleAtod(absl::StripSuffix(rest, "kB"), &kib)) {
      return kib * 1024;
    }
  }
  return 0;
}

}  // namespace

absl::Status RunRowChild(const std::string& file, int threads, int64_t prompt) {
  const auto source = OpenModel(file);
  if (!source.ok()) return source.status();
  const BenchHow how;
  const BenchTest test = {prompt, kDecoded, 0, 1};
  BenchRoom room;
  room.Add(test, how.chunk_tokens, how.block_tokens);
  if (prompt == kLongPrompt) room.cache_tokens = kMemoryCacheTokens;
  const BenchSetup setup = {file, WeightDtype::kBf16, KvDtype::kBf16, threads, {test}};
  const auto rig = BenchRig::Load(**source, setup, how, room, {});
  if (!rig.ok()) return rig.status();
  BenchCounts counts;
  absl::Status status = (*rig)->Run({prompt, 0, 0, 1}, &counts).status();
  const double first_token = SteadySeconds();
  if (status.ok()) status = (*rig)->Run({0, kDecoded, prompt, 1}, &counts).status();
  if (!status.ok()) return status;
  const double held = static_cast<double>(Total((*rig)->model().weight_sizes().bytes) +
                                          (*rig)->store().allocated_bytes());
  std::cout.precision(17);
  std::cout << first_token << " " << PeakResidentBytes() << " " << held << std::flush;
  return absl::OkStatus();
}

absl::Status LoadRow(const RowOptions& options, const RowSink& sink) {
  const auto file = RowFile::Open(options.file);
  if (!file.ok()) return file.status();
  const std::string& path = (*file)->path();
  const auto limit = [&path]() -> absl::StatusOr<double> {
    if (absl::Status status = EvictPages(path); !status.ok()) return status;
    return PlainReadSeconds(path);
  };
  std::vector<double> limits, times, ratios;
  auto before = limit();
  for (int i = 0; before.ok() && i < options.repetitions; ++i) {
    if (absl::Status status = EvictPages(path); !status.ok()) return status;
    const auto child = RunChildOn(path, options.threads, kShortPrompt);
    if (!child.ok()) return child.status();
    const auto after = limit();
    if (!after.ok()) return after.status();
    times.push_back(child->first_token - child->start);
    limits.push_back((*before + *after) / 2);
    ratios.push_back(times.back() / limits.back());
    before = after;
  }
  if (!before.ok()) return before.status();
  sink({"1.1B bf16 file", FormatSeconds(SpreadOf(limits).median),
        FormatSeconds(SpreadOf(times).median), SpreadOf(ratios), "<= 2, or 2 s"});
  return absl::OkStatus();
}

absl::Status MemoryRow(const RowOptions& options, const RowSink& sink) {
  const auto file = RowFile::Open(options.file);
  if (!file.ok()) return file.status();
  std::vector<double> limits, peaks, ratios;
  for (int i = 0; i < options.repetitions; ++i) {
    const auto child = RunChildOn((*file)->path(), options.threads, kLongPrompt);
    if (!child.ok()) return child.status();
    peaks.push_back(child->peak_bytes);
    limits.push_back(kMemoryShare * child->held_bytes + kMemoryRest);
    ratios.push_back(peaks.back() / limits.back());
  }
  sink({"1.1B bf16 file", absl::StrCat(FormatSi(SpreadOf(limits).median), "B"),
        absl::StrCat(FormatSi(SpreadOf(peaks).median), "B"), SpreadOf(ratios), "<= 1"});
  return absl::OkStatus();
}

}  // namespace plumbline
