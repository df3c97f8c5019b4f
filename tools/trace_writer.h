// Writes timelines in the trace-event format, which chrome://tracing and ui.perfetto.dev read
// (Google, "Trace Event Format").
#ifndef PLUMBLINE_TOOLS_TRACE_WRITER_H_
#define PLUMBLINE_TOOLS_TRACE_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace plumbline {

// Takes the next part of a text; its first error ends what gives it.
using TextSink = std::function<absl::Status(absl::string_view)>;

// Whole nanoseconds, so that what touches in a record touches in its trace, and what lies within
// another still does. Beyond a hundred years: cut to that.
int64_t TraceNanoseconds(double seconds);

// Members of an event's "args".
class TraceArgs {
 public:
  TraceArgs& Add(absl::string_view name, int64_t value);
  TraceArgs& Add(absl::string_view name, absl::string_view text);
  // Left out where negative: there is no such time.
  TraceArgs& AddSeconds(absl::string_view name, double seconds);

  std::string ToString() const;

 private:
  TraceArgs& AddRaw(absl::string_view name, absl::string_view value);

  std::string text_;
};

// One JSON object, handed over in parts of bounded size; after the sink's first error nothing more
// is. Times are TraceNanoseconds. One thread.
class TraceWriter {
 public:
  explicit TraceWriter(TextSink sink);

  // A slice from start to end on a thread. REQUIRES: start <= end.
  void Slice(int64_t process, int64_t thread, absl::string_view name, int64_t start, int64_t end,
             const TraceArgs& args);
  // From here on the process' counter of that name has this value.
  void Counter(int64_t process, absl::string_view name, int64_t at, double value);
  // A moment.
  void Mark(int64_t process, int64_t thread, absl::string_view name, int64_t at);
  // Viewers show processes and threads by number.
  void NameProcess(int64_t process, absl::string_view name);
  void NameThread(int64_t process, int64_t thread, absl::string_view name);

  // Last of all calls: hands over the rest. OK, or the sink's first error.
  absl::Status End();

 private:
  void Metadata(absl::string_view kind, int64_t process, int64_t thread, const TraceArgs& args);
  void Event(absl::string_view event);
  void Flush();

  const TextSink sink_;
  std::string part_;
  bool first_ = true;
  absl::Status status_;
};

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_TRACE_WRITER_H_
