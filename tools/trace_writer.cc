#include "tools/trace_writer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace plumbline {
namespace {

// Nanoseconds as the microseconds of the format.
std::string TraceTime(int64_t nanoseconds) {
  const bool negative = nanoseconds < 0;
  const int64_t size = negative ? -nanoseconds : nanoseconds;
  return absl::StrFormat("%s%d.%03d", negative ? "-" : "", size / 1000, size % 1000);
}

std::string TraceText(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

int64_t TraceNanoseconds(double seconds) {
  constexpr double kMost = 100 * 365.25 * 86400;
  return std::llround(std::clamp(seconds, -kMost, kMost) * 1e9);
}

TraceArgs& TraceArgs::Add(absl::string_view name, int64_t value) {
  return AddRaw(name, absl::StrCat(value));
}

TraceArgs& TraceArgs::Add(absl::string_view name, absl::string_view text) {
  return AddRaw(name, TraceText(text));
}

TraceArgs& TraceArgs::AddSeconds(absl::string_view name, double seconds) {
  return seconds < 0 ? *this : AddRaw(name, absl::StrFormat("%.9g", seconds));
}

std::string TraceArgs::ToString() const { return absl::StrCat("{", text_, "}"); }

TraceArgs& TraceArgs::AddRaw(absl::string_view name, absl::string_view value) {
  absl::StrAppend(&text_, text_.empty() ? "" : ",", TraceText(name), ":", value);
  return *this;
}

TraceWriter::TraceWriter(TextSink sink)
    : sink_(std::move(sink)), part_(R"({"displayTimeUnit":"ms","traceEvents":[)") {}

void TraceWriter::Slice(int64_t process, int64_t thread, absl::string_view name, int64_t start,
                        int64_t end, const TraceArgs& args) {
  Event(absl::StrCat(R"({"ph":"X","pid":)", process, R"(,"tid":)", thread, R"(,"name":)",
                     TraceText(name), R"(,"ts":)", TraceTime(start), R"(,"dur":)",
                     TraceTime(end - start), R"(,"args":)", args.ToString(), "}"));
}

void TraceWriter::Counter(int64_t process, absl::string_view name, int64_t at, double value) {
  Event(absl::StrCat(R"({"ph":"C","pid":)", process, R"(,"name":)", TraceText(name), R"(,"ts":)",
                     TraceTime(at), R"(,"args":{"value":)", absl::StrFormat("%.17g", value), "}}"));
}

void TraceWriter::Mark(int64_t process, int64_t thread, absl::string_view name, int64_t at) {
  Event(absl::StrCat(R"({"ph":"i","s":"p","pid":)", process, R"(,"tid":)", thread, R"(,"name":)",
                     TraceText(name), R"(,"ts":)", TraceTime(at), "}"));
}

void TraceWriter::NameProcess(int64_t process, absl::string_view name) {
  Metadata("process_name", process, 0, TraceArgs().Add("name", name));
  Metadata("process_sort_index", process, 0, TraceArgs().Add("sort_index", process));
}

void TraceWriter::NameThread(int64_t process, int64_t thread, absl::string_view name) {
  Metadata("thread_name", process, thread, TraceArgs().Add("name", name));
  Metadata("thread_sort_index", process, thread, TraceArgs().Add("sort_index", thread));
}

absl::Status TraceWriter::End() {
  part_ += "\n]}\n";
  Flush();
  return status_;
}

void TraceWriter::Metadata(absl::string_view kind, int64_t process, int64_t thread,
                           const TraceArgs& args) {
  Event(absl::StrCat(R"({"ph":"M","pid":)", process, R"(,"tid":)", thread, R"(,"name":")", kind,
                     R"(","args":)", args.ToString(), "}"));
}

void TraceWriter::Event(absl::string_view event) {
  constexpr size_t kPartBytes = size_t{1} << 16;
  absl::StrAppend(&part_, first_ ? "\n" : ",\n", event);
  first_ = false;
  if (part_.size() >= kPartBytes) Flush();
}

void TraceWriter::Flush() {
  if (status_.ok()) status_ = sink_(part_);
  part_.clear();
}

}  // namespace plumbline
