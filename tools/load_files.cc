#include "tools/load_files.h"

#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/replacing_file.h"
#include "spdlog/spdlog.h"
#include "tools/load_csv.h"
#include "tools/load_page.h"
#include "tools/load_trace_events.h"

namespace plumbline {
absl::Status PrepareLoadFiles(const LoadFileOptions& options) {
  if (options.folder.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (!error) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("folder ", options.folder, " cannot be made: ",
                                         error.message(), "; choose another with --output"));
}

absl::Status WriteLoadFiles(const LoadFileOptions& options, const LoadRecord& record,
                            const LoadSlo& slo, const LoadMetrics& metrics, absl::string_view json,
                            const PlotOptions& plot) {
  absl::Status first;
  const auto write = [&first](const std::string& path, const auto& writer) {
    if (path.empty()) return;
    first.Update(writer(path));
  };
  const auto in_folder = [&options](const char* name) {
    return options.folder.empty() ? std::string() : absl::StrCat(options.folder, "/", name);
  };
  const auto write_json = [&](const std::string& path) { return ReplaceFile(path, json); };
  const auto write_csv = [&](const std::string& prefix) { return WriteLoadCsv(record, prefix); };
  const auto write_trace = [&](const std::string& path) { return WriteTraceEvents(record, path); };
  write(options.json, write_json);
  write(in_folder("run.json"), write_json);
  write(options.csv, write_csv);
  write(in_folder("run"), write_csv);
  write(options.trace, write_trace);
  write(in_folder("trace.json"), write_trace);
  if (options.page.empty() && options.folder.empty()) return first;
  const absl::StatusOr<std::string> page = LoadPage(record, slo, metrics, plot);
  const auto write_page = [&page](const std::string& path) {
    return page.ok() ? ReplaceFile(path, *page) : page.status();
  };
  write(options.page, write_page);
  if (absl::IsFailedPrecondition(page.status())) {
    if (options.page.empty()) {
      spdlog::warn("no page is written: {}", std::string(page.status().message()));
    }
    return first;
  }
  write(in_folder("page.html"), write_page);
  return first;
}

}  // namespace plumbline
