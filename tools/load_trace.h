// Traces of real traffic: when requests came, and how long they were.
#ifndef PLUMBLINE_TOOLS_LOAD_TRACE_H_
#define PLUMBLINE_TOOLS_LOAD_TRACE_H_

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace plumbline {

inline constexpr int64_t kTraceBlockTokens = 512;  // prompt tokens behind one hash id

struct TraceRequest {
  double seconds = 0;  // after the first of the trace
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  // One for each kTraceBlockTokens prompt tokens, the last block partial: equal ids stand for equal
  // tokens. Empty: nothing is known to be shared.
  std::vector<int64_t> hash_ids;

  bool operator==(const TraceRequest&) const = default;
};

struct Trace {
  std::vector<TraceRequest> requests;  // in order of time
  int64_t skipped = 0;                 // rows without an answer (failed requests)
};

// Mooncake: a JSON object on each line, with timestamp (ms), input_length, output_length and
// hash_ids. BurstGPT: CSV with a heading; Timestamp (seconds), Request tokens and Response tokens
// are looked for, other columns passed over, and rows with 0 response tokens skipped. Which it is
// shows in the first character. `name` stands in errors. InvalidArgument names the line and what is
// wrong with it.
absl::StatusOr<Trace> ParseTrace(std::istream& in, const std::string& name);
// NotFound for a file that cannot be read; errors of ParseTrace.
absl::StatusOr<Trace> ReadTrace(const std::string& path);

}  // namespace plumbline

#endif  // PLUMBLINE_TOOLS_LOAD_TRACE_H_
