// A load test as a timeline for chrome://tracing and ui.perfetto.dev (trace_writer.h).
//
// One process for each replica of each repetition; all begin at time 0. Its first thread holds the
// steps; counters show requests running and waiting and blocks used. The other threads hold
// requests: each lies on one of them from its intended send to its end, cut into the spans of
// load_spans.h. Within a thread, slices nest.
#ifndef PLUMBLINE_TOOLS_LOAD_TRACE_EVENTS_H_
#define PLUMBLINE_TOOLS_LOAD_TRACE_EVENTS_H_

#include <string>

#include "absl/status/status.h"
#include "tools/load_record.h"
#include "tools/trace_writer.h"

namespace plumbline {

// One JSON object, given to `sink` in parts of bounded size, however long the run. Errors are those
// of `sink`.
absl::Status TraceEvents(const LoadRecord& record, const TextSink& sink);

// The same to a file, whole or not at all. Errors of ReplacingFile.
absl::Status WriteTraceEvents(const LoadRecord& record, const std::string& path);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_TRACE_EVENTS_H_
